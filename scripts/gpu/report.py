#!/usr/bin/env python3
"""What scripts/gpu/check-gpu.sh left in a folder -> report.json and report.md in it.

  python3 scripts/gpu/report.py FOLDER

Figures of the benchmark stand beside those of torch and transformers in the same run, and against the targets that the
project has set itself for a Hopper card. A target that is missed is not a failure.
"""

import json
import math
import sys
from pathlib import Path

STEPS = ("build", "conformance", "ops", "goldens", "addon", "sanitizer", "timings")
MODELS = ("0.6B", "4B", "8B")
OPS = ("query", "key_value", "attention_out", "gate_up", "down")
DTYPES = ("bf16", "f16", "int8")

# Bytes a second of the memory, as the vendor states it; what a kernel can read at best is about 0.9 of it.
BANDWIDTH = {"H200": 4.8e12, "GH200": 4.0e12, "H100 PCIe": 2.0e12, "H100 NVL": 3.9e12, "H100": 3.35e12,
             "A100": 2.0e12, "B200": 8.0e12, "L40S": 0.864e12, "A10G": 0.6e12, "RTX 4090": 1.008e12,
             "RTX 3090": 0.936e12, "RTX 5090": 1.792e12}
REACHABLE = 0.9


# --- What is there ------------------------------------------------------------------------------------------------------


def read(folder):
    machine = dict(line.split("=", 1) for line in lines_of(folder / "machine.txt") if "=" in line)
    figures = [line for file in sorted(folder.glob("bench-*.jsonl")) for line in json_lines(file)]
    peers = [line for file in sorted(folder.glob("peer-*.jsonl")) for line in json_lines(file)]
    checks = {name: [line for line in json_lines(folder / f"{name}.jsonl") if "name" in line]
              for name in ("ops", "goldens", "addon")}
    steps = [step_of(folder, name, checks.get(name, [])) for name in STEPS]
    return {"machine": machine, "steps": steps, "checks": checks, "figures": figures, "peers": peers,
            "targets": targets(figures, peers, machine.get("card", ""))}


def lines_of(file):
    return file.read_text(errors="replace").splitlines() if file.exists() else []


def json_lines(file):
    """Those that are whole: the last may have been cut off."""
    found = []
    for line in lines_of(file):
        try:
            found.append(json.loads(line))
        except ValueError:
            pass
    return found


def step_of(folder, name, checks):
    outcome = lines_of(folder / f"{name}.outcome")
    if not outcome:
        return {"name": name, "outcome": "skipped", "seconds": 0, "reason": "not asked for"}
    _, word, seconds = outcome[0].split("\t")
    step = {"name": name, "outcome": word, "seconds": int(seconds)}
    if checks:
        step["passed"] = sum(check["ok"] for check in checks)
        step["failed"] = [check["name"] for check in checks if not check["ok"]]
    if word != "passed":
        log = [line.strip() for line in lines_of(folder / f"{name}.log") if line.strip()]
        step["reason"] = log[-1] if log else "no output"
    return step


# --- Figures by their names ---------------------------------------------------------------------------------------------


def pick(figures, kind, **names):
    return [each for each in figures
            if each.get("kind") == kind and all(each.get(name) == value for name, value in names.items())]


def one(figures, kind, field, **names):
    found = pick(figures, kind, **names)
    return found[-1][field] if found else None


def ratio(a, b):
    return a / b if a is not None and b else None


def bandwidth_of(card):
    return next((rate for name, rate in BANDWIDTH.items() if all(word in card for word in name.split())), None)


def floor_ratio(figures, card, model, dtype):
    """Time of a query over that of reading the weights once."""
    found, rate = pick(figures, "query", model=model, dtype=dtype, invariant=False), bandwidth_of(card)
    if not found or not rate:
        return None
    return found[-1]["seconds"] / (found[-1]["weight_bytes"] / (REACHABLE * rate))


def least(values):
    """Of figures that are all there."""
    values = list(values)
    return min(values) if values and all(value is not None for value in values) else None


# --- Targets ------------------------------------------------------------------------------------------------------------


def targets(figures, peers, card):
    def linear(dtype, rows):
        return least(one(figures, "linear", "tflops", model="8B", op=op, dtype=dtype, rows=count)
                     for count in rows for op in OPS)

    def against_torch(dtype, rows):
        names = [{"model": "8B", "op": op, "dtype": dtype, "rows": rows} for op in OPS]
        return least(ratio(one(figures, "linear", "tflops", **name), one(peers, "linear", "tflops", **name))
                     for name in names)

    def int8_gain(rows):
        names = [{"model": "8B", "op": op, "rows": count} for count in rows for op in OPS]
        return least(ratio(one(figures, "linear", "tflops", dtype="int8", **name),
                           one(figures, "linear", "tflops", dtype="bf16", **name)) for name in names)

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
        seconds = one(figures, "query", "seconds", model=model, dtype=dtype, invariant=False)
        return seconds and seconds * 1e3

    both, large = (2048, 8192), (8192,)
    portable, hopper = "portable", "Hopper"
    rows = [
        (portable, "GEMM bf16, slowest 8B shape, 2,048 rows and more", linear("bf16", both), ">=", 350, "TFLOP/s"),
        (portable, "GEMM int8 / bf16, worst 8B shape, 2,048 rows and more", int8_gain(both), ">=", 1.6, "x"),
        (portable, "attention, 32/8 heads, 4k tokens", attention(4096), ">=", 200, "TFLOP/s"),
        (portable, "32-token query, 8B bf16, over the weight-read floor", floor_ratio(figures, card, "8B", "bf16"),
         "<=", 1.5, "x"),
        (portable, "8B bf16, 512-token texts", rate("8B", "bf16", "512"), ">=", 20e3, "tokens/s"),
        (portable, "4B bf16, 512-token texts", rate("4B", "bf16", "512"), ">=", 38e3, "tokens/s"),
        (portable, "0.6B bf16, 512-token texts", rate("0.6B", "bf16", "512"), ">=", 200e3, "tokens/s"),
        (portable, "8B bf16 with room for its longest text", gigabytes("bf16"), "<=", 24, "GB"),
        (portable, "8B int8 with room for its longest text", gigabytes("int8"), "<=", 12, "GB"),
        (hopper, "GEMM bf16, slowest 8B shape, 8,192 rows", linear("bf16", large), ">=", 700, "TFLOP/s"),
        (hopper, "the same / torch, worst shape", against_torch("bf16", 8192), ">=", 0.95, "x"),
        (hopper, "GEMM int8, slowest 8B shape, 8,192 rows", linear("int8", large), ">=", 1150, "TOPS"),
        (hopper, "attention, 32/8 heads, 2k tokens", attention(2048), ">=", 450, "TFLOP/s"),
        (hopper, "attention, 32/8 heads, 4k tokens", attention(4096), ">=", 580, "TFLOP/s"),
        (hopper, "attention, 32/8 heads, 32k tokens", attention(32768), ">=", 600, "TFLOP/s"),
        (hopper, "8B bf16, 2k-token texts", rate("8B", "bf16", "2048"), ">=", 44e3, "tokens/s"),
        (hopper, "8B int8 / bf16, 2k-token texts", ratio(rate("8B", "int8", "2048"), rate("8B", "bf16", "2048")),
         ">=", 1.45, "x"),
        (hopper, "4B bf16, 512-token texts", rate("4B", "bf16", "512"), ">=", 85e3, "tokens/s"),
        (hopper, "0.6B bf16, 512-token texts", rate("0.6B", "bf16", "512"), ">=", 500e3, "tokens/s"),
        (hopper, "one 32k text, 8B bf16", one(figures, "model", "seconds", model="8B", dtype="bf16", lengths="32768"),
         "<=", 1.3, "s"),
        (hopper, "32-token query, 8B bf16, over the weight-read floor", floor_ratio(figures, card, "8B", "bf16"),
         "<=", 1.3, "x"),
        (hopper, "32-token query, 8B int8, over the weight-read floor", floor_ratio(figures, card, "8B", "int8"),
         "<=", 1.3, "x"),
        (hopper, "32-token query, 0.6B bf16", milliseconds("0.6B", "bf16"), "<=", 0.9, "ms"),
        (hopper, "/ transformers at its best, worst of 2k tokens and more",
         against_transformers(("2048", "8192", "32768")), ">=", 1.15, "x"),
        (hopper, "/ transformers at its best, worst of 512 and fewer and ragged",
         against_transformers(("32", "128", "512", "ragged")), ">=", 1.5, "x"),
    ]
    return [{"kernels": kernels, "what": what, "figure": figure, "target": f"{sign} {target:g} {unit}",
             "met": None if figure is None else (figure >= target if sign == ">=" else figure <= target)}
            for kernels, what, figure, sign, target, unit in rows]


# --- Markdown -----------------------------------------------------------------------------------------------------------


def number(value, digits=3):
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def table(header, rows):
    cells = [[str(cell) for cell in row] for row in [header, ["---"] * len(header), *rows]]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in cells)


def markdown(report):
    machine, figures, peers = report["machine"], report["figures"], report["peers"]
    peer = pick(peers, "peer")
    parts = ["# CUDA backend on a card", table(["", ""], [
        ["card, driver, memory, power limit, clock", machine.get("card") or "none found"],
        ["CUDA compiler", machine.get("cuda") or "none found"],
        ["commit", machine.get("commit", "")],
        ["date", machine.get("date", "")],
        ["beside", f"torch {peer[0]['torch']}, CUDA {peer[0]['cuda']}" if peer else "no torch"],
    ])]
    parts += ["## Steps", table(["step", "outcome", "seconds", "checks", "reason"], [
        [step["name"], step["outcome"], step["seconds"],
         f"{step['passed']} passed, {len(step['failed'])} failed" if "passed" in step else "", step.get("reason", "")]
        for step in report["steps"]])]
    failed = [(step["name"], check) for step in report["steps"] for check in report["checks"].get(step["name"], [])
              if not check["ok"]]
    if failed:
        parts += ["## Failed checks", table(["step", "check", "figure", "limit", "why"], [
            [step, check["name"], number(check.get("figure")), number(check.get("limit")), check.get("message", "")]
            for step, check in failed])]
    goldens = report["checks"]["goldens"]
    if goldens:
        parts += ["## Reference outputs", "1 - cos of the worst case; of `retrieval` how far nDCG@10 moves; of "
                  "`batchInvariant` how many texts change their bits with their batch.",
                  table(["check", "figure", "limit", "cases", ""], [
                      [check["name"], number(check.get("figure")), number(check.get("limit")),
                       check.get("cases", ""), "ok" if check["ok"] else "FAILED"] for check in goldens])]
    parts += ["## Targets", "What the project wants on one Hopper card (H100, H200): of the portable kernels, and "
              "of those for Hopper alone.", table(["kernels", "what", "target", "figure", ""], [
                  [each["kernels"], each["what"], each["target"], number(each["figure"]),
                   {True: "met", False: "not met", None: "not measured"}[each["met"]]]
                  for each in report["targets"]])]
    for section in (model_part, query_part, memory_part, linear_part, attention_part, rows_part):
        parts += section(figures, peers)
    left_out = [each for each in figures + peers if each.get("kind") in ("skipped", "stopped")]
    if left_out:
        parts += ["## Left out", "\n".join(f"- {json.dumps(each)}" for each in left_out)]
    return "\n\n".join(parts) + "\n"


def model_part(figures, peers):
    rows = []
    for each in pick(figures, "model"):
        other = pick(peers, "model", model=each["model"], lengths=each["lengths"])
        theirs = other[-1]["tokens_per_second"] if other else None
        rows.append([each["model"], each["dtype"], each["lengths"], each["texts"], number(each["seconds"]),
                     number(each["tokens_per_second"]), number(theirs),
                     f"{other[-1]['batch']} of {', '.join(other[-1]['tried'])}" if other else "",
                     number(ratio(each["tokens_per_second"], theirs))])
    if not rows:
        return []
    return ["## Whole models, random weights", "Beside each: transformers in bf16 with SDPA, at the best batch size "
            "of those tried.", table(["model", "precision", "tokens a text", "texts", "seconds", "tokens/s",
                                      "transformers", "its batch", "ratio"], rows)]


def query_part(figures, peers):
    rows = [[each["model"], each["dtype"], "yes" if each["invariant"] else "", number(each["seconds"] * 1e3),
             number(each["weight_bytes"] / each["seconds"] / 1e9),
             number((one(peers, "query", "seconds", model=each["model"]) or math.nan) * 1e3)]
            for each in pick(figures, "query")]
    return ["## One 32-token query", table(["model", "precision", "batchInvariant", "ms", "weights, GB/s",
                                            "transformers bf16, ms"], rows)] if rows else []


def memory_part(figures, _):
    rows = [[each["model"], each["dtype"], number(each["device_bytes"] / 1e9), number(each["load_seconds"])]
            for each in pick(figures, "memory")]
    return ["## Memory and loading", table(["model", "precision", "GB on the card", "seconds to load"], rows)] \
        if rows else []


def linear_part(figures, peers):
    parts = []
    for dtype in DTYPES:
        rows = []
        order = {name: i for i, name in enumerate(MODELS)}
        for each in sorted(pick(figures, "linear", dtype=dtype),
                           key=lambda line: (order.get(line["model"], 9), line["op"], line["rows"])):
            theirs = one(peers, "linear", "tflops", model=each["model"], op=each["op"], dtype=dtype,
                         rows=each["rows"])
            rows.append([each["model"], each["op"], f"{each['out']} x {each['in']}", each["rows"],
                         number(each["seconds"] * 1e6), number(each["tflops"]),
                         number(each["weight_gb_per_second"]), number(theirs), number(ratio(each["tflops"], theirs))])
        if rows:
            parts += [f"## Products in {dtype}", table(["model", "op", "weight", "rows", "us",
                                                        "TOPS" if dtype == "int8" else "TFLOP/s", "weights, GB/s",
                                                        "torch", "ratio"], rows)]
    return parts


def attention_part(figures, peers):
    rows = []
    for each in sorted(pick(figures, "attention"), key=lambda line: (line["dtype"], line["heads"], line["tokens"])):
        theirs = one(peers, "attention", "tflops", heads=each["heads"], tokens=each["tokens"], dtype="bf16")
        rows.append([each["heads"], each["dtype"], each["tokens"], each["texts"], number(each["seconds"] * 1e6),
                     number(each["tflops"]), number(theirs), number(ratio(each["tflops"], theirs))])
    return ["## Causal attention", table(["heads", "precision", "tokens", "texts", "us", "TFLOP/s",
                                          "torch SDPA bf16", "ratio"], rows)] if rows else []


def rows_part(figures, _):
    rows = [[each["model"], each["op"], each["dtype"], each["rows"], number(each["seconds"] * 1e6),
             number(each["gb_per_second"])] for each in pick(figures, "rows")]
    return ["## Row ops", table(["model", "op", "precision", "rows", "us", "GB/s"], rows)] if rows else []


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    report = read(folder)
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    (folder / "report.md").write_text(markdown(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
