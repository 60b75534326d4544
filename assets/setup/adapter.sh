#!/bin/sh
# Makes sure that there is a Vulkan adapter: on Debian and Ubuntu, where none is installed, the loader and
# Mesa's drivers (llvmpipe, the software adapter, among them) come from apt. Elsewhere it does nothing.
set -eu

has_driver() {
    ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1' || return 1
    for dir in /usr/share/vulkan/icd.d /etc/vulkan/icd.d /usr/local/share/vulkan/icd.d; do
        [ -n "$(ls "$dir" 2>/dev/null)" ] && return 0
    done
    [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ]
}

[ "$(uname -s)" = Linux ] || exit 0
has_driver && exit 0
if ! command -v apt-get >/dev/null; then
    echo "no Vulkan driver found: install your distribution's Vulkan loader and Mesa's Vulkan drivers" >&2
    exit 0
fi
root=
[ "$(id -u)" = 0 ] || root=sudo
echo "no Vulkan driver found: installing libvulkan1 and mesa-vulkan-drivers" >&2
$root apt-get update -q
$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends libvulkan1 mesa-vulkan-drivers
has_driver
