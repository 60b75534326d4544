#!/bin/sh
# Runs a program with Mesa's llvmpipe of Debian 13's backports, which has cooperative matrices, on a Debian that may be older:
# as root, in a Debian 13 of its own under target/, which is made the first time.
#   assets/setup/newer-driver.sh PROGRAM [ARGUMENT...]
set -eu

[ "$(id -u)" = 0 ] || { echo "newer-driver.sh: only root can make and enter a Debian of its own" >&2; exit 1; }
# In a namespace of its own, so that no mount outlives it, however it ends: who removes target/ would remove what is mounted there.
[ -n "${OWN_MOUNTS-}" ] || exec env OWN_MOUNTS=1 unshare --mount sh "$0" "$@"
program=$(realpath "$1")
shift
cd "$(dirname "$0")/../.."
root=$PWD/target/debian13
made=$root/made-2
if [ ! -e "$made" ]; then
    rm -rf --one-file-system "$root"
    mkdir -p target
    apt-get update -q
    env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends debootstrap debian-archive-keyring
    mirror=$(apt-cache policy | sed -n 's,.* \(https*://[^ ]*/debian\)/* .*,\1,p' | head -n 1)
    [ -n "$mirror" ] || { echo "newer-driver.sh: apt's sources name no Debian mirror" >&2; exit 1; }
    debootstrap --force-check-gpg --variant=minbase --include=ca-certificates trixie "$root" "$mirror"
    echo "deb $mirror trixie-backports main" >>"$root/etc/apt/sources.list"
    chroot "$root" apt-get update -q
    chroot "$root" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends -t trixie-backports libvulkan1 mesa-vulkan-drivers
    touch "$made"
fi >&2
cp "$program" "$root/program"
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" \
    env HOME=/tmp XDG_RUNTIME_DIR=/tmp /program "$@"
