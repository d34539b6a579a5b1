"""Evaluates the figures of a GPU check: targets, comparisons, time by op."""

import re
from functools import lru_cache

MODELS = ("8B", "0.6B", "4B")
OPS = ("query", "key_value", "attention_out", "gate_up", "down")
PRODUCT = ("model", "op", "dtype", "rows")  # the fields that identify a case of `linear`
DTYPES = ("bf16", "f16", "int8")
# Number of layers, and heads (query/key-value).
LAYERS = {"8B": (36, "32/8"), "4B": (36, "32/8"), "0.6B": (28, "16/8")}
BATCH = 8192  # rows of a large batch

# Memory bandwidth in bytes per second, as stated by the vendor. Kernels reach about 0.9 of it.
BANDWIDTH = {
    "H200": 4.8e12, "GH200": 4.0e12, "H100": 3.35e12, "H100 PCIe": 2.0e12, "H100 NVL": 3.9e12,
    "A100": 2.0e12, "B200": 8.0e12, "L40S": 0.864e12, "A10G": 0.6e12, "RTX 3090": 0.936e12,
    "RTX 4090": 1.008e12, "RTX 5090": 1.792e12,
}
REACHABLE = 0.9

# Peak of dense products on Hopper: multiprocessors x operations per cycle x clock. A multiprocessor
# has 4 tensor cores, each with 512 multiply-adds per cycle in bf16 and f16, and 1,024 in int8. A
# multiply-add counts as 2 operations. H100 SXM: 132 x 4,096 x 1.83 GHz = 989 TFLOP/s, which is the
# vendor's figure.
MULTIPROCESSORS = {"H200": 132, "GH200": 132, "H100": 132, "H100 PCIe": 114, "H100 NVL": 132}
OPERATIONS = {"bf16": 4096, "f16": 4096, "int8": 8192}

SLOWER = 1.03  # a case is marked if its time over that of the faster tile exceeds this

GPU_IDLE = 0x1
CLOCK_REASONS = {
    0x2: "ApplicationsClocksSetting", 0x4: "SwPowerCap", 0x8: "HwSlowdown", 0x10: "SyncBoost",
    0x20: "SwThermalSlowdown", 0x40: "HwThermalSlowdown", 0x80: "HwPowerBrakeSlowdown",
    0x100: "DisplayClockSetting",
}


# --- Finding figures ------------------------------------------------------------------------------


def pick(lines, kind, **names):
    found = [line for line in lines if line["kind"] == kind]
    for name, value in names.items():
        found = [line for line in found if line.get(name) == value]
    return found


def one(lines, kind, field, **names):
    """The field of the last line that matches: a case may have been repeated."""
    found = pick(lines, kind, **names)
    return found[-1].get(field) if found else None


def index(lines, kind, fields):
    """The last line of every case, by case."""
    return {case_of(line, fields): line for line in pick(lines, kind)}


def case_of(line, fields):
    return tuple(line.get(field) for field in fields)


def ratio(a, b):
    return a / b if a is not None and b else None


def least(values):
    """The smallest value; None if any value is missing."""
    values = list(values)
    return min(values) if values and all(value is not None for value in values) else None


def median(values):
    values = sorted(value for value in values if value is not None)
    return values[len(values) // 2] if values else None


def greatest(values):
    return max((value for value in values if value is not None), default=None)


def of_gpu(table, name):
    """The entry whose words all occur in the name; if several match, the one with most words."""
    words = re.split(r"[\s-]+", name)
    fitting = [entry for entry in table if all(word in words for word in entry.split())]
    return table[max(fitting, key=lambda entry: len(entry.split()))] if fitting else None


def floor_ratio(found, model, dtype):
    """Time of a query over the time to read the weights once at the reachable bandwidth."""
    rate = of_gpu(BANDWIDTH, found.machine["gpu_name"])
    names = {"model": model, "dtype": dtype, "invariant": False}
    weight_bytes = one(found.timings, "query", "weight_bytes", **names)
    if not rate or not weight_bytes:
        return None
    return one(found.timings, "query", "seconds", **names) / (weight_bytes / (REACHABLE * rate))


# --- Kernels that ran, warnings and verdict -------------------------------------------------------


def kernels_timed(lines):
    """A sorted list of 'Hopper' and 'portable', by the device lines. Empty if there is none."""
    names = [line["name"] for line in pick(lines, "device")]
    return sorted({"Hopper" if re.search(r"\bsm_90a\b", name) else "portable" for name in names})


def is_hopper(name):
    """Whether the name of a device line is that of a GPU with compute capability 9.0."""
    return re.search(r"\b(sm_90a?|H100|H200|GH200)\b", name) is not None


def warnings(found):
    messages = []
    for step, lines in (("timings", found.timings), ("tiles", found.wide + found.narrow)):
        names = [line["name"] for line in pick(lines, "device")]
        if any(is_hopper(name) and "sm_90a" not in name for name in names):
            messages.append(f"{step} ran the PORTABLE kernels on a Hopper GPU, so its figures are "
                            f"not those of Hopper's kernels ({', '.join(sorted(set(names)))})")
    if "Hopper" in kernels_timed(found.portable):
        messages.append("timings-portable ran Hopper's kernels, so the comparison is meaningless")
    lines = found.timings + found.portable + found.peers
    if any(line.get("toy") or line.get("model") == "toy" for line in lines):
        messages.append("this was a rehearsal at toy sizes, so its figures are meaningless")
    return messages


def verdict(found):
    def named(outcome):
        return [step["name"] for step in found.steps if step["outcome"] == outcome]

    failed = [step["name"] for step in found.steps
              if step["outcome"] == "failed" or step.get("failed")]
    cut = [name for name in named("cut") if name not in failed]
    ran = [step for step in found.steps if step["outcome"] in ("passed", "failed", "cut")]
    return {"passed": not failed and not cut and bool(ran), "ran": len(ran), "failed": failed,
            "cut": cut, "late": named("late"), "running": named("running"),
            "skipped": named("skipped"), "not_run": named("not run"),
            "kernels": kernels_timed(found.timings)}


# --- Targets --------------------------------------------------------------------------------------


def targets(found):
    figures, peers = found.timings, found.peers

    def linear(dtype, rows):
        return least(one(figures, "linear", "tflops", model="8B", op=op, dtype=dtype, rows=count)
                     for count in rows for op in OPS)

    def against_torch(dtype, rows):
        names = [{"model": "8B", "op": op, "dtype": dtype, "rows": rows} for op in OPS]
        return least(ratio(one(figures, "linear", "tflops", **name),
                           one(peers, "linear", "tflops", **name)) for name in names)

    def int8_gain(rows):
        names = [{"model": "8B", "op": op, "rows": count} for count in rows for op in OPS]
        return least(ratio(one(figures, "linear", "tflops", dtype="int8", **name),
                           one(figures, "linear", "tflops", dtype="bf16", **name))
                     for name in names)

    def attention(tokens):
        return one(figures, "attention", "tflops", heads="32/8", dtype="bf16", tokens=tokens)

    def rate(model, dtype, lengths):
        return one(figures, "model", "tokens_per_second", model=model, dtype=dtype, lengths=lengths)

    def against_transformers(wanted):
        return least(ratio(rate(each["model"], "bf16", each["lengths"]), each["tokens_per_second"])
                     for each in pick(peers, "model", dtype="bf16") if each["lengths"] in wanted)

    def gigabytes(dtype):
        return ratio(one(figures, "memory", "device_bytes", model="8B", dtype=dtype), 1e9)

    def milliseconds(model, dtype):
        return ratio(one(figures, "query", "seconds", model=model, dtype=dtype, invariant=False),
                     1e-3)

    long_text = one(figures, "model", "seconds", model="8B", dtype="bf16", lengths="32768")
    both, large = (2048, 8192), (8192,)
    portable, hopper = "portable", "Hopper"
    rows = [
        (portable, "GEMM bf16, slowest 8B shape, 2,048 and more rows",
         linear("bf16", both), ">=", 350, "TFLOP/s"),
        (portable, "GEMM int8 / bf16, worst 8B shape, 2,048 and more rows",
         int8_gain(both), ">=", 1.6, "x"),
        (portable, "attention, 32/8 heads, 4k tokens", attention(4096), ">=", 200, "TFLOP/s"),
        (portable, "32-token query, 8B bf16, time / weight-read floor",
         floor_ratio(found, "8B", "bf16"), "<=", 1.5, "x"),
        (portable, "8B bf16, 512-token texts", rate("8B", "bf16", "512"), ">=", 20e3, "tokens/s"),
        (portable, "4B bf16, 512-token texts", rate("4B", "bf16", "512"), ">=", 38e3, "tokens/s"),
        (portable, "0.6B bf16, 512-token texts",
         rate("0.6B", "bf16", "512"), ">=", 200e3, "tokens/s"),
        (portable, "8B bf16, device memory for its longest text",
         gigabytes("bf16"), "<=", 24, "GB"),
        (portable, "8B int8, device memory for its longest text",
         gigabytes("int8"), "<=", 12, "GB"),
        (hopper, "GEMM bf16, slowest 8B shape, 8,192 rows",
         linear("bf16", large), ">=", 700, "TFLOP/s"),
        (hopper, "GEMM bf16 / torch, worst 8B shape, 8,192 rows",
         against_torch("bf16", 8192), ">=", 0.95, "x"),
        (hopper, "GEMM int8, slowest 8B shape, 8,192 rows",
         linear("int8", large), ">=", 1150, "TOPS"),
        (hopper, "attention, 32/8 heads, 2k tokens", attention(2048), ">=", 450, "TFLOP/s"),
        (hopper, "attention, 32/8 heads, 4k tokens", attention(4096), ">=", 580, "TFLOP/s"),
        (hopper, "attention, 32/8 heads, 32k tokens", attention(32768), ">=", 600, "TFLOP/s"),
        (hopper, "8B bf16, 2k-token texts", rate("8B", "bf16", "2048"), ">=", 44e3, "tokens/s"),
        (hopper, "8B int8 / bf16, 2k-token texts",
         ratio(rate("8B", "int8", "2048"), rate("8B", "bf16", "2048")), ">=", 1.45, "x"),
        (hopper, "4B bf16, 512-token texts", rate("4B", "bf16", "512"), ">=", 85e3, "tokens/s"),
        (hopper, "0.6B bf16, 512-token texts",
         rate("0.6B", "bf16", "512"), ">=", 500e3, "tokens/s"),
        (hopper, "one 32k text, 8B bf16", long_text, "<=", 1.3, "s"),
        (hopper, "32-token query, 8B bf16, time / weight-read floor",
         floor_ratio(found, "8B", "bf16"), "<=", 1.3, "x"),
        (hopper, "32-token query, 8B int8, time / weight-read floor",
         floor_ratio(found, "8B", "int8"), "<=", 1.3, "x"),
        (hopper, "32-token query, 0.6B bf16", milliseconds("0.6B", "bf16"), "<=", 0.9, "ms"),
        (hopper, "bf16 / transformers at its best batch size, worst, 2k and more tokens",
         against_transformers(("2048", "8192", "32768")), ">=", 1.15, "x"),
        (hopper, "bf16 / transformers at its best batch size, worst, up to 512 tokens or ragged",
         against_transformers(("32", "128", "512", "ragged")), ">=", 1.5, "x"),
    ]
    return [{"kernels": kernels, "what": what, "figure": figure,
             "target": f"{sign} {target:g} {unit}",
             "met": None if figure is None else
             (figure >= target if sign == ">=" else figure <= target)}
            for kernels, what, figure, sign, target, unit in rows]


# --- Clocks and the share of the peak -------------------------------------------------------------


def samples_of(found, name, section=None):
    """Clock samples of a step, or of one section of it, while the GPU was busy."""
    step = next(step for step in found.steps if step["name"] == name)
    if section:
        step = (pick(found.timings, "section", section=section) or [step])[-1]
    if not step["began"]:
        return []
    ended = step["ended"] or "9999"
    return [sample for sample in found.clocks
            if step["began"] <= sample["time"][:19] <= ended
            and sample["utilization"] != 0 and not (sample["reasons"] or 0) & GPU_IDLE]


def clocks(found):
    summaries = []
    for name in ("timings", "peer", "timings-portable", "tiles", "profile"):
        samples = samples_of(found, name)
        if not samples:
            continue
        known = [sample["reasons"] for sample in samples if sample["reasons"] is not None]
        share = {reason: sum(bool(bits & bit) for bits in known) / len(known)
                 for bit, reason in CLOCK_REASONS.items() if any(bits & bit for bits in known)}
        summaries.append({
            "step": name, "samples": len(samples),
            "sm_mhz": median(sample["sm"] for sample in samples),
            "lowest_sm_mhz": least(sample["sm"] for sample in samples if sample["sm"] is not None),
            "limited": sum(bits & ~GPU_IDLE != 0 for bits in known) / len(known) if known else None,
            "reasons": share,
            "power_w": median(sample["power"] for sample in samples),
            "highest_power_w": greatest(sample["power"] for sample in samples),
            "highest_temperature": greatest(sample["temperature"] for sample in samples),
        })
    return summaries


def peaks_of(found, section):
    """Peak in TFLOP/s by precision, at the median clock of the step timings or of one section.

    None if the GPU or the clock is not known.
    """
    count = of_gpu(MULTIPROCESSORS, found.machine["gpu_name"])
    mhz = median(sample["sm"] for sample in samples_of(found, "timings", section))
    return {dtype: count * operations * mhz / 1e6 if count and mhz else None
            for dtype, operations in OPERATIONS.items()}


# --- Products, attention, models, queries ---------------------------------------------------------


def in_order(line):
    models = {name: place for place, name in enumerate(MODELS)}
    return (models.get(line["model"], len(models)), line["op"], line["rows"])


def linear(found):
    peaks = peaks_of(found, "linear")
    theirs = index(found.peers, "linear", PRODUCT)
    rows = []
    for each in sorted(pick(found.timings, "linear"), key=in_order):
        tflops = theirs.get(case_of(each, PRODUCT), {}).get("tflops")
        rows.append({**each, "torch_tflops": tflops, "over_torch": ratio(each["tflops"], tflops),
                     "share_of_peak": ratio(each["tflops"], peaks.get(each["dtype"]))})
    return rows


def attention(found):
    peak = peaks_of(found, "attention")["bf16"]  # also for int8 models, whose attention is bf16
    theirs = index(found.peers, "attention", ("heads", "tokens"))
    rows = []
    for each in sorted(pick(found.timings, "attention"),
                       key=lambda line: (line["dtype"], line["heads"], line["tokens"])):
        other = theirs.get(case_of(each, ("heads", "tokens")), {})
        tflops = other.get("tflops")
        rows.append({**each, "torch_tflops": tflops, "over_torch": ratio(each["tflops"], tflops),
                     "variant": other.get("variant"), "tried": other.get("tried", {}),
                     "share_of_peak": ratio(each["tflops"], peak)})
    return rows


def models(found):
    theirs = index(found.peers, "model", ("model", "lengths"))
    rows = []
    for each in pick(found.timings, "model"):
        other = theirs.get(case_of(each, ("model", "lengths")), {})
        rate = other.get("tokens_per_second")
        rows.append({**each, "transformers": rate, "batch": other.get("batch"),
                     "tried": other.get("tried", {}),
                     "over_transformers": ratio(each["tokens_per_second"], rate)})
    return rows


def queries(found):
    return [{**each, "transformers_seconds": one(found.peers, "query", "seconds",
                                                 model=each["model"]),
             "over_floor": floor_ratio(found, each["model"], each["dtype"])
             if each.get("invariant") is False else None}
            for each in pick(found.timings, "query")]


# --- Comparisons of kernels -----------------------------------------------------------------------


def against_portable(found):
    """Compares Hopper's kernels with the portable ones. `gain` is the ratio of their speeds."""
    if kernels_timed(found.timings) == ["portable"]:
        return []
    cases = {"linear": PRODUCT, "attention": ("heads", "dtype", "tokens"),
             "model": ("model", "dtype", "lengths")}
    rows = []
    for kind, fields in cases.items():
        unit = "tokens_per_second" if kind == "model" else "tflops"
        ours = index(found.timings, kind, fields)
        for case, each in index(found.portable, kind, fields).items():
            if case in ours:
                hopper = ours[case][unit]
                rows.append({"kind": kind, **dict(zip(fields, case)), "unit": unit,
                             "hopper": hopper, "portable": each[unit],
                             "gain": ratio(hopper, each[unit])})
    return rows


def tiles(found):
    """Compares wide tiles, narrow tiles and the automatic choice."""
    fields = (*PRODUCT, "part")
    wide, narrow, auto = (index(lines, "linear", fields) for lines in
                          (found.wide, found.narrow, found.timings + found.products))
    rows = []
    for case, line in sorted({**wide, **narrow}.items(), key=lambda item: in_order(item[1])):
        seconds = [lines.get(case, {}).get("seconds") for lines in (wide, narrow, auto)]
        better = least(seconds[:2])
        over = ratio(seconds[2], better)
        rows.append({**dict(zip(fields, case)), "wide_seconds": seconds[0],
                     "narrow_seconds": seconds[1], "auto_seconds": seconds[2],
                     "faster": better and ("wide" if better == seconds[0] else "narrow"),
                     "auto_over_better": over, "slow": over is not None and over > SLOWER})
    return rows


def quantization(found):
    """Time to quantize the input of linear_add, compared with its product."""
    whole = index(found.timings, "linear", PRODUCT)
    rows = []
    for each in sorted(pick(found.products, "linear"), key=in_order):
        case = case_of(each, PRODUCT)
        if case in whole:
            seconds = whole[case]["seconds"]
            rows.append({**dict(zip(PRODUCT, case)), "seconds": seconds,
                         "product_seconds": each["seconds"],
                         "quantization_seconds": seconds - each["seconds"],
                         "share": 1 - each["seconds"] / seconds, "product_tops": each["tflops"]})
    return rows


# --- Time of a layer by op ------------------------------------------------------------------------


def layers(found):
    """Time of a layer for 8,192 tokens, as the sum of its separately timed ops."""
    rows = []
    for model, (count, heads) in LAYERS.items():
        for dtype in DTYPES:
            for tokens in (512, 2048):
                ops = layer_ops(found.timings, model, dtype, heads, tokens)
                if all(ops[op] is None for op in OPS):
                    continue
                layer = sum(ops.values()) if None not in ops.values() else None
                rate = one(found.timings, "model", "tokens_per_second", model=model, dtype=dtype,
                           lengths=str(tokens))
                whole = ratio(BATCH, rate)
                rest = whole - count * layer if layer and whole else None
                rows.append({"model": model, "dtype": dtype, "tokens": tokens, "ops": ops,
                             "layer_seconds": layer, "layers": count,
                             "layers_seconds": layer and count * layer, "model_seconds": whole,
                             "rest_seconds": rest, "rest_share": ratio(rest, whole)})
    return rows


def layer_ops(lines, model, dtype, heads, tokens):
    """Seconds by op. For an op not timed in this dtype, bf16 is used, which moves as many bytes."""

    def row_op(op):
        return one(lines, "rows", "seconds", model=model, op=op, rows=BATCH,
                   dtype="int8" if dtype == "int8" else "bf16")

    def attention_seconds():
        attended = pick(lines, "attention", heads=heads, tokens=tokens)
        own = [line for line in attended if line["dtype"] == dtype]
        found = own or [line for line in attended if line["dtype"] == "bf16"]
        return found[-1]["seconds"] * BATCH / (found[-1]["texts"] * tokens) if found else None

    norm = row_op("rms_norm")
    return {
        **{op: one(lines, "linear", "seconds", model=model, op=op, dtype=dtype, rows=BATCH)
           for op in OPS},
        "norms": norm and 2 * norm,
        "norm_rope": row_op("norm_rope"),
        "norm_rope_store": row_op("norm_rope_store"),
        "attention": attention_seconds(),
    }


# --- Kernels under the profiler -------------------------------------------------------------------

SECONDS_OF = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
MARKER = "store_kernel"  # while profiling, launched before every case and nowhere else
BYTES_OF = {"byte": 1, "Kbyte": 1e3, "Mbyte": 1e6, "Gbyte": 1e9}


def percentage(kernel, pattern):
    """The largest metric whose name matches, such as those of all kinds of tensor instructions."""
    return greatest(value for name, (value, _) in kernel["metrics"].items()
                    if matches(pattern, name))


@lru_cache(maxsize=None)  # every kernel has the same metrics
def matches(pattern, name):
    return re.search(pattern, name)


def scaled(kernel, name, scales):
    value, unit = kernel["metrics"].get(name, (None, ""))
    scale = scales.get(unit.replace("second", "s"))
    return value * scale if value is not None and scale else None


def stalls(kernel):
    """Share of each stall reason, largest first, in the family of metrics with most reasons."""
    pattern = r"^(.*issue_stalled_)(\w+?)((?:_not_issued|_per_\w+)?(?:\.\w+)?)$"
    families = {}
    for name, (value, _) in kernel["metrics"].items():
        found = matches(pattern, name)
        if found:
            families.setdefault((found[1], found[3]), {})[found[2]] = value
    reasons = max(families.values(), key=len, default={})
    total = sum(reasons.values())
    waiting = {reason: value / total for reason, value in reasons.items()
               if reason != "selected" and total > 0 and value > 0}
    return dict(sorted(waiting.items(), key=lambda item: -item[1]))


def match_cases(kernels, cases):
    """The case of every kernel; None for the marker that gpu_bench --once launches before it."""
    by_number = {case.get("case"): case for case in cases}
    matched, number = [], 0
    for kernel in kernels:
        begins = kernel["kernel"] == MARKER
        number += begins
        matched.append(None if begins else by_number.get(number))
    return matched


def profile(found):
    rows = []
    for kernel, case in zip(found.kernels, match_cases(found.kernels, found.cases)):
        if kernel["kernel"] == MARKER:
            continue
        seconds = scaled(kernel, "gpu__time_duration.sum", SECONDS_OF)
        moved = scaled(kernel, "lts__t_bytes.sum", BYTES_OF)
        rows.append({
            "kernel": kernel["kernel"], "name": kernel["name"], "grid": kernel["grid"],
            "block": kernel["block"], "case": case, "seconds": seconds,
            "tensor": percentage(kernel, r"pipe_tensor.*\.pct_of_peak_sustained_active"),
            "sm": percentage(kernel, r"^sm__throughput\.avg\.pct"),
            "dram": percentage(kernel, r"dram_?_throughput\.avg\.pct"),
            "l2": percentage(kernel, r"^lts__t\w*\.avg\.pct"),
            "l2_tb_per_second": ratio(ratio(moved, seconds), 1e12),
            "stalls": stalls(kernel),
            "metrics": {name: value for name, (value, _) in kernel["metrics"].items()},
        })
    return rows
