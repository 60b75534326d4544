#!/bin/sh
# Puts Microsoft's shader compiler, dxcompiler.dll with its licence, into a folder, for the program on Windows: without it there is
# only FXC, which is slow and knows no subgroups. Needs GitHub's command `gh`, with a token.
#   assets/setup/dxc.sh FOLDER
set -eu

version=v1.8.2505.1
folder=$1
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
gh release download "$version" --repo microsoft/DirectXShaderCompiler --pattern 'dxc_*.zip' --dir "$made"
mkdir -p "$folder"
(cd "$made" && 7z x -y ./dxc_*.zip >/dev/null)
cp "$made/bin/x64/dxcompiler.dll" "$folder/"
cp "$made"/LICENSE-LLVM.txt "$folder/LICENSE-DXC.txt"
