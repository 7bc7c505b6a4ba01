#!/usr/bin/env bash
# Builds the Debian package, the RPM and a tarball of the same files.
#   packaging/build.sh [deb|rpm|tar|all] [OUTPUT_DIRECTORY]      (default: all, dist/)
#
# Works on a temporary copy of the working tree, whose recorder/Cargo.toml gets packaging/metadata.toml appended;
# nothing here is changed but OUTPUT_DIRECTORY. Environment:
#   CARGO_TARGET_DIR   where is built (target/)
#   GLIBC              oldest C library that the programs run on (2.17); "native": this machine's, quicker to build
#   PROGRAMS           a folder with ingero-recorder and ingeroctl, built already: only packed
#   VERSION            instead of the one of Cargo.toml, for tests of upgrades
# Missing tools are installed by packaging/tools.sh.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
what=${1:-all}
out=$(mkdir -p "${2:-$root/dist}" && cd "${2:-$root/dist}" && pwd)
case $what in deb | rpm | tar | all) ;; *)
  echo "packaging/build.sh: '$what' is not a package; use deb, rpm, tar or all" >&2
  exit 2
  ;;
esac
tools=${INGERO_PACKAGING_TOOLS:-$HOME/.cache/ingero-packaging-tools}
export GLIBC=${GLIBC:-2.17} CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
[ -z "${PROGRAMS:-}" ] || PROGRAMS=$(cd "$PROGRAMS" && pwd)
target=x86_64-unknown-linux-gnu
version=${VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -1)}

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
stage=$copy/recorder/stage

# The programs, without symbols: those stay in the target folder.
build() {
  local built
  if [ -n "${PROGRAMS:-}" ]; then
    built=$PROGRAMS
  elif [ "$GLIBC" = native ]; then
    cargo build --release --locked -p ingero-recorder -p ingeroctl
    built=$CARGO_TARGET_DIR/release
  else
    "$tools/zig/bin/python" -m ziglang cc -target "x86_64-linux-gnu.$GLIBC" -O2 -c packaging/old_glibc.c \
      -o "$CARGO_TARGET_DIR/old_glibc.o"
    RUSTFLAGS="-Clink-arg=$CARGO_TARGET_DIR/old_glibc.o" PATH=$tools/zig/bin:$PATH \
      cargo zigbuild --release --locked --target "$target.$GLIBC" -p ingero-recorder -p ingeroctl
    built=$CARGO_TARGET_DIR/$target/release
  fi
  install -d "$stage/usr/bin"
  for program in ingero-recorder ingeroctl; do
    strip -o "$stage/usr/bin/$program" "$built/$program"
  done
}

# Everything else, where it will lie.
lay_out() {
  local ctl=$stage/usr/bin/ingeroctl share=$stage/usr/share doc=$stage/usr/share/doc/ingero-recorder
  install -Dm644 packaging/recorder.toml "$stage/etc/ingero-recorder/recorder.toml"
  install -Dm644 -t "$stage/usr/lib/systemd/system" systemd/*.service
  install -Dm644 systemd/ingero-recorder.sysusers "$stage/usr/lib/sysusers.d/ingero-recorder.conf"
  install -Dm644 systemd/ingero-recorder.tmpfiles "$stage/usr/lib/tmpfiles.d/ingero-recorder.conf"
  install -Dm644 -t "$share/man/man8" packaging/man/*.8
  install -Dm644 -t "$share/man/man5" packaging/man/*.5
  "$ctl" man -o "$share/man/man1"
  find "$share/man" -type f -exec gzip -9n {} +
  install -d "$share/bash-completion/completions" "$share/zsh/site-functions" "$share/fish/vendor_completions.d"
  "$ctl" completions bash > "$share/bash-completion/completions/ingeroctl"
  "$ctl" completions zsh > "$share/zsh/site-functions/_ingeroctl"
  "$ctl" completions fish > "$share/fish/vendor_completions.d/ingeroctl.fish"
  install -Dm644 -t "$doc" README.md
  # As in the repository, so that links lead somewhere; the examples lie where distributions look for them.
  cp -r docs "$doc/docs"
  sed -i 's|](../systemd/examples/|](../examples/|g' "$doc"/docs/*.md
  find "$doc" -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
  install -Dm644 -t "$doc/examples" systemd/examples/*.conf
  packaging/notices "$target" > "$doc/NOTICES"
}

tarball() {
  local name=ingero-recorder-$version-x86_64
  cp -r "$stage" "$copy/$name"
  tar -C "$copy" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - "$name" | gzip -9n > "$out/$name.tar.gz"
}

"$root/packaging/tools.sh" "$tools"
export PATH=$tools/bin:$PATH
tar -C "$root" --exclude=./target --exclude=./.git --exclude=./fuzz --exclude=./dist -cf - . | tar -C "$copy" -xf -
cd "$copy"
build
lay_out
sed -i "s/^version = \".*\"/version = \"$version\"/" Cargo.toml
cat packaging/metadata.toml >> recorder/Cargo.toml
case $what in deb | all) cargo deb --quiet --no-build --no-strip -p ingero-recorder --output "$out/" ;; esac
# Its assets count from the crate, those that begin with target/ excepted.
case $what in rpm | all) cargo generate-rpm -p recorder --target-dir "$CARGO_TARGET_DIR" --output "$out/" ;; esac
case $what in tar | all) tarball ;; esac
echo "packages are in $out:"
ls -l "$out"
