#!/bin/sh
# Runs a cargo command for WebAssembly, with that target's standard library from where there is one: rustup, which fetches
# it, else Debian's package of the source, of which cargo builds it (as root, once).
#   assets/setup/wasm.sh cargo check ...
set -eu

target=wasm32-unknown-unknown
cd "$(dirname "$0")/../.."
have() { [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; }
if ! have && command -v rustup >/dev/null; then
    rustup target add "$target" >&2 || true
fi
if have; then
    exec "$@" --target "$target" --target-dir target/wasm
fi
echo "wasm.sh: no standard library for $target: rustup target add $target, or Debian's libstd-rust-dev-wasm32" >&2
exit 1
