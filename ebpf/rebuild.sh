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

unset RUSTUP_TOOLCHAIN RUSTFLAGS
export PATH="$tools/bin:$PATH"
export RUSTC="$tools/rustc/usr/bin/rustc" LD_LIBRARY_PATH="$tools/rustc/usr/lib/x86_64-linux-gnu"
# aya-ebpf uses an unstable inline-assembly feature; the compiler is pinned, so this is safe.
export RUSTC_BOOTSTRAP=1
s=$(printf '\x1f')
# No path of the building machine may reach the object: the bytes must be the same everywhere.
flags="--cfg=bpf_target_arch=\"x86_64\"${s}-Cdebuginfo=2${s}-Ctarget-cpu=v3"
flags="$flags${s}--remap-path-prefix=$here=/ebpf${s}--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
flags="$flags${s}-Clink-arg=--btf"
export CARGO_ENCODED_RUSTFLAGS="$flags"
(cd "$here/probes" && cargo build --locked --quiet --release --target bpfel-unknown-none --target-dir "$build")

object="$build/ingero-probes.bpf.o"
cp "$build/bpfel-unknown-none/release/ingero-probes" "$object"
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
