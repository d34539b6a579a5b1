"""Reads the files that a GPU check has written to its folder.

While the check runs, any file may be missing, truncated or damaged. What cannot be read is ignored.
Ignored lines of figures are counted.
"""

import csv
import json
import math
import re
from datetime import datetime
from types import SimpleNamespace

STEPS = ("build", "conformance", "ops-portable", "ops-watchdog", "ops", "goldens", "timings",
         "peer", "addon", "timings-portable", "tiles", "profile", "sanitizer")
OUTCOMES = ("passed", "failed", "skipped",
            "cut",  # stopped by the step's own time limit
            "late")  # stopped by the end of the whole run
CHECKS = ("ops-portable", "ops-watchdog", "ops", "goldens", "addon")
TIME = "%Y/%m/%d %H:%M:%S"

MAX_BYTES = 8 << 20  # the most that is read of a file
LOG_BYTES = 16 << 10  # the most that is read of a log, at its end


def read(folder):
    damaged = {}

    def figures(name):
        return valid_lines(folder / name, damaged)

    checks = {name: [line for line in json_lines(folder / f"{name}.jsonl") if is_check(line)]
              for name in CHECKS}
    timings = figures("timings.jsonl")
    return SimpleNamespace(
        machine=machine(folder, timings),
        checks=checks,
        steps=[step(folder, name, checks.get(name, [])) for name in STEPS],
        timings=[line for line in timings if "part" not in line],
        products=[line for line in timings if line.get("part") == "product"],
        portable=[line for line in figures("timings-portable.jsonl") if "part" not in line],
        wide=figures("tiles-wide.jsonl"),
        narrow=figures("tiles-narrow.jsonl"),
        peers=figures("peer.jsonl"),
        clocks=clock_samples(folder / "clocks.csv"),
        kernels=kernels(folder / "profile.csv"),
        cases=[line for line in figures("profile.jsonl") if line["kind"] == "once"],
        damaged=damaged,
    )


def text_of(file, tail=0):
    try:
        with open(file, "rb") as opened:
            if tail:
                opened.seek(max(0, opened.seek(0, 2) - tail))
            return opened.read(tail or MAX_BYTES).decode(errors="replace")
    except OSError:
        return ""


def lines_of(file, tail=0):
    lines = [line.strip() for line in text_of(file, tail).split("\n")]
    return [line for line in lines if line]


def machine(folder, timings):
    found = dict(line.split("=", 1) for line in lines_of(folder / "machine.txt") if "=" in line)
    name, _, rest = found.get("gpu", "").partition(",")
    opened = [line["name"].partition(",")[0] for line in timings if line["kind"] == "device"]
    return {**found, "gpu_name": name.strip() or "".join(opened[-1:]),
            "driver": rest.partition(",")[0].strip()}


# --- Lines of JSON --------------------------------------------------------------------------------


def is_text(value):
    return type(value) is str


def is_number(value):
    return type(value) in (int, float) and 0 <= value < 1e18


def is_positive(value):
    return is_number(value) and value > 0


def is_count(value):
    return type(value) is int and 0 < value < 1e18


def is_flag(value):
    return type(value) is bool


def is_table(value):
    return type(value) is dict


def is_time(value):
    return is_text(value) and time_in(value) == value


FIELDS = {
    **dict.fromkeys(("model", "op", "dtype", "heads", "lengths", "name", "section", "part",
                     "variant", "torch"), is_text),
    **dict.fromkeys(("rows", "out", "in", "tokens", "texts", "batch", "case"), is_count),
    **dict.fromkeys(("seconds", "tflops", "tokens_per_second", "weight_bytes"), is_positive),
    **dict.fromkeys(("gb_per_second", "weight_gb_per_second", "device_bytes", "load_seconds"),
                    is_number),
    **dict.fromkeys(("tried", "failed"), is_table),
    **dict.fromkeys(("began", "ended"), is_time),
    "invariant": is_flag,
}
NAMES = ("kind", "model", "op", "dtype", "rows", "heads", "tokens", "texts", "lengths", "name",
         "section", "part", "case", "invariant", "why")  # the fields that identify a line
REQUIRED = {
    "device": ("name",),
    "linear": ("model", "op", "dtype", "rows", "seconds", "tflops"),
    "attention": ("heads", "dtype", "tokens", "texts", "seconds", "tflops"),
    "rows": ("model", "op", "dtype", "rows", "seconds", "gb_per_second"),
    "model": ("model", "dtype", "lengths", "tokens_per_second"),
    "query": ("model", "dtype", "seconds"),
    "memory": ("model", "dtype", "device_bytes", "load_seconds"),
    "once": ("case", "section"),
    "section": ("section", "began", "ended"),
    "peer": ("torch",),
    "skipped": (),
    "stopped": (),
}


def finite(text):
    value = float(text)
    return value if math.isfinite(value) else None


def json_lines(file):
    """The objects; None for any other line. NaN and numbers too large for a float become None."""
    found = []
    for line in lines_of(file):
        try:
            value = json.loads(line, parse_float=finite, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            value = None
        found.append(value if type(value) is dict else None)
    return found


def is_valid(line):
    kind = line.get("kind")
    return (type(kind) is str and kind in REQUIRED and all(name in line for name in REQUIRED[kind])
            and all(FIELDS[name](value) for name, value in line.items() if name in FIELDS))


def valid_lines(file, damaged):
    lines = json_lines(file)
    valid = [line for line in lines if line is not None and is_valid(line)]
    if len(valid) < len(lines):
        damaged[file.name] = len(lines) - len(valid)
    # If a step ran more than once, the last line of a case counts.
    return list({tuple(str(line.get(name)) for name in NAMES): line for line in valid}.values())


def is_check(line):
    return line is not None and is_text(line.get("name")) and is_flag(line.get("ok"))


# --- Steps ----------------------------------------------------------------------------------------


def step(folder, name, checks):
    found = {"name": name, **outcome(folder, name)}
    if checks:
        found["passed"] = sum(check["ok"] for check in checks)
        found["failed"] = [check["name"] for check in checks if not check["ok"]]
    if found["outcome"] in ("failed", "skipped"):
        found["reason"] = "".join(lines_of(folder / f"{name}.log", LOG_BYTES)[-1:]) or "no output"
    elif found["outcome"] in ("cut", "late", "running"):  # where it stopped
        found["reason"] = " / ".join(lines_of(folder / f"{name}.log", LOG_BYTES)[-2:])
    return found


def outcome(folder, name):
    fields = "".join(lines_of(folder / f"{name}.outcome")[:1]).split("\t")
    if len(fields) > 2 and fields[1] in OUTCOMES:
        seconds = int(fields[2]) if re.fullmatch("[0-9]{1,6}", fields[2]) else None
        return {"outcome": fields[1], "seconds": seconds,
                "began": time_in(fields[3:4]), "ended": time_in(fields[4:5])}
    if (folder / f"{name}.running").exists():
        began = time_in(lines_of(folder / f"{name}.running")[:1])
        elapsed = datetime.now() - datetime.strptime(began, TIME) if began else None
        return {"outcome": "running", "seconds": elapsed and int(elapsed.total_seconds()),
                "began": began, "ended": None}
    return {"outcome": "not run", "seconds": None, "began": None, "ended": None}


def time_in(text):
    """The time that the text begins with, in the format of TIME; None if there is none."""
    try:
        return datetime.strptime("".join(text)[:19], TIME).strftime(TIME)
    except ValueError:
        return None


# --- Clocks ---------------------------------------------------------------------------------------


NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]+)?")


def leading_number(text):
    found = NUMBER.match(text)
    return float(found.group()) if found else None


def clock_samples(file):
    samples = []
    for line in text_of(file).split("\n")[:-1]:  # the text after the last newline is incomplete
        fields = [field.strip() for field in line.split(",")]
        if len(fields) != 7 or not re.match(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", fields[0]):
            continue
        reasons = re.fullmatch("0x([0-9a-fA-F]+)", fields[5])
        samples.append({
            "time": fields[0],
            **{name: leading_number(field)
               for name, field in zip(("sm", "memory", "power", "temperature"), fields[1:5])},
            "reasons": int(reasons.group(1), 16) if reasons else None,
            "utilization": leading_number(fields[6]),
        })
    return samples


# --- Kernels, from ncu --csv --page raw -----------------------------------------------------------


def csv_rows(file):
    """The rows. Other output of ncu and of the program does not begin with a quotation mark."""
    for line in lines_of(file):
        if line.startswith('"'):
            try:
                yield next(csv.reader([line]))
            except (csv.Error, StopIteration):
                pass


def kernels(file):
    """The kernels in launch order, with their numeric metrics and the metrics' units."""
    header, units, found = [], {}, []
    for row in csv_rows(file):
        if "ID" in row and "Kernel Name" in row:
            header, units = row, {}
        elif len(row) == len(header):
            values = dict(zip(header, row))
            if values["ID"].isdecimal():
                found.append(kernel(values, units))
            else:
                units = values
    return found


def kernel(values, units):
    metrics = {}
    for name, value in values.items():
        try:
            figure = finite(value.replace(",", "")) if "__" in name else None
        except ValueError:
            continue
        if figure is not None:
            metrics[name] = (figure, units.get(name, ""))
    return {"name": values["Kernel Name"], "kernel": short_name(values["Kernel Name"]),
            "grid": values.get("Grid Size", ""), "block": values.get("Block Size", ""),
            "metrics": metrics}


def short_name(name):
    """`kernel` for `void space::(anonymous namespace)::kernel<T>(T *)`, also with `<unnamed>`."""
    plain = re.split(r"[<(]", re.sub(r"(\(anonymous namespace\)|<unnamed>)::", "", name))[0]
    return re.split(r"::|\s", plain.strip())[-1] or name
