#!/bin/sh
# Runs a cargo command for WebAssembly. The standard library of that target comes from rustup, which fetches it, or from the
# system's packages; the exit status is 3 where there is none.
#   assets/setup/wasm.sh cargo check ...
set -eu

target=wasm32-unknown-unknown
cd "$(dirname "$0")/../.."
have() { [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; }
if ! have && command -v rustup >/dev/null; then
    timeout 300 rustup target add "$target" >&2 || true
fi
if have; then
    exec "$@" --target "$target" --target-dir target/wasm
fi
echo "wasm.sh: no standard library for $target: rustup target add $target, or Debian's libstd-rust-dev-wasm32" >&2
exit 3
