#!/bin/sh
# Confirms and times the CUDA backend on a card, in under ten minutes: npm run check:gpu, or this file alone.
#
#   scripts/gpu/check-gpu.sh [--out FOLDER] [--minutes N] [--jobs N] [STEP ...]
#
# Steps, all by default:
#   build        the library for this card, its tests and its benchmark    cmake, nvcc, a C++20 compiler
#   conformance  what every instruction wrapper does, lane by lane, against test/simt/conformance.txt
#   ops          the op and forward tests of test/native, on the card
#   goldens      reference outputs in every precision, through the addon   Node, see goldens.mjs
#   addon        V8 memory, workers, loads and closes, ends of processes   Node
#   sanitizer    compute-sanitizer's four tools on a small model, with a library that does not hang: see mbarrier_wait.
#                initcheck before 2025.4 does not see what TMA stores, racecheck up to 2026.3 takes mbarriers for races:
#                of these two, the kernels that serve all cards decide; what racecheck finds in Hopper's is for a reader
#   timings      the benchmark, then the same shapes with torch and transformers where they are there
#   report       report.md and report.json in FOLDER (default build/gpu)   Python 3
#
# A step that fails, or cannot run here, never stops the others: its output is in FOLDER/STEP.log. Steps that are
# named run on what earlier ones left in FOLDER. The exit code is 1 if any step failed; steps that were skipped for want
# of something do not count. The library is left in build/Release, for this card only.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
out=$root/build/gpu
minutes=9
jobs=$(nproc 2>/dev/null || echo 4)
steps=
only=
while [ $# -gt 0 ]; do
  case $1 in
    --out) mkdir -p "$2" && out=$(cd "$2" && pwd) && shift ;;
    --minutes) minutes=$2 && shift ;;
    --jobs) jobs=$2 && shift ;;
    --only) only=$2 && seconds=$3 && shift 2 ;; # a step by itself, in a process that a time limit can end
    build | conformance | ops | goldens | addon | timings | sanitizer | report) steps="$steps $1" ;;
    *) sed -n '2,/^set -u/{/^set -u/d;s/^# \{0,1\}//;p;}' "$0" && exit 2 ;;
  esac
  shift
done

PATH=$PATH:${CUDA_HOME:-/usr/local/cuda}/bin
programs=$out/build/bin
library=$root/build/Release/libqwen3_embed_cuda.so
skipped=77

# Ends a step as skipped; the last line of its log is the reason.
skip() {
  echo "$*"
  exit $skipped
}

need() {
  for tool in "$@"; do
    command -v "$tool" >/dev/null 2>&1 || skip "there is no $tool here"
  done
}

need_card() {
  [ -x "$programs/gpu_tests" ] && [ -f "$library" ] || skip "the build step has not built gpu_tests and the library"
  "$programs/gpu_tests" "$library" --list >/dev/null 2>"$out/card.txt" && return
  code=$?
  cat "$out/card.txt"
  grep -q '^card=.' "$out/machine.txt" || exit $skipped
  echo "there is a card, but gpu_tests cannot open it: exit code $code"
  exit 1
}

# Of a program that has just failed and printed a line of JSON per check.
tell_failures() {
  code=$?
  [ $code -ne $skipped ] || exit $skipped # it has said why
  echo "exit code $code, $(grep -c '"ok":true' "$1") passed, failed:" \
    "$(sed -n 's/^{"name":"\([^"]*\)","ok":false.*/\1/p' "$1" | head -n 20 | tr '\n' ';')"
  exit 1
}

# As 90a, from the card's compute capability. Hopper has instructions of its own, behind the a.
architecture() {
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -d '. ')
  case $capability in
    90) echo 90a-real ;;
    [0-9]*) echo "$capability-real" ;;
    *) echo 80-real ;; # no card: that it builds is all that can be shown
  esac
}

step_build() {
  need cmake nvcc c++
  headers="$root/node_modules/node-api-headers/include;$root/node_modules/node-addon-api"
  cmake -S "$root" -B "$out/build" -DCMAKE_BUILD_TYPE=Release -DQWEN3_EMBED_CUDA=ON -DQWEN3_EMBED_TESTS=ON \
    -DQWEN3_EMBED_GPU_TESTS=ON -DCMAKE_CUDA_ARCHITECTURES="$(architecture)" -DCMAKE_JS_INC="$headers" || return 1
  cmake --build "$out/build" --parallel "$jobs" \
    --target qwen3_embed_cuda qwen3_embed_cuda_watched gpu_tests gpu_bench gpu_conformance || return 1
  if [ -d "$root/node_modules/node-addon-api" ] && [ -d "$root/node_modules/node-api-headers" ]; then
    cmake --build "$out/build" --parallel "$jobs" --target qwen3_embed || return 1
  else
    echo "the addon is not built: its headers are not in node_modules"
  fi
}

step_conformance() {
  need_card
  "$programs/gpu_conformance" >"$out/conformance.txt" || return 1
  expected="$root/test/simt/conformance.txt"
  if [ "$(architecture)" != 90a-real ]; then # probes of Hopper's instructions run on such cards only
    grep -v '^hopper' "$expected" >"$out/conformance-expected.txt"
    expected="$out/conformance-expected.txt"
  fi
  diff "$expected" "$out/conformance.txt" >"$out/conformance.diff" && return
  echo 'the emulator gives (<), the card gives (>):'
  cat "$out/conformance.diff"
  echo "lanes that differ: $(sed -n 's/^> \(.*, lane [0-9]*\):.*/\1/p' "$out/conformance.diff" | tr '\n' ';')"
  return 1
}

step_ops() {
  need_card
  "$programs/gpu_tests" "$library" >"$out/ops.jsonl" || tell_failures "$out/ops.jsonl"
}

find_node() {
  for node in "${NODE:-}" "$root/node" node nodejs; do
    [ -n "$node" ] && command -v "$node" >/dev/null 2>&1 && return
  done
  skip 'there is no Node here: put one on the PATH, or name it in NODE'
}

need_addon() {
  need_card
  find_node
  [ -f "$root/dist/index.js" ] || skip 'dist/ is not there: npm run build:lib, where npm is'
  "$node" -e "require('node-gyp-build')('$root')" >/dev/null 2>"$out/addon.txt" && return
  cat "$out/addon.txt"
  skip 'the addon does not load'
}

step_goldens() {
  need_addon
  QWEN3_EMBED_CUDA_LIBRARY=$library "$node" "$root/scripts/gpu/goldens.mjs" >"$out/goldens.jsonl" ||
    tell_failures "$out/goldens.jsonl"
}

step_addon() {
  need_addon
  QWEN3_EMBED_CUDA_LIBRARY=$library "$node" "$root/scripts/gpu/addon.mjs" >"$out/addon.jsonl" ||
    tell_failures "$out/addon.jsonl"
}

# What matters most first: the time may be over before the rest.
step_timings() {
  need_card
  rm -f "$out"/bench-*.jsonl "$out"/peer-*.jsonl
  result=0
  section linear 18 linear 8
  section model 28 model 18
  section attention 6 attention 5
  section rows 3 '' 0
  return $result
}

# section NAME SHARE PEER SHARE: of the step's time, in percent. Neither begins a case later; a case may end later.
section() {
  ours=$((seconds * $2 / 100))
  theirs=$((seconds * $4 / 100))
  timeout --foreground $((ours + 20)) "$programs/gpu_bench" --library "$library" --scratch "$out" \
    --sections "$1" --seconds $ours >"$out/bench-$1.jsonl" || {
    echo "gpu_bench, $1: exit code $?"
    result=1
  }
  [ -n "$3" ] && command -v python3 >/dev/null 2>&1 || return 0
  timeout --foreground $((theirs + 20)) python3 "$root/bench/gpu/peer.py" \
    --sections "$3" --seconds $theirs >"$out/peer-$1.jsonl" ||
    echo "peer.py, $1: exit code $?" # not our failure: the report shows what is missing
}

# One after another: beside each other they would take so long that the watchdog takes waiting for hanging.
step_sanitizer() {
  need_card
  need compute-sanitizer
  compute-sanitizer --version | tail -n 1
  result=0
  sanitize memcheck 1 || result=1
  sanitize synccheck 1 || result=1
  sanitize initcheck 0 || result=1
  sanitize racecheck 0 || result=1
  [ "$(architecture)" != 90a-real ] || sanitize racecheck 1 || [ $? -eq 86 ] || result=1
  [ $result -eq 0 ] || echo "see sanitizer-*.log; exit code 86 is the tool's finding, others are the tests'"
  return $result
}

# sanitize TOOL HOPPER: HOPPER 0 is without the kernels for Hopper alone.
sanitize() {
  log=$out/sanitizer-$1-$2.log
  QWEN3_EMBED_HOPPER=$2 compute-sanitizer --tool "$1" --error-exitcode 86 "$programs/gpu_tests" \
    "$programs/libqwen3_embed_cuda_watched.so" --filter 'short: ' >"$log" 2>&1
  code=$?
  echo "$1, QWEN3_EMBED_HOPPER=$2: exit code $code, $(grep 'SUMMARY' "$log" | tail -n 1)"
  return $code
}

step_report() {
  need python3
  python3 "$root/scripts/gpu/report.py" "$out"
}

if [ -n "$only" ]; then
  cd "$root" && "step_$only"
  exit $?
fi

mkdir -p "$out" || exit 1
[ -n "$steps" ] || rm -f "$out"/*.outcome "$out"/*.jsonl # a whole run: nothing of an older one may show
[ -n "$steps" ] || steps='build conformance ops goldens addon sanitizer timings report'
started=$(date +%s)
{
  echo "date=$(date -u +%Y-%m-%dT%H:%MZ)"
  echo "commit=$(git -C "$root" describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)"
  echo "cuda=$(nvcc --version 2>/dev/null | sed -n 's/.*release \([0-9.]*\),.*/\1/p')"
  fields=name,driver_version,memory.total,power.limit,clocks.max.sm
  echo "card=$(nvidia-smi --query-gpu=$fields --format=csv,noheader 2>/dev/null | head -n 1)"
  echo "processors=$jobs"
} >"$out/machine.txt"

# The most seconds that each step may take; less where the whole time is nearly over.
limit_of() {
  case $1 in
    build) limit=240 ;;
    conformance) limit=20 ;;
    ops) limit=100 ;;
    goldens) limit=80 ;;
    addon) limit=50 ;;
    timings) limit=280 ;;
    sanitizer) limit=110 ;;
    report) limit=20 ;;
  esac
  left=$((minutes * 60 - 10 - ($(date +%s) - started)))
  [ "$1" = report ] || [ $limit -lt $left ] || limit=$left
}

failed=0
for step in $steps; do
  limit_of "$step"
  begin=$(date +%s)
  [ "$step" = report ] || rm -f "$out/$step.jsonl"
  if [ $limit -le 0 ]; then
    echo 'no time was left' >"$out/$step.log"
    code=$skipped
  else
    timeout -k 5 $limit sh "$root/scripts/gpu/check-gpu.sh" --only "$step" $limit --out "$out" --jobs "$jobs" >"$out/$step.log" 2>&1
    code=$?
  fi
  [ $code -ne 124 ] && [ $code -ne 137 ] || echo "stopped after $limit seconds" >>"$out/$step.log"
  case $code in
    0) outcome=passed ;;
    "$skipped") outcome=skipped ;;
    *) outcome=failed failed=1 ;;
  esac
  seconds=$(($(date +%s) - begin))
  printf '%s\t%s\t%s\n' "$step" "$outcome" $seconds >"$out/$step.outcome"
  [ "$outcome" = passed ] && reason= || reason=": $(tail -n 1 "$out/$step.log")"
  echo "$step: $outcome, $seconds s$reason"
done
[ -f "$out/report.md" ] && echo "report: $out/report.md"
exit $failed
