#!/usr/bin/env bash
# Installs the compiler that turns ebpf/probes into BPF bytecode, from distribution packages only.
#
# Debian ships a prebuilt `core` for BPF with its rustc-web, so neither nightly nor rust-src is needed.
# The Debian compiler is unpacked beside the system, never into it: rustup's toolchain keeps building user space.
# bpf-linker must link an LLVM no older than the compiler's, hence the matching pins.
# Usage: ebpf/toolchain.sh [DIRECTORY]      (default: $INGERO_BPF_TOOLCHAIN, else ~/.cache/ingero-bpf-toolchain)
set -euo pipefail

LLVM=22
LINKER=0.13.0
RUSTC_WEB=1.96
dir=${1:-${INGERO_BPF_TOOLCHAIN:-$HOME/.cache/ingero-bpf-toolchain}}

stamp="$dir/ready-$LLVM-$LINKER-$RUSTC_WEB"
if [ -e "$stamp" ]; then
  echo "BPF toolchain is ready in $dir"
  exit 0
fi
[ "$(id -u)" = 0 ] || { echo "ebpf/toolchain.sh: needs root to install llvm-$LLVM-dev; run it with sudo" >&2; exit 1; }

mkdir -p "$dir/rustc" "$dir/debs"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends \
  "llvm-$LLVM-dev" "llvm-$LLVM" "libpolly-$LLVM-dev" libzstd-dev zlib1g-dev gcc g++ libc6-dev

# apt's download user may not be able to write into a home directory: take the files as root.
(
  cd "$dir/debs"
  rm -f ./*.deb
  apt-get download -q -o APT::Sandbox::User=root \
    rustc-web "libstd-rust-web-$RUSTC_WEB" libstd-rust-web-dev libstd-rust-web-dev-bpf
  for deb in ./*.deb; do dpkg -x "$deb" "$dir/rustc"; done
)

env -u RUSTUP_TOOLCHAIN LLVM_SYS_221_PREFIX="/usr/lib/llvm-$LLVM" PATH="/usr/lib/llvm-$LLVM/bin:$PATH" \
  cargo install bpf-linker --version "$LINKER" --locked --no-default-features --features "llvm-$LLVM" --root "$dir"

touch "$stamp"
echo "BPF toolchain installed in $dir"
