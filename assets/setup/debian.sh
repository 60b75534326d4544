# What the scripts here share that run something in a Debian of their own, a folder $root of target/; read by them with `.` at
# their beginning, as it begins them anew.
[ "$(id -u)" = 0 ] || { echo "$(basename "$0"): only root can make and enter a Debian of its own" >&2; exit 1; }
unshare --mount true || { echo "$(basename "$0"): it mounts: take a virtual machine, or a container with --privileged" >&2; exit 1; }
# In a namespace of its own, so that no mount outlives it, however it ends: who removes target/ would remove what is mounted there.
[ -n "${OWN_MOUNTS-}" ] || exec env OWN_MOUNTS=1 unshare --mount sh "$0" "$@"

install="env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends"

# new_debian [OPTION...] SUITE: makes $root anew, and finds the $mirror.
new_debian() {
    rm -rf --one-file-system "$root"
    mkdir -p target
    apt-get update -q
    $install debootstrap debian-archive-keyring
    # Debian's own: others' addresses end in /debian too.
    mirror=$(apt-cache policy | awk '/:\/\// { url = $2 } /release .*o=Debian,/ { print url }' | sed -n 's,\(/debian\)/*$,\1,p' |
        head -n 1)
    [ -n "$mirror" ] || { echo "$(basename "$0"): apt's sources name no Debian mirror; it runs on Debian alone" >&2; exit 1; }
    debootstrap --force-check-gpg --variant=minbase "$@" "$root" "$mirror"
}

# Debian 13 with its backports and their Mesa.
new_debian13() {
    new_debian --include=ca-certificates trixie
    echo "deb $mirror trixie-backports main" >>"$root/etc/apt/sources.list"
    chroot "$root" apt-get update -q
    chroot "$root" $install -t trixie-backports libvulkan1 mesa-vulkan-drivers
}
