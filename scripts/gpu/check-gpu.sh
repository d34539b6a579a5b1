#!/bin/sh
# npm run check:gpu: tests and times the CUDA backend on a GPU, in under ten minutes.
# docs/gpu-day.md is the manual.
#
#   check-gpu.sh [--out FOLDER] [--seconds N] [--limit STEP=SECONDS] [--continue] [STEP ...]
#   check-gpu.sh --bundle [FOLDER] [--without-data]   make a bundle for a machine without Node
#   check-gpu.sh --rehearse                           run a bundle on an emulated GPU
#
# Steps, in this order, all by default:
#   build             build the programs for this GPU, or use those of a bundle if they start here
#   conformance       compare each instruction wrapper, by lane, with test/cuda/conformance.txt
#   ops-portable      the op and forward tests of test/native, without Hopper's own kernels
#   ops-watchdog       the same tests with Hopper's kernels, in a library whose watchdog makes an
#                     endless wait fail; if a test hangs, or breaks the process or the device, all
#                     later steps run without Hopper's kernels
#   ops               the same tests with Hopper's kernels, in the shipped library
#   goldens           the reference outputs in every precision, through the addon
#   timings           the benchmark
#   peer              the same shapes with torch and transformers
#   addon             V8 memory, workers, repeated load and close, process exit
#   timings-portable  the benchmark without Hopper's own kernels
#   tiles             linear ops with wide and with narrow tiles, the two choices of Hopper's GEMM
#   profile           ncu on one launch of each kernel: share of the peak, and stall reasons
#   sanitizer         the four tools of compute-sanitizer on a small model
#
#   --out FOLDER          receives report.md, report.json and logs.tgz, rewritten every five
#                         seconds, so that they exist however the run ends
#   --seconds N           limit of the whole run, default 540
#   --limit STEP=SECONDS  limit of a step
#   --continue            continues the last run: runs only the steps that have not run, were
#                         skipped or were stopped by the end of that run, and adds to their
#                         earlier results
#
# A step that fails, hangs or cannot run does not stop the other steps. The exit code is 1 if a step
# failed or exceeded its own limit. A step that is skipped because something is missing does not
# change it. QWEN3_CHECK_GPU_TOY=1 reduces every step to a minimum of work, for the rehearsal.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
self=$root/scripts/gpu/check-gpu.sh
work=$root/build/gpu # the steps' logs, the programs, the build tree and the benchmark's weight file
logs=$work/logs programs=$work/bin scratch=$work/scratch
all_steps='build conformance ops-portable ops-watchdog ops goldens timings peer addon'
all_steps="$all_steps timings-portable tiles profile sanitizer"
toy=${QWEN3_CHECK_GPU_TOY:-}
few='short: ' # filter for the tests that launch every kernel once or twice
[ -z "$toy" ] || few=rms_norm
skipped=77

usage() {
  sed -n '2,/^set -u/{/^set -u/d;s/^# \{0,1\}//;p;}' "$self"
  exit 2
}

out=$work/results total=540 limits= continue= only= steps=
while [ $# -gt 0 ]; do
  case $1 in
    --bundle) shift && exec node "$root/scripts/gpu/bundle.mjs" "$@" ;;
    --rehearse) shift && exec node "$root/scripts/gpu/rehearse.mjs" "$@" ;;
    --out) [ $# -gt 1 ] && mkdir -p "$2" && out=$(cd "$2" && pwd) && shift || usage ;;
    --seconds) [ $# -gt 1 ] && total=$2 && shift || usage ;;
    --limit) [ $# -gt 1 ] && limits="$limits $2" && shift || usage ;;
    --continue) continue=yes ;;
    --only) only=$2 seconds=$3 && shift 2 ;; # internal: runs one step, in a child with a limit
    *) case " $all_steps " in *" $1 "*) steps="$steps $1" ;; *) usage ;; esac ;;
  esac
  shift
done

PATH=$PATH:${CUDA_HOME:-/usr/local/cuda}/bin
library=$programs/libqwen3_embed_cuda.so
watchdog_library=$programs/libqwen3_embed_cuda_watchdog.so

# --- Requirements of steps ------------------------------------------------------------------------

now() {
  date '+%Y/%m/%d %H:%M:%S' # nvidia-smi's format
}

# Ends a step as skipped. The last line of its log is the reason.
skip() {
  echo "$*"
  exit $skipped
}

need() {
  for tool in "$@"; do
    command -v "$tool" >/dev/null 2>&1 || skip "$tool was not found"
  done
}

need_gpu() {
  [ -x "$programs/gpu_tests" ] && [ -f "$library" ] ||
    skip 'gpu_tests or the CUDA library is missing: run the build step'
  why=$("$programs/gpu_tests" "$library" --list 2>&1 >/dev/null) && return
  echo "$why"
  grep -q '^gpu=.' "$logs/machine.txt" && exit 1
  exit $skipped
}

# For steps that test or time Hopper's own kernels.
need_hopper() {
  is_hopper || skip 'this GPU is not Hopper: it has no kernels of its own'
  [ ! -f "$logs/hopper-off" ] || skip "Hopper's kernels are off: $(cat "$logs/hopper-off")"
}

find_node() {
  for node in "${NODE:-}" "$root/node" node nodejs; do
    [ -n "$node" ] && command -v "$node" >/dev/null 2>&1 && return
  done
  skip 'Node was not found: put it on the PATH, or set NODE to its path'
}

addon_loads() {
  "$node" -e 'require("node-gyp-build")(process.argv[1])' "$root"
}

need_addon() {
  need_gpu
  find_node
  [ -f "$root/dist/index.js" ] || skip 'dist/ is missing: build it with npm run build:lib'
  addon_loads || skip 'the addon does not load'
}

# CMake's architecture for the GPU's compute capability. The a in 90a-real enables instructions that
# only Hopper has.
architecture() {
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null |
    head -n 1 | tr -d '. ')
  case $capability in
    90) echo 90a-real ;;
    [0-9]*) echo "$capability-real" ;;
    *) echo 80-real ;; # without a GPU the check can only build
  esac
}

is_hopper() {
  [ "$(architecture)" = 90a-real ]
}

# checks NAME COMMAND...: writes the command's output, a line of JSON per check, to NAME.jsonl. If
# it fails, prints its exit code and the names of the failed checks.
checks() {
  name=$1
  shift
  "$@" >"$logs/$name.jsonl" && return
  code=$?
  [ $code -ne $skipped ] || exit $skipped # the command has printed the reason
  last=
  [ $code -eq 1 ] || last=" in $(sed -n 's/^begins: //p' "$logs/$name.log" | tail -n 1)"
  names=$(sed -n 's/^{"name":"\([^"]*\)","ok":false.*/\1/p' "$logs/$name.jsonl" | head -n 20)
  echo "exit code $code$last, $(grep -c '"ok":true' "$logs/$name.jsonl") passed, failed:" \
    "$(printf %s "$names" | tr '\n' ';')"
  exit $code
}

# --- Steps ----------------------------------------------------------------------------------------

# Whether a program or library of the bundle is for this GPU and finds its shared libraries here.
starts() {
  is_hopper && [ -f "$1" ] && ! ldd "$1" 2>&1 | grep 'not found'
}

step_build() {
  mkdir -p "$programs"
  targets=
  for file in gpu_tests gpu_bench gpu_conformance \
    libqwen3_embed_cuda.so libqwen3_embed_cuda_watchdog.so; do
    if starts "$root/prebuilt/$file"; then
      cp "$root/prebuilt/$file" "$programs/"
    else
      targets="$targets $(echo "$file" | sed 's/^lib\(.*\)\.so$/\1/')"
    fi
  done
  if [ -d "$root/node_modules/node-addon-api" ] && (find_node >/dev/null && ! addon_loads); then
    targets="$targets qwen3_embed"
  fi
  [ -n "$targets" ] || return 0

  need cmake nvcc c++
  generator='Unix Makefiles'
  ! command -v ninja >/dev/null 2>&1 || generator=Ninja
  [ "$generator" = Ninja ] || need make
  echo "building:$targets"
  cmake -G "$generator" -S "$root" -B "$work/build" -DCMAKE_BUILD_TYPE=Release \
    -DQWEN3_EMBED_CUDA=ON -DQWEN3_EMBED_TESTS=ON -DQWEN3_EMBED_GPU_TESTS=ON \
    -DCMAKE_CUDA_ARCHITECTURES="$(architecture)" \
    -DCMAKE_JS_INC="$root/node_modules/node-api-headers/include;$root/node_modules/node-addon-api" \
    -DQWEN3_EMBED_OUTPUT="$work/build/bin" || return 1
  # shellcheck disable=SC2086 # a list
  cmake --build "$work/build" --parallel "$(nproc)" --target $targets &&
    cp "$work/build/bin/"* "$programs/" || return 1
  case $targets in
    *qwen3_embed)
      mkdir -p "$root/build/Release" && cp "$programs/qwen3_embed.node" "$root/build/Release/"
      ;;
  esac
}

step_conformance() {
  need_gpu
  "$programs/gpu_conformance" >"$logs/conformance.txt" || return 1
  expected=$root/test/cuda/conformance.txt
  if ! is_hopper; then # the probes of Hopper's instructions run only on Hopper
    grep -v '^hopper' "$expected" >"$logs/conformance-expected.txt"
    expected=$logs/conformance-expected.txt
  fi
  diff "$expected" "$logs/conformance.txt" >"$logs/conformance.diff" && return
  echo 'results of the emulator (<) and of the GPU (>):'
  head -n 200 "$logs/conformance.diff"
  lanes=$(sed -n 's/^> \(.*, lane [0-9]*\):.*/\1/p' "$logs/conformance.diff" | head -n 40)
  echo "lanes that differ: $(printf %s "$lanes" | tr '\n' ';')"
  return 1
}

op_tests() {
  checks "$1" "$programs/gpu_tests" "$2" --trace ${toy:+--filter "$few"}
}

step_ops_portable() {
  need_gpu
  export QWEN3_EMBED_HOPPER=0
  op_tests ops-portable "$library"
}

step_ops_watchdog() {
  need_gpu
  need_hopper
  op_tests ops-watchdog "$watchdog_library"
}

step_ops() {
  need_gpu
  need_hopper # on any other GPU ops-portable has tested all kernels
  op_tests ops "$library"
}

step_goldens() {
  need_addon
  export QWEN3_EMBED_CUDA_LIBRARY="$library"
  checks goldens "$node" "$root/scripts/gpu/goldens.mjs" ${toy:+--max-tokens 3 --filter gqa2-bf16}
}

step_addon() {
  need_addon
  export QWEN3_EMBED_CUDA_LIBRARY="$library" QWEN3_CHECK_TEXTS=${toy:+5}
  checks addon "$node" "$root/scripts/gpu/addon.mjs"
}

# bench FILE SECTION SECONDS OPTION...: appends the benchmark's lines to FILE.jsonl. The last line
# of a case counts. No case starts after SECONDS; one that has started may end later.
bench() {
  file=$logs/$1.jsonl section=$2 share=$3
  shift 3
  began=$(now)
  timeout --foreground -k 2 $((share + 15)) "$programs/gpu_bench" \
    --library "$library" --scratch "$scratch" \
    --sections "$section" --seconds "$share" ${toy:+--toy} "$@" >>"$file" || {
    echo "gpu_bench --sections $section $*: exit code $?"
    result=1
  }
  printf '{"kind":"section","section":"%s","began":"%s","ended":"%s"}\n' \
    "$section" "$began" "$(now)" >>"$file"
}

# Each section of the benchmark runs separately, so that one that fails does not affect the next.
# The most important ones run first.
step_timings() {
  need_gpu
  mkdir -p "$scratch"
  result=0
  bench timings linear $((seconds * 22 / 100))
  bench timings model $((seconds * 38 / 100))
  bench timings attention $((seconds * 9 / 100))
  bench timings rows $((seconds * 5 / 100))
  return $result
}

step_peer() {
  need_gpu
  need python3
  python3 "$root/bench/gpu/peer.py" ${toy:+--toy} >>"$logs/peer.jsonl" --seconds \
    "linear=$((seconds * 20 / 100)),attention=$((seconds * 15 / 100)),model=$((seconds * 40 / 100))"
}

step_timings_portable() {
  need_gpu
  need_hopper # on any other GPU timings has timed the same kernels
  export QWEN3_EMBED_HOPPER=0
  mkdir -p "$scratch"
  result=0
  bench timings-portable linear $((seconds * 35 / 100)) --models 8B --dtypes bf16,int8
  bench timings-portable attention $((seconds * 15 / 100)) --dtypes bf16
  bench timings-portable model $((seconds * 25 / 100)) --models 8B --dtypes bf16
  return $result
}

step_tiles() {
  need_gpu
  need_hopper
  result=0
  for tile in wide narrow; do
    export QWEN3_EMBED_CUDA_TUNING="tile=$tile"
    bench "tiles-$tile" linear $((seconds * 42 / 100)) --dtypes bf16,int8 --rows 8192,2048,512
  done
  return $result
}

# ncu writes its results when the program ends. The driver may deny access to the performance
# counters.
step_profile() {
  need_gpu
  need ncu
  ncu --version | tail -n 1
  ncu --csv --page raw --clock-control none --profile-from-start off \
    --log-file "$logs/profile.csv" --section LaunchStats --section SpeedOfLight \
    --section ComputeWorkloadAnalysis --section MemoryWorkloadAnalysis --section WarpStateStats \
    "$programs/gpu_bench" --library "$library" --once --seconds $((seconds / 2)) ${toy:+--toy} \
    >"$logs/profile.jsonl"
  code=$?
  error=$(grep -m 1 '^==ERROR==' "$logs/profile.csv") && skip "$error"
  grep -q '^"[0-9]' "$logs/profile.csv" || {
    echo "ncu profiled no kernel, exit code $code" && return 1
  }
  return $code
}

# The tools run one at a time: in parallel they would be so slow that the watchdog reports waits as
# hangs. For initcheck and racecheck only the portable kernels count: initcheck before 2025.4 does
# not see TMA stores, and racecheck up to 2026.3 reports mbarriers as races. Hopper's kernels may
# hang under a tool that changes their register allocation, so for them only a finding of memcheck
# or synccheck counts as a failure.
step_sanitizer() {
  need_gpu
  need compute-sanitizer
  compute-sanitizer --version | tail -n 1
  result=0
  if is_hopper; then
    sanitize memcheck 1 || [ $? -ne 86 ] || result=1
    sanitize synccheck 1 || [ $? -ne 86 ] || result=1
  fi
  sanitize memcheck 0 || result=1
  sanitize initcheck 0 || result=1
  sanitize racecheck 0 || result=1
  ! is_hopper || sanitize racecheck 1
  [ $result -eq 0 ] ||
    echo "see sanitizer-*.log;" \
      "exit code 86: the tool found errors, 124: timeout, others: from the tests"
  return $result
}

# sanitize TOOL HOPPER: HOPPER 0 disables Hopper's own kernels.
sanitize() {
  log=$logs/sanitizer-$1-$2.log
  QWEN3_EMBED_HOPPER=$2 timeout --foreground -k 2 $((seconds / 7)) \
    compute-sanitizer --tool "$1" --error-exitcode 86 \
    "$programs/gpu_tests" "$watchdog_library" --filter "$few" >"$log" 2>&1
  code=$?
  echo "$1, QWEN3_EMBED_HOPPER=$2: exit code $code, $(grep 'SUMMARY' "$log" | tail -n 1)"
  return $code
}

if [ -n "$only" ]; then
  cd "$root" && "step_$(echo "$only" | tr - _)"
  exit $?
fi

# --- A run of steps -------------------------------------------------------------------------------

# The time limit of a step, in seconds.
limit_of() {
  for pair in $limits; do
    [ "${pair%%=*}" != "$1" ] || { echo "${pair#*=}" && return; }
  done
  case $1 in
    build) echo 240 ;;
    conformance) echo 25 ;;
    ops-portable | ops | goldens) echo 60 ;;
    ops-watchdog) echo 100 ;;
    timings) echo 240 ;;
    peer | timings-portable | tiles | profile) echo 100 ;;
    addon) echo 45 ;;
    sanitizer) echo 180 ;;
  esac
}

# Writes the report and the logs to the results folder. Each file is replaced atomically.
save() {
  ! command -v python3 >/dev/null 2>&1 ||
    python3 "$root/scripts/gpu/report.py" "$logs" >"$logs/report.log" 2>&1
  tar -czf "$work/logs.tgz" -C "$logs" . 2>/dev/null
  for file in "$logs/report.md" "$logs/report.json" "$work/logs.tgz"; do
    [ ! -f "$file" ] || { cp "$file" "$out/part" && mv "$out/part" "$out/${file##*/}"; }
  done
}

# Kills a step and all its child processes: timeout puts them into a process group of their own.
end_step() {
  kill -KILL -- "-$1" 2>/dev/null
  rm -f "$work/pid"
}

has_ended() {
  grep -Eq '	(passed|failed|cut)	' "$logs/$1.outcome" 2>/dev/null
}

# Whether the tests that have just ended hung, crashed or broke the device, not only computed wrong
# numbers.
breaks_device() {
  case $outcome in
    cut) true ;;
    failed)
      [ $code -ne 1 ] || grep -Eq '"message":"[^"]*(sync: |download: |cannot open CUDA device)' \
        "$logs/$step.jsonl" 2>/dev/null
      ;;
    *) false ;;
  esac
}

mkdir -p "$logs" "$out" || exit 1
pid=$(cat "$work/pid" 2>/dev/null) # a step of a killed run may still be running
! grep -aq -e --only "/proc/${pid:-none}/cmdline" 2>/dev/null || end_step "$pid"
[ -n "$continue$steps" ] || { rm -rf "$logs" && mkdir "$logs"; } # a new run keeps no old logs
[ ! -f "$logs/hopper-off" ] || export QWEN3_EMBED_HOPPER=0
[ -n "$steps" ] || steps=$all_steps
{
  echo "date=$(date -u +%Y-%m-%dT%H:%MZ)"
  echo "commit=$(cat "$root/COMMIT" 2>/dev/null ||
    git -C "$root" describe --always --dirty --abbrev=12 2>/dev/null)"
  echo "cuda=$(nvcc --version 2>/dev/null | sed -n 's/.*release \([0-9.]*\),.*/\1/p')"
  fields=name,driver_version,memory.total,power.limit,clocks.max.sm
  echo "gpu=$(nvidia-smi -i 0 --query-gpu=$fields --format=csv,noheader 2>/dev/null)"
  echo "processors=$(nproc)"
} >"$logs/machine.txt"

# In the background, while the steps run: samples the clocks four times a second, and saves the
# results every five seconds and once more after this process was killed.
deadline=$(($(date +%s) + total - 10))
fields=timestamp,clocks.sm,clocks.mem,power.draw,temperature.gpu
fields=$fields,clocks_event_reasons.active,utilization.gpu
timeout "$total" nvidia-smi -i 0 --query-gpu=$fields --format=csv -lms 250 \
  >>"$logs/clocks.csv" 2>/dev/null &
clocks=$!
(while kill -0 $$ 2>/dev/null; do sleep 5 && save; done) >/dev/null &
saver=$!
running=
finish() {
  kill $clocks $saver 2>/dev/null
  [ -z "$running" ] || end_step "$running"
  wait
  save
}
trap finish EXIT
trap 'exit 143' HUP INT TERM

failed=0
for step in $steps; do
  if [ -n "$continue" ] && has_ended "$step"; then
    echo "$step: done in an earlier run, $(cut -f 2 "$logs/$step.outcome")"
    continue
  fi
  limit=$(limit_of "$step") left=$((deadline - $(date +%s))) too_long=cut
  [ "$limit" -le $left ] || { limit=$left && too_long=late; }
  if [ "$limit" -le 3 ]; then
    echo "$step: not started, no time left"
    [ -f "$logs/$step.outcome" ] || printf '%s\tlate\t0\n' "$step" >"$logs/$step.outcome"
    continue
  fi
  began=$(now) begin=$(date +%s)
  rm -f "$logs/$step.outcome"
  echo "$began" >"$logs/$step.running"
  timeout -k 5 "$limit" sh "$self" --only "$step" "$limit" >"$logs/$step.log" 2>&1 &
  running=$! && echo $running >"$work/pid"
  wait $running # returns at once when a signal arrives
  code=$?
  end_step $running
  running=
  took=$(($(date +%s) - begin))
  case $code in
    0) outcome=passed ;;
    "$skipped") outcome=skipped ;;
    124 | 137) [ $took -ge "$limit" ] && outcome=$too_long || outcome=failed ;;
    *) outcome=failed ;;
  esac
  case $outcome in
    failed | cut) failed=1 ;;
  esac
  case $outcome in
    cut | late)
      echo "stopped after $limit s, last line: $(tail -n 1 "$logs/$step.log")" >>"$logs/$step.log"
      ;;
  esac
  printf '%s\t%s\t%s\t%s\t%s\n' "$step" $outcome $took "$began" "$(now)" >"$logs/$step.outcome"
  rm -f "$logs/$step.running"
  [ $outcome = passed ] && reason= || reason=": $(tail -n 1 "$logs/$step.log")"
  echo "$step: $outcome, $took s$reason"
  case $step in
    ops-watchdog | ops)
      if breaks_device; then
        echo "Hopper's kernels hang or break the device: later steps run the portable kernels"
        echo "$step: $(tail -n 1 "$logs/$step.log")" >"$logs/hopper-off"
        export QWEN3_EMBED_HOPPER=0
      fi
      ;;
  esac
done
echo "results: $out"
exit $failed
