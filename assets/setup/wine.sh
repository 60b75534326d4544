#!/bin/sh
# Runs a program for Windows under Wine, with Mesa's llvmpipe of Debian 13's backports behind its Vulkan: as root on Debian, in a
# Debian 13 of its own under target/, which is made the first time. The project's folder has its own path there, and is the
# program's. Direct3D is hidden: Wine's own compiler cannot take what wgpu makes for it (docs/drivers.md).
#   assets/setup/wine.sh PROGRAM [ARGUMENT...]
set -eu

. "$(dirname "$0")/debian.sh"
program=$(realpath "$1")
shift
cd "$(dirname "$0")/../.."
root=$PWD/target/debian13-wine
if [ ! -e "$root/made" ]; then
    new_debian13
    chroot "$root" $install wine wine64 xvfb xauth libx11-6 libxext6 libxrandr2 libxi6 libxcursor1
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
