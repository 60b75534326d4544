#!/bin/sh
# Makes sure that there is a Vulkan adapter: on Debian and Ubuntu, where none is installed, the loader and
# Mesa's drivers (llvmpipe, the software adapter, among them) come from apt. Elsewhere it does nothing.
set -eu

# ldconfig is in /sbin, which is not on an ordinary user's PATH.
has_driver() {
    PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1' || return 1
    for dir in /usr/share/vulkan/icd.d /etc/vulkan/icd.d /usr/local/share/vulkan/icd.d; do
        [ -n "$(ls "$dir" 2>/dev/null)" ] && return 0
    done
    [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ]
}

[ "$(uname -s)" = Linux ] || exit 0
has_driver && exit 0
if ! command -v apt-get >/dev/null; then
    echo "no Vulkan driver found where this script looks. If there is none, install the Vulkan loader and Mesa's drivers:" >&2
    echo "    Fedora: vulkan-loader mesa-vulkan-drivers; Arch: vulkan-icd-loader vulkan-swrast" >&2
    exit 0
fi
packages="libvulkan1 mesa-vulkan-drivers"
as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "no Vulkan driver found, and no sudo to install one. Ask whoever is root here to run" >&2
        echo "    apt-get install $packages" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "no Vulkan driver found: installing $packages${as_root:+ with sudo}" >&2
# Of a source that cannot be reached the packages may not be.
$as_root apt-get update -q || echo "apt-get update failed: trying with what it knew before" >&2
if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages; then
    echo "they could not be installed. Ask whoever is root here to run" >&2
    echo "    apt-get install $packages" >&2
    exit 1
fi
if ! has_driver; then
    echo "$packages are installed, and still there is no Vulkan driver in /usr/share/vulkan/icd.d" >&2
    exit 1
fi
