#!/bin/sh
# Runs a program with Mesa's llvmpipe of Debian 13's backports, which has cooperative matrices, on a machine that may be older:
# as root, in a Debian 13 of its own under target/, which is made the first time.
#   assets/setup/newer-driver.sh PROGRAM [ARGUMENT...]
set -eu

root=target/debian13
if [ ! -e "$root/made" ]; then
    rm -rf "$root"
    mkdir -p target
    command -v debootstrap >/dev/null || {
        apt-get update -q
        env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends debootstrap
    }
    mirror=$(apt-cache policy | sed -n 's,.* \(https*://[^ ]*/debian\) .*,\1,p' | head -n 1)
    debootstrap --variant=minbase trixie "$root" "$mirror"
    echo "deb $mirror trixie-backports main" >>"$root/etc/apt/sources.list"
    chroot "$root" apt-get update -q
    chroot "$root" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends -t trixie-backports libvulkan1 mesa-vulkan-drivers
    touch "$root/made"
fi >&2
cp "$1" "$root/program"
shift
exec chroot "$root" env HOME=/tmp XDG_RUNTIME_DIR=/tmp SSGAN_TEST_COOPERATIVE=1 /program "$@"
