#!/bin/sh
# Runs a command in this project on a bare Debian 12, as a newcomer has it: nothing but what README.md asks for and the
# host's Rust toolchain. On Debian, as root; the machine is a folder of target/.
#   assets/setup/bare-debian.sh COMMAND...          as a user without sudo; whoever is root has installed the driver
#   assets/setup/bare-debian.sh --root COMMAND...   as root, from nothing
# The project and cargo's home have the paths there that they have on the host, so that what was built there is up to date here.
set -eu

. "$(dirname "$0")/debian.sh"
who=user
if [ "$1" = --root ]; then
    who=root
    shift
fi
cd "$(dirname "$0")/../.."
root=$PWD/target/debian12-$who
if [ "$who" = root ] || [ ! -e "$root/made" ]; then
    new_debian bookworm
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    # The line of README.md.
    chroot "$root" $install $(sed -n 's/^ *apt-get install \(git .*\)/\1/p' README.md | head -n 1)
    if [ "$who" = user ]; then
        chroot "$root" $install libvulkan1 mesa-vulkan-drivers
        chroot "$root" useradd --create-home user
    fi
    # The host's certificates: its network may go through a proxy that has one of its own.
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    mkdir "$root/opt/rust"
    touch "$root/made"
fi >&2
home=$([ "$who" = user ] && echo /home/user || echo /root)
cargo_home=${CARGO_HOME:-$HOME/.cargo}
rm -rf --one-file-system "$root$PWD"
mkdir -p "$root$PWD" "$root$cargo_home"
git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from - | tar --extract -C "$root$PWD"
if [ "$who" = user ]; then
    chown -R 1000:1000 "$root$PWD" "$root$cargo_home"
    # Root's home is closed to others, and the project or cargo's home may be in it.
    chmod 755 "$root/root"
fi
mount --bind -o ro "$(rustc --print sysroot)" "$root/opt/rust"
mount -t proc proc "$root/proc"
chroot --userspec="$who" "$root" env -i HOME="$home" USER="$who" TERM=dumb \
    CARGO_HOME="$cargo_home" ${CARGO_INCREMENTAL+"CARGO_INCREMENTAL=$CARGO_INCREMENTAL"} \
    PATH="/opt/rust/bin:/usr/local/bin:/usr/bin:/bin$([ "$who" = user ] || echo :/usr/sbin:/sbin)" \
    sh -ec 'cd "$0"; "$@"' "$PWD" "$@"
