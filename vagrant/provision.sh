#!/bin/bash
# Runs inside the virtual machine, as its ordinary user: Rust, netlab in /usr/local/bin, and the proof that it works
# here. May be run again.
set -euo pipefail
cd "${1:-$HOME/netlab}"
export DEBIAN_FRONTEND=noninteractive
PATH="$PATH:$HOME/.cargo/bin"

say() { printf '\n== %s\n' "$*"; }

# The Rust that Debian itself packages is older than netlab needs (12 has 1.63, 13 has 1.85), so rustup it is: Debian's
# own package where there is one (13 and later), else the installer of the Rust project.
wanted=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml)
new_enough() {
    local found
    found=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) && command -v cargo >/dev/null &&
        [ "$(printf '%s\n%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)" = "$wanted" ]
}
if ! new_enough; then
    say "Rust $wanted or newer"
    sudo apt-get update -qq
    sudo apt-get install -y -qq --no-install-recommends ca-certificates curl
    if command -v rustup >/dev/null || sudo apt-get install -y -qq --no-install-recommends rustup 2>/dev/null; then
        rustup toolchain install stable --profile minimal --component rustfmt,clippy
        rustup default stable
    else
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
            sh -s -- -y --profile minimal --component rustfmt --component clippy
    fi
    hash -r
    new_enough || { echo "provision.sh: Rust is still older than $wanted: $(rustc --version 2>&1)" >&2; exit 3; }
fi

say "netlab and its packages"
scripts/setup
cargo build --release --locked
sudo install -m 755 "${CARGO_TARGET_DIR:-target}/release/netlab" /usr/local/bin/netlab
netlab --version

say "tests: nothing may be skipped on a whole machine"
NETLAB_REQUIRE=all scripts/test

say "ready: vagrant ssh, then: sudo netlab up bridge-lab --check"
