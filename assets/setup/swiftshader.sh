#!/bin/sh
# Runs a program with SwiftShader, the Vulkan driver that Debian's Chromium brings: as root, which installs it where it is not
# there. A compiler that runs away ends at 7 GB of address space, before the machine's memory does.
#   assets/setup/swiftshader.sh PROGRAM [ARGUMENT...]
set -eu

driver=/usr/lib/chromium/vk_swiftshader_icd.json
[ -e "$driver" ] || sh "$(dirname "$0")/chromium.sh" >&2
[ -e "$driver" ] || { echo "swiftshader.sh: this Chromium brings no $driver, as Debian's does" >&2; exit 1; }
ulimit -v 7000000
exec env VK_DRIVER_FILES="$driver" VK_ICD_FILENAMES="$driver" "$@"
