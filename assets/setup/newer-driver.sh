#!/bin/sh
# Runs a program with Mesa's llvmpipe of Debian 13's backports, which has cooperative matrices, on a Debian that may be older:
# as root, in a Debian 13 of its own under target/, which is made the first time.
#   assets/setup/newer-driver.sh PROGRAM [ARGUMENT...]
set -eu

. "$(dirname "$0")/debian.sh"
program=$(realpath "$1")
shift
cd "$(dirname "$0")/../.."
root=$PWD/target/debian13
made=$root/made-2
if [ ! -e "$made" ]; then
    new_debian13
    touch "$made"
fi >&2
cp "$program" "$root/program"
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" \
    env HOME=/tmp XDG_RUNTIME_DIR=/tmp /program "$@"
