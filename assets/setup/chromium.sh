#!/bin/sh
# Makes sure that there are Chromium and Node with npm: on Debian, as root, they come from apt where they are not there. Prints
# the path of Chromium's program.
set -eu

find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome-stable; }

packages=
find_chromium >/dev/null || packages=chromium
command -v node >/dev/null || packages="$packages nodejs"
command -v npm >/dev/null || packages="$packages npm"
if [ -n "$packages" ]; then
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        echo "chromium.sh: install first, or run this as root on Debian: $packages" >&2
        exit 1
    fi
    apt-get update -q >&2
    env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages >&2
fi
find_chromium
