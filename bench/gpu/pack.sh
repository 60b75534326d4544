#!/bin/sh
# Gathers what a bare machine with a GPU needs to run bench/gpu/run.py without a network, at most 64 MiB: the program, MNIST and the
# Vulkan loader's package. On Debian or Ubuntu; the program is built here, and must run there.
#   bench/gpu/pack.sh FOLDER [DIR]     DIR: MNIST's IDX files, gzipped; those of the cache folder where it is left out
set -eu

folder=$(mkdir -p "$1" && realpath "$1")
mnist=${2:-}
[ -z "$mnist" ] || mnist=$(realpath "$mnist")
cd "$(dirname "$0")/../.."
export CARGO_TARGET_DIR="$PWD/target"
cargo build --release --locked
cp target/release/ssgan "$folder/ssgan"
strip "$folder/ssgan"
if [ -z "$mnist" ]; then
    target/release/ssgan data fetch --dataset mnist --quiet
    mnist=${SSGAN_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ssgan}/mnist
fi
mkdir -p "$folder/mnist"
for file in "$mnist"/*-ubyte*; do
    case $file in
        *.gz) cp "$file" "$folder/mnist" ;;
        *) gzip -9 -c "$file" > "$folder/mnist/$(basename "$file").gz" ;;
    esac
done
(cd "$folder" && apt-get download -q libvulkan1)
du -sh "$folder"
[ "$(du -sm "$folder" | cut -f 1)" -le 64 ] || { echo "pack.sh: $folder is larger than 64 MiB" >&2; exit 1; }
