#!/usr/bin/env python3
"""Writes report.json and report.md from the files of scripts/gpu/check-gpu.sh, into their folder.

  python3 scripts/gpu/report.py FOLDER

May run at any time while the check runs. The report compares the benchmark's figures with those of
torch and transformers in the same run, and with the project's targets for a Hopper GPU. A missed
target is not a failure.
"""

import json
import math
import os
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # writes no __pycache__ into the source tree

import analysis
import results

MAX_NAMES = 20  # names of failed checks in a row of the table of steps
MAX_CHARACTERS = 300  # in a cell of a table


# --- Tables ---------------------------------------------------------------------------------------


def number(value, digits=3):
    if type(value) not in (int, float) or not math.isfinite(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def scaled(value, scale):
    return number(value * scale) if type(value) in (int, float) else ""


def percent(share):
    return f"{100 * share:.1f} %" if share is not None else ""


def cell(value):
    text = " ".join(str("" if value is None else value).replace("|", "/").split())
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + " ..."


def table(header, rows):
    return "\n".join("| " + " | ".join(cell(value) for value in row) + " |"
                     for row in [header, ["---"] * len(header), *rows])


def part(title, note, header, rows):
    """The blocks of a section: title, note and table. Empty if there are no rows."""
    return [f"## {title}", *([note] if note else []), table(header, rows)] if rows else []


# --- Outcome --------------------------------------------------------------------------------------


def show_verdict(verdict, found):
    machine = found.machine
    ran = verdict["ran"]
    if verdict["failed"] or verdict["cut"]:
        text = "**NOT ALL PASSED.**"
    elif ran:
        text = f"**All steps that ran passed** ({ran} of {len(results.STEPS)})."
    else:
        text = "**No step has finished.**"
    for name in ("failed", "cut", "late", "running", "skipped", "not_run"):
        if verdict[name]:
            text += f" {name.replace('_', ' ').capitalize()}: {', '.join(verdict[name])}."
    kernels = {(): "not known", ("Hopper",): "Hopper's (sm_90a)", ("portable",): "portable",
               ("Hopper", "portable"): "BOTH Hopper's and portable"}[tuple(verdict["kernels"])]
    text += f" Kernels timed: {kernels}. GPU: {machine['gpu_name'] or 'none found'}"
    for name in ("driver", "cuda", "commit", "date"):
        label = "CUDA" if name == "cuda" else name
        text += f", {label} {machine.get(name) or 'not known'}"
    return [" ".join(text.split()) + "."]


def show_warnings(warnings, _):
    return ["\n".join(f"> **WARNING: {each}.**" for each in warnings)] if warnings else []


def steps(found):
    return found.steps


def show_steps(steps, _):
    rows = []
    for step in steps:
        checks, failed = "", step.get("failed", [])
        if "passed" in step:
            checks = f"{step['passed']} passed, {len(failed)} failed"
        names = "; ".join(failed[:MAX_NAMES]) + ("; ..." if len(failed) > MAX_NAMES else "")
        mark = {"failed": "**FAILED**", "cut": "**CUT**"}.get(step["outcome"], step["outcome"])
        rows.append([mark, step["name"], step["seconds"], checks, names, step.get("reason")])
    return part("Steps", "Cut: the step exceeded its own time limit. Late: the time limit of the "
                "whole run stopped the step or left no time for it. The reason of a cut, late or "
                "running step is the end of its log.",
                ["outcome", "step", "seconds", "checks", "failed checks", "reason"], rows)


def checks(found):
    return found.checks


def show_checks(checks, _):
    failed = [[name, check["name"], number(check.get("figure")), number(check.get("limit")),
               check.get("message")]
              for name, lines in checks.items() for check in lines if not check["ok"]]
    goldens = [[check["name"], number(check.get("figure")), number(check.get("limit")),
                check.get("cases"), "ok" if check["ok"] else "FAILED"]
               for check in checks["goldens"]]
    return [*part("Failed checks", "", ["step", "check", "figure", "limit", "message"], failed),
            *part("Reference outputs", "The figure is 1 - cos of the worst case; for `retrieval` "
                  "the largest difference of a score; for `batchInvariant` the number of texts "
                  "whose bits depend on their batch.",
                  ["check", "figure", "limit", "cases", ""], goldens)]


def show_targets(targets, _):
    names = {True: "met", False: "not met", None: "not measured"}
    met = [names[each["met"]] for each in targets]
    counts = ", ".join(f"{met.count(name)} {name}" for name in names.values())
    return part("Targets", "Targets of the portable kernels and of Hopper's own kernels, both on "
                f"one Hopper GPU (H100, H200). Figures are from the step timings: {counts}.",
                ["kernels", "what", "target", "figure", ""],
                [[each["kernels"], each["what"], each["target"], number(each["figure"]), name]
                 for each, name in zip(targets, met)])


# --- Evidence -------------------------------------------------------------------------------------


def show_clocks(clocks, _):
    return part("Clocks and power", "Samples while the GPU was busy. Limited: share of samples in "
                "which the clock was limited for a reason other than idleness.",
                ["step", "samples", "SM MHz, median", "lowest", "limited", "by", "W, median",
                 "highest", "highest C"],
                [[each["step"], each["samples"], number(each["sm_mhz"]),
                  number(each["lowest_sm_mhz"]), percent(each["limited"]),
                  ", ".join(f"{name} {percent(share)}" for name, share in each["reasons"].items()),
                  number(each["power_w"]), number(each["highest_power_w"]),
                  number(each["highest_temperature"])] for each in clocks])


def case_text(case):
    parts = [str(case[name]) for name in ("model", "op", "heads", "dtype") if name in case]
    parts += [f"{case[name]} {name}" for name in ("rows", "tokens") if name in case]
    parts += [f"{case['lengths']} tokens per text"] if "lengths" in case else []
    return " ".join(parts + ([f"({case['part']})"] if case.get("part") else []))


def show_against_portable(rows, _):
    return part("Hopper's kernels compared with the portable ones", "",
                ["", "case", "Hopper", "portable", "", "ratio"],
                [[each["kind"], case_text(each), number(each["hopper"]), number(each["portable"]),
                  {"tflops": "TFLOP/s"}.get(each["unit"], "tokens/s"), number(each["gain"])]
                 for each in rows])


def show_tiles(rows, _):
    slow = sum(each["slow"] for each in rows)
    return part("Wide and narrow tiles", f"With the automatic choice (auto), {slow} of {len(rows)} "
                f"cases take over {100 * (analysis.SLOWER - 1):.0f} % longer than with the faster "
                "tile.",
                ["case", "wide, us", "narrow, us", "auto, us", "faster", "auto is slower by", ""],
                [[case_text(each), scaled(each["wide_seconds"], 1e6),
                  scaled(each["narrow_seconds"], 1e6), scaled(each["auto_seconds"], 1e6),
                  each["faster"],
                  percent(each["auto_over_better"] - 1) if each["auto_over_better"] else "",
                  "**slower**" if each["slow"] else ""] for each in rows])


def show_quantization(rows, _):
    return part("Quantization of the input of int8 products", "",
                ["case", "total, us", "product, us", "quantization, us", "share of the total",
                 "product, TOPS"],
                [[case_text(each), scaled(each["seconds"], 1e6),
                  scaled(each["product_seconds"], 1e6), scaled(each["quantization_seconds"], 1e6),
                  percent(each["share"]), number(each["product_tops"])] for each in rows])


def show_layers(rows, _):
    def share(seconds, layer):
        return f"{scaled(seconds, 1e6)}{f' ({percent(seconds / layer)})' if layer else ''}" \
            if seconds is not None else ""

    ops = list(rows[0]["ops"]) if rows else []
    return part("Time of a layer by op", "8,192 tokens in texts of equal length; us and share of "
                "each op. A layer is the sum of its separately timed ops. Rest: the share of the "
                "whole model's time outside its layers (launch gaps, token table, pooling).",
                ["model", "tokens per text", *ops, "layer, us", "layers, ms", "model, ms", "rest"],
                [[f"{each['model']} {each['dtype']}", each["tokens"],
                  *(share(each["ops"][op], each["layer_seconds"]) for op in ops),
                  scaled(each["layer_seconds"], 1e6), scaled(each["layers_seconds"], 1e3),
                  scaled(each["model_seconds"], 1e3), percent(each["rest_share"])]
                 for each in rows])


def show_profile(rows, found):
    def l2(row):
        moved = row["l2_tb_per_second"]
        return f"{number(row['l2'])}{f' ({number(moved)} TB/s)' if moved else ''}"

    note = "In launch order. Utilisation and stall reasons in %, as measured by ncu."
    return part("Kernels", note,
                ["case", "kernel", "grid", "us", "tensor pipe", "SM", "DRAM", "L2", "stalls"],
                [[case_text(row["case"] or {}), row["kernel"], row["grid"],
                  scaled(row["seconds"], 1e6), number(row["tensor"]), number(row["sm"]),
                  number(row["dram"]), l2(row),
                  ", ".join(f"{name} {percent(share)}"
                            for name, share in list(row["stalls"].items())[:3])]
                 for row in rows])


# --- Figures --------------------------------------------------------------------------------------


def tried_text(tried, scale=1):
    return "; ".join(f"{name}: {scaled(value, scale)}" for name, value in tried.items())


def show_models(rows, _):
    return part("Whole models, random weights", "Compared with transformers in bf16 with SDPA, at "
                "the best of the batch sizes that were tried.",
                ["model", "precision", "tokens per text", "texts", "seconds", "tokens/s",
                 "transformers", "its batch size", "tried, tokens/s", "ratio"],
                [[each["model"], each["dtype"], each["lengths"], each.get("texts"),
                  number(each.get("seconds")), number(each["tokens_per_second"]),
                  number(each["transformers"]), each["batch"], tried_text(each["tried"]),
                  number(each["over_transformers"])] for each in rows])


def show_queries(rows, _):
    return part("One 32-token query", "",
                ["model", "precision", "batchInvariant", "ms", "weights, GB/s", "time / floor",
                 "transformers bf16, ms"],
                [[each["model"], each["dtype"], "yes" if each.get("invariant") else "",
                  scaled(each["seconds"], 1e3),
                  scaled(analysis.ratio(each.get("weight_bytes"), each["seconds"]), 1e-9),
                  number(each["over_floor"]), scaled(each["transformers_seconds"], 1e3)]
                 for each in rows])


def memory(found):
    return analysis.pick(found.timings, "memory")


def show_memory(rows, _):
    return part("Memory and loading", "",
                ["model", "precision", "GB on the GPU", "seconds to load"],
                [[each["model"], each["dtype"], scaled(each["device_bytes"], 1e-9),
                  number(each["load_seconds"])] for each in rows])


def weight_shape(line):
    return f"{line['out']} x {line['in']}" if "out" in line and "in" in line else ""


def show_linear(rows, _):
    parts = []
    for dtype in analysis.DTYPES:
        parts += part(f"Products in {dtype}", "The peak is that of dense products at the median "
                      "clock of these samples.",
                      ["model", "op", "weight", "rows", "us",
                       "TOPS" if dtype == "int8" else "TFLOP/s", "share of the peak",
                       "weights, GB/s", "torch", "ratio"],
                      [[each["model"], each["op"], weight_shape(each), each["rows"],
                        scaled(each["seconds"], 1e6), number(each["tflops"]),
                        percent(each["share_of_peak"]),
                        number(each.get("weight_gb_per_second")),
                        number(each["torch_tflops"]), number(each["over_torch"])]
                       for each in rows if each["dtype"] == dtype])
    return parts


def show_attention(rows, _):
    return part("Causal attention", "Compared with the fastest of torch's backends in bf16.",
                ["heads", "precision", "tokens", "texts", "us", "TFLOP/s", "share of the peak",
                 "torch", "its backend", "tried, us", "ratio"],
                [[each["heads"], each["dtype"], each["tokens"], each["texts"],
                  scaled(each["seconds"], 1e6), number(each["tflops"]),
                  percent(each["share_of_peak"]), number(each["torch_tflops"]), each["variant"],
                  tried_text(each["tried"], 1e6), number(each["over_torch"])] for each in rows])


def row_ops(found):
    return analysis.pick(found.timings, "rows")


def show_row_ops(rows, _):
    return part("Row ops", "", ["model", "op", "precision", "rows", "us", "GB/s"],
                [[each["model"], each["op"], each["dtype"], each["rows"],
                  scaled(each["seconds"], 1e6), number(each["gb_per_second"])] for each in rows])


def left_out(found):
    """The cases that the benchmarks did not time, and the number of unusable lines per file."""
    files = {"timings": found.timings, "timings-portable": found.portable,
             "tiles-wide": found.wide, "tiles-narrow": found.narrow, "peer": found.peers}
    return {"cases": [{"file": name, **line} for name, lines in files.items() for line in lines
                      if line["kind"] in ("skipped", "stopped")],
            "lines": found.damaged}


def show_left_out(left, _):
    items = [json.dumps(each) for each in left["cases"]]
    items += [f"{file}: {count} lines are truncated, incomplete or of an unknown kind"
              for file, count in left["lines"].items()]
    return ["## Left out", "\n".join(f"- {each}" for each in items)] if items else []


def peer(found):
    return analysis.pick(found.peers, "peer")


def show_peer(lines, _):
    if not lines:
        return []
    return [f"The peer is torch {lines[-1]['torch']} with CUDA {lines[-1].get('cuda')}."]


# --- The report -----------------------------------------------------------------------------------

# In the order of report.md: the name in report.json, the function that computes the data, and the
# function that renders it for report.md.
PARTS = (
    ("verdict", analysis.verdict, show_verdict),
    ("warnings", analysis.warnings, show_warnings),
    ("steps", steps, show_steps),
    ("targets", analysis.targets, show_targets),
    ("checks", checks, show_checks),
    ("clocks", analysis.clocks, show_clocks),
    ("against_portable", analysis.against_portable, show_against_portable),
    ("tiles", analysis.tiles, show_tiles),
    ("quantization", analysis.quantization, show_quantization),
    ("layers", analysis.layers, show_layers),
    ("profile", analysis.profile, show_profile),
    ("peer", peer, show_peer),
    ("models", analysis.models, show_models),
    ("queries", analysis.queries, show_queries),
    ("memory", memory, show_memory),
    ("linear", analysis.linear, show_linear),
    ("attention", analysis.attention, show_attention),
    ("row_ops", row_ops, show_row_ops),
    ("left_out", left_out, show_left_out),
)

LINES = ("timings", "products", "portable", "wide", "narrow", "peers", "cases")  # raw, as read


def build(found):
    """The data and the text. A part that raises shows its error and does not affect the others."""
    data, text = {"machine": found.machine}, ["# CUDA backend on a GPU"]
    for name, compute, show in PARTS:
        try:
            data[name] = compute(found)
            text += show(data[name], found)
        except Exception as error:
            data[name] = None
            text.append(f"**The report part '{name}' failed: {error!r}**")
    data["lines"] = {name: getattr(found, name) for name in LINES}
    return data, "\n\n".join(text) + "\n"


def replace(file, text):
    """Replaces the file atomically, so that a concurrent copy gets the old or the new content."""
    new = file.with_name(f"{file.name}.{os.getpid()}")
    new.write_bytes(text.encode(errors="replace"))
    os.replace(new, file)


def main():
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    data, text = build(results.read(folder))
    replace(folder / "report.json", json.dumps(data) + "\n")
    replace(folder / "report.md", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
