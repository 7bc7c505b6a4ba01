#!/usr/bin/env bash
# Installs what packaging/build.sh needs into one folder: packaging/tools.sh [FOLDER]
# cargo-deb and cargo-generate-rpm write the packages; cargo-zigbuild with Zig's C libraries links the programs so
# that they run on old systems too (skipped with GLIBC=native). Needs cargo, python3 with venv, and a network once.
set -euo pipefail
tools=${1:-$HOME/.cache/ingero-packaging-tools}
mkdir -p "$tools"
has() { "$tools/bin/$1" --version 2> /dev/null | grep -q "$2"; }
# Hardly optimised: they run for seconds, and are built once on each machine.
export CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=0
has cargo-deb 3.8.0 || cargo install --quiet --locked --debug --root "$tools" cargo-deb@3.8.0
has cargo-generate-rpm 0.21.1 || cargo install --quiet --locked --debug --root "$tools" cargo-generate-rpm@0.21.1
if [ "${GLIBC:-}" != native ] && [ ! -x "$tools/zig/bin/cargo-zigbuild" ]; then
    python3 -m venv "$tools/zig.new"
    "$tools/zig.new/bin/pip" install --quiet ziglang==0.17.1 cargo-zigbuild==0.24.0
    rm -rf "$tools/zig"
    mv "$tools/zig.new" "$tools/zig"
fi
echo "packaging tools are in $tools"
