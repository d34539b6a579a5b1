#!/bin/sh
# The GPU check on a machine that has nothing of the project: unpacks what lies beside this file, and runs it.
#
#   sh check-gpu.sh [--out FOLDER] [--seconds N] [--limit STEP=SECONDS] [--continue] [STEP ...]
#
# Needs Python 3; nvcc, CMake and ninja or make only where its own programs do not start. It unpacks beside its folder,
# so that a folder which is carried there again finds what the last run left, and --continue goes on from there.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tree=$here.unpacked
stamp=$(cksum <"$here/bundle.tar.xz") || exit 1
if [ "$(cat "$tree/STAMP" 2>/dev/null)" != "$stamp" ]; then
  rm -rf "$tree" "$tree.part"
  python3 -m tarfile -e "$here/bundle.tar.xz" "$tree.part" || exit 1
  for data in models test/data; do # a bundle without them lies in a checkout
    [ -e "$tree.part/$data" ] || cp -r "$here/../../$data" "$tree.part/$data" || exit 1
  done
  echo "$stamp" >"$tree.part/STAMP" && mv "$tree.part" "$tree" || exit 1
fi
exec sh "$tree/scripts/gpu/check-gpu.sh" "$@"
