#!/usr/bin/env bash
# Builds ebpf/probes and either replaces the committed object or compares with it.
#   ebpf/rebuild.sh           rebuild and replace ebpf/prebuilt/ingero-probes.bpf.o and its SHA-256
#   ebpf/rebuild.sh --check   rebuild elsewhere and compare byte for byte; exit 1 on a difference
# Needs the toolchain of ebpf/toolchain.sh (installed by it when missing).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tools=${INGERO_BPF_TOOLCHAIN:-$HOME/.cache/ingero-bpf-toolchain}
"$here/toolchain.sh" "$tools"

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

# Symbol names carry a hash of each package's place relative to its workspace: both packages are built as
# members of one workspace, wherever it lies.
mkdir "$build/src"
cp -r "$here/abi" "$here/probes" "$build/src"
rm -rf "$build/src/probes/target"
mv "$build/src/probes/Cargo.lock" "$build/src/Cargo.lock"
printf '[workspace]\nmembers = ["abi", "probes"]\nresolver = "3"\n\n' > "$build/src/Cargo.toml"
sed -n '/^\[profile.release\]/,$p' "$here/probes/Cargo.toml" >> "$build/src/Cargo.toml"
# User space's half of the records needs aya, which is not in this lock file.
sed -i -e '/^\[dependencies\]/,/^\[lints/{/^\[lints/!d}' -e 's/^user = .*/user = []/' "$build/src/abi/Cargo.toml"
sed -i -e '/^\[workspace\]/d' -e '/^\[profile.release\]/,$d' "$build/src/probes/Cargo.toml"

unset RUSTUP_TOOLCHAIN RUSTFLAGS
export PATH="$tools/bin:$PATH"
export RUSTC="$tools/rustc/usr/bin/rustc" LD_LIBRARY_PATH="$tools/rustc/usr/lib/x86_64-linux-gnu"
# aya-ebpf uses an unstable inline-assembly feature; the compiler is pinned, so this is safe.
export RUSTC_BOOTSTRAP=1
s=$(printf '\x1f')
# No path of the building machine may reach the object: the bytes must be the same everywhere.
flags="--cfg=bpf_target_arch=\"x86_64\"${s}-Cdebuginfo=2${s}-Ctarget-cpu=v3"
flags="$flags${s}--remap-path-prefix=$build/src=/ebpf${s}--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
flags="$flags${s}-Clink-arg=--btf"
export CARGO_ENCODED_RUSTFLAGS="$flags"
(cd "$build/src/probes" && cargo build --locked --quiet --release --target bpfel-unknown-none --target-dir "$build/target")

object="$build/ingero-probes.bpf.o"
cp "$build/target/bpfel-unknown-none/release/ingero-probes" "$object"
/usr/lib/llvm-22/bin/llvm-strip -g "$object"

if [ "${1:-}" = --check ]; then
  if ! cmp "$object" "$here/prebuilt/ingero-probes.bpf.o"; then
    echo "ebpf/rebuild.sh: the committed object is not what the source builds; run ebpf/rebuild.sh and commit" >&2
    exit 1
  fi
  (cd "$here/prebuilt" && sha256sum --quiet -c SHA256SUMS)
  echo "ebpf/prebuilt/ingero-probes.bpf.o is byte for byte what the source builds"
else
  cp "$object" "$here/prebuilt/ingero-probes.bpf.o"
  (cd "$here/prebuilt" && sha256sum ingero-probes.bpf.o > SHA256SUMS)
  ls -l "$here/prebuilt/ingero-probes.bpf.o"
fi
