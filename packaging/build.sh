#!/usr/bin/env bash
# Builds the Debian and the RPM package.
#   packaging/build.sh [deb|rpm|all] [OUTPUT_DIRECTORY]      (default: all, dist/)
# Works on a temporary copy of the working tree, whose recorder/Cargo.toml gets packaging/metadata.toml
# appended; nothing here is changed but OUTPUT_DIRECTORY. CARGO_TARGET_DIR is used if set.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
what=${1:-all}
out=${2:-$root/dist}
case $what in deb | rpm | all) ;; *)
  echo "packaging/build.sh: '$what' is not a package; use deb, rpm or all" >&2
  exit 2
  ;;
esac

need() {
  command -v "$1" >/dev/null || {
    echo "packaging/build.sh: $1 is not installed; run: cargo install --locked $1" >&2
    exit 1
  }
}
[ "$what" = rpm ] || need cargo-deb
[ "$what" = deb ] || need cargo-generate-rpm

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
tar -C "$root" --exclude=./target --exclude=./.git --exclude=./fuzz --exclude=./dist -cf - . | tar -C "$copy" -xf -
cat "$root/packaging/metadata.toml" >>"$copy/recorder/Cargo.toml"

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$out"
cd "$copy"
cargo build --release --locked -p ingero-recorder -p ingeroctl
if [ "$what" != rpm ]; then
  cargo deb --no-build -p ingero-recorder --output "$out/"
fi
if [ "$what" != deb ]; then
  cargo generate-rpm -p recorder --target-dir "$CARGO_TARGET_DIR" --output "$out/"
fi
echo "packages are in $out:"
ls -l "$out"
