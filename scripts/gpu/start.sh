#!/bin/sh
# Runs the GPU check on a machine without a checkout: unpacks bundle.tar.xz, which is in the same
# folder, and runs scripts/gpu/check-gpu.sh from it.
#
#   sh check-gpu.sh [--out FOLDER] [--seconds N] [--limit STEP=SECONDS] [--continue] [STEP ...]
#
# Needs Python 3, and nvcc, CMake and ninja or make if the bundled programs do not start here. It
# unpacks into a folder next to its own, FOLDER.unpacked, so that --continue still finds the last
# run's state if the bundle is copied to the machine again.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tree=$here.unpacked
stamp=$(cksum <"$here/bundle.tar.xz") || exit 1
if [ "$(cat "$tree/STAMP" 2>/dev/null)" != "$stamp" ]; then
  rm -rf "$tree" "$tree.part"
  python3 -m tarfile -e "$here/bundle.tar.xz" "$tree.part" || exit 1
  for data in models test/data; do # a bundle without data is inside a checkout
    [ -e "$tree.part/$data" ] || cp -r "$here/../../$data" "$tree.part/$data" || exit 1
  done
  echo "$stamp" >"$tree.part/STAMP" && mv "$tree.part" "$tree" || exit 1
fi
exec sh "$tree/scripts/gpu/check-gpu.sh" "$@"
