#!/bin/sh
# Runs a program for Windows under Wine, with Mesa's llvmpipe of Debian 13's backports behind its Vulkan: as root on Debian, in a
# Debian 13 of its own under target/, which is made the first time. The project's folder has its own path there, and is the
# program's. Direct3D is hidden: Wine's own compiler cannot take what wgpu makes for it (docs/drivers.md).
#   assets/setup/wine.sh PROGRAM [ARGUMENT...]
set -eu

[ "$(id -u)" = 0 ] || { echo "wine.sh: only root can make and enter a Debian of its own" >&2; exit 1; }
# In a namespace of its own, so that no mount outlives it, however it ends: who removes target/ would remove what is mounted there.
[ -n "${OWN_MOUNTS-}" ] || exec env OWN_MOUNTS=1 unshare --mount sh "$0" "$@"
program=$(realpath "$1")
shift
cd "$(dirname "$0")/../.."
root=$PWD/target/debian13-wine
if [ ! -e "$root/made" ]; then
    install="env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends"
    rm -rf --one-file-system "$root"
    mkdir -p target
    apt-get update -q
    $install debootstrap debian-archive-keyring
    mirror=$(apt-cache policy | sed -n 's,.* \(https*://[^ ]*/debian\)/* .*,\1,p' | head -n 1)
    [ -n "$mirror" ] || { echo "wine.sh: apt's sources name no Debian mirror" >&2; exit 1; }
    debootstrap --force-check-gpg --variant=minbase --include=ca-certificates trixie "$root" "$mirror"
    echo "deb $mirror trixie-backports main" >>"$root/etc/apt/sources.list"
    chroot "$root" apt-get update -q
    chroot "$root" $install wine wine64 xvfb xauth libx11-6 libxext6 libxrandr2 libxi6 libxcursor1
    chroot "$root" $install -t trixie-backports libvulkan1 mesa-vulkan-drivers
    touch "$root/made"
fi >&2
mkdir -p "$root$PWD"
mount -t proc proc "$root/proc"
mount --bind "$PWD" "$root$PWD"
# Wine knows no Vulkan without a display, which must outlive what the program leaves running, and names of files beyond ASCII
# by the locale.
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" env HOME=/root LC_ALL=C.UTF-8 WINEDEBUG=-all \
    WINEDLLOVERRIDES="d3d12=;mscoree=;mshtml=" sh -ec 'cd "$0"
    xvfb-run -a sh -c "wine \"\$@\"; status=\$?; wineserver -w; exit \$status" wine "$@"' "$PWD" "$program" "$@"
