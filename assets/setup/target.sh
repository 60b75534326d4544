#!/bin/sh
# Runs a cargo command for another target: wasm32-unknown-unknown, x86_64-pc-windows-gnu. The target's standard library comes from
# rustup, which fetches it, or from the system's packages, which fit the system's own compiler alone; the exit status is 3 where
# there is none.
#   assets/setup/target.sh TARGET cargo check ...
set -eu

target=$1
shift
cd "$(dirname "$0")/../.."
have() { [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; }
if ! have && command -v rustup >/dev/null; then
    # macOS has no timeout.
    $(command -v timeout >/dev/null && echo timeout 300) rustup target add "$target" >&2 || true
fi
if ! have; then
    echo "target.sh: no standard library for $target: rustup target add $target, or, for Debian's rustc, its packages libstd-rust-dev-*" >&2
    exit 3
fi
# The TLS library is built by a C compiler, also to be checked.
if [ "$target" = x86_64-pc-windows-gnu ] && ! command -v x86_64-w64-mingw32-gcc >/dev/null; then
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        echo "target.sh: install gcc-mingw-w64-x86-64-win32 first, or run this as root on Debian" >&2
        exit 3
    fi
    apt-get update -q >&2
    env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends gcc-mingw-w64-x86-64-win32 >&2
fi
exec "$@" --target "$target" --target-dir "target/$target"
