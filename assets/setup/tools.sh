#!/bin/sh
# Says what is missing to build the program, before anything is installed or built.
set -eu

missing=
need() { # NAME OF A PACKAGE, COMMAND...
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

links() { # a program that needs libc's headers
    out=$(mktemp)
    printf '#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n' | cc -x c - -o "$out"
    status=$?
    rm -f "$out"
    return $status
}

has_certificates() {
    [ "$(uname -s)" != Linux ] || [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/ssl/cert.pem ] ||
        [ -e /etc/pki/tls/certs/ca-bundle.crt ] || [ -e /etc/ssl/ca-bundle.pem ] || [ -n "${SSL_CERT_FILE:-}${SSL_CERT_DIR:-}" ]
}

if ! command -v cargo >/dev/null; then
    echo "no cargo on the PATH: install Rust 1.90 or newer (https://rustup.rs), then open a new shell" >&2
    exit 1
fi
# In this folder: a rust-toolchain of rustup's may choose another.
minor=$(rustc --version 2>/dev/null | sed -n 's/^rustc 1\.\([0-9]*\).*/\1/p')
if [ "${minor:-0}" -lt 90 ]; then
    echo "Rust 1.90 or newer is needed (https://rustup.rs); here is: $(rustc --version 2>&1 | head -n 1)" >&2
    exit 1
fi
need gcc command -v cc
[ -n "$missing" ] || need libc6-dev links
need ca-certificates has_certificates
if [ -n "$missing" ]; then
    echo "missing to build:$missing. On Debian and Ubuntu, as root:" >&2
    echo "    apt-get install git make gcc libc6-dev ca-certificates" >&2
    exit 1
fi
