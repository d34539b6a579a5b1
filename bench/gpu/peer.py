#!/usr/bin/env python3
"""Times the shapes of gpu_bench with torch, and models with transformers, for comparison.

Needs torch with CUDA, and transformers for models. Prints one line of JSON per case, with the
names that gpu_bench uses. Weights are random; times are medians, by CUDA events. Products take
turns among weights that together exceed any cache. They are plain products, without the operations
that the backend's kernels fuse with them (SwiGLU, the residual, scales).

  python3 bench/gpu/peer.py [--sections linear,attention,model] [--seconds N | linear=N,model=N]
                            [--toy]

--seconds limits the time of each section: no case begins after it. A number alone applies to every
section. --toy runs every section on the CPU at tiny sizes and adds "toy": true to every line.

Exits with 77 if torch or a GPU is missing, with 1 if a section failed as a whole.
"""

import argparse
import json
import sys
import time

LARGER_THAN_CACHES = 320 << 20
SAMPLES = 7
SAMPLE_SECONDS = 0.01
MODEL_SECONDS = 0.5  # of runs per batch size, at least two runs
HEAD_DIM = 128
SECONDS = {"linear": 60, "attention": 30, "model": 90}


class Gpu:
    toy = False
    device = "cuda"
    batch_tokens = 8192
    least_weight_bytes = LARGER_THAN_CACHES

    # hidden, intermediate, layers, query heads, key/value heads, tokens, positions
    models = {
        "8B": (4096, 12288, 36, 32, 8, 151665, 40960),
        "0.6B": (1024, 3072, 28, 16, 8, 151669, 32768),
        "4B": (2560, 9728, 36, 32, 8, 151665, 40960),
    }
    # (precision, models, rows). Here and below, cases that have a target come first.
    products = (
        ("bf16", ("8B",), (8192, 2048)),
        ("int8", ("8B",), (8192, 2048)),
        ("bf16", ("0.6B", "4B"), (8192, 2048)),
        ("bf16", ("8B", "0.6B", "4B"), (1, 16, 64, 512, 256)),
        ("int8", ("0.6B", "4B"), (8192, 2048)),
        ("int8", ("8B", "0.6B", "4B"), (64, 512, 256)),  # torch._int_mm needs >= 17 rows
        ("f16", ("8B", "0.6B", "4B"), (8192, 2048, 1, 16, 64, 512, 256)),
    )
    heads = ((32, 8), (16, 8))
    attended = (2048, 4096, 32768, 512, 128, 1024, 8192, 256, 16384)
    # Tokens per text; 0: ragged lengths.
    lengths = {
        "8B": (512, 2048, 32768, 0, 32, 128, 8192),
        "0.6B": (512, 0, 2048, 32, 128, 8192, 32768),
        "4B": (512, 2048),
    }
    tried_batches = {"8B": (8192, 2048), "4B": (8192, 2048), "0.6B": (8192, 32768)}  # tokens
    query_tokens = 32


class Toy:
    toy = True
    device = "cpu"
    batch_tokens = 80
    least_weight_bytes = 0
    models = {"toy": (128, 192, 2, 2, 1, 64, 128)}
    products = (("bf16", ("toy",), (33, 1)), ("int8", ("toy",), (33,)), ("f16", ("toy",), (33,)))
    heads = ((2, 1),)
    attended = (70, 30)
    lengths = {"toy": (70, 0)}
    tried_batches = {"toy": (80, 160)}
    query_tokens = 3


sizes = Gpu


def emit(**line):
    print(json.dumps({**line, "toy": True} if sizes.toy else line), flush=True)


def short(error):
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def median(values):
    return sorted(values)[len(values) // 2]


def random(shape, dtype):
    if dtype == torch.int8:
        return torch.randint(-127, 128, shape, dtype=dtype, device=sizes.device)
    return torch.randn(shape, device=sizes.device).to(dtype)


def synchronize():
    if sizes.device == "cuda":
        torch.cuda.synchronize()


def empty_cache():
    if sizes.device == "cuda":
        torch.cuda.empty_cache()


def seconds_of_runs(run, runs):
    """Seconds per run of consecutive runs, by CUDA events if there is a GPU."""
    if sizes.toy:
        begin = time.perf_counter()
        for i in range(runs):
            run(i)
        return (time.perf_counter() - begin) / runs
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for i in range(runs):
        run(i)
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3 / runs


def seconds_per_run(run, least_runs=1):
    seconds_of_runs(run, 1)
    if sizes.toy:
        return seconds_of_runs(run, 2)
    warm = max(seconds_of_runs(run, 3), 1e-7)
    runs = max(least_runs, min(2000, int(SAMPLE_SECONDS / warm) + 1))
    return median([seconds_of_runs(run, runs) for _ in range(SAMPLES)])


# --- Products -------------------------------------------------------------------------------------


def linear_ops(model):
    hidden, intermediate, _, queries, keys, _, _ = sizes.models[model]
    return (
        ("gate_up", 2 * intermediate, hidden),
        ("down", hidden, intermediate),
        ("query", queries * HEAD_DIM, hidden),
        ("attention_out", hidden, queries * HEAD_DIM),
        ("key_value", 2 * keys * HEAD_DIM, hidden),
    )


def time_linear(time_is_left):
    for dtype, models, row_counts in sizes.products:
        for model in models:
            for op, out, width in linear_ops(model):
                if not time_is_left():
                    return
                time_products(time_is_left, dtype, model, op, out, width, row_counts)


def time_products(time_is_left, word, model, op, out, width, row_counts):
    dtype = {"bf16": torch.bfloat16, "f16": torch.float16, "int8": torch.int8}[word]
    multiply = torch._int_mm if word == "int8" else torch.matmul
    count = max(2, min(64, sizes.least_weight_bytes // (out * width * dtype.itemsize) + 1))
    weights = [random((out, width), dtype) for _ in range(count)]
    for rows in row_counts:
        if not time_is_left():
            return
        names = {"model": model, "op": op, "dtype": word, "rows": rows}
        x = random((rows, width), dtype)
        try:
            seconds = seconds_per_run(lambda i: multiply(x, weights[i % count].t()), count)
        except RuntimeError as error:
            emit(kind="skipped", section="linear", **names, why=short(error))
            continue
        emit(kind="linear", **names, seconds=seconds,
             tflops=2 * rows * out * width / seconds / 1e12)


# --- Attention ------------------------------------------------------------------------------------


def time_attention(time_is_left):
    for query_heads, heads in sizes.heads:
        for tokens in sizes.attended:
            if not time_is_left():
                return
            time_heads(query_heads, heads, tokens)


def time_heads(query_heads, heads, tokens):
    texts = max(1, sizes.batch_tokens // tokens)
    query = random((texts, query_heads, tokens, HEAD_DIM), torch.bfloat16)
    key, value = (random((texts, heads, tokens, HEAD_DIM), torch.bfloat16) for _ in range(2))
    names = {"heads": f"{query_heads}/{heads}", "dtype": "bf16", "tokens": tokens, "texts": texts}
    tried, failed = attention_seconds(query, key, value)
    if not tried:
        emit(kind="skipped", section="attention", **names, why="no variant works", failed=failed)
        return
    variant = min(tried, key=tried.get)
    pairs = texts * tokens * (tokens + 1) / 2
    emit(kind="attention", **names, seconds=tried[variant],
         tflops=4 * query_heads * HEAD_DIM * pairs / tried[variant] / 1e12,
         variant=variant, tried=tried, failed=failed)


def attention_seconds(query, key, value):
    """Seconds of each variant that works, and the errors of those that do not.

    The variants are backends of torch, each with grouped heads and with keys and values repeated
    beforehand for every query head.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel

    attend = torch.nn.functional.scaled_dot_product_attention
    repeats = query.shape[1] // key.shape[1]
    wide_key, wide_value = (x.repeat_interleave(repeats, dim=1) for x in (key, value))
    heads = {
        "grouped": lambda _: attend(query, key, value, is_causal=True, enable_gqa=True),
        "repeated": lambda _: attend(query, wide_key, wide_value, is_causal=True),
    }
    backends = {"flash": "FLASH_ATTENTION", "cudnn": "CUDNN_ATTENTION",
                "efficient": "EFFICIENT_ATTENTION"}
    tried, failed = {}, {}
    for backend, constant in backends.items():
        for how, run in heads.items():
            try:
                with torch.inference_mode(), sdpa_kernel(getattr(SDPBackend, constant)):
                    tried[f"{backend}, {how}"] = seconds_per_run(run)
            except (AttributeError, TypeError, RuntimeError) as error:
                failed[f"{backend}, {how}"] = short(error)
    return tried, failed


# --- Whole models ---------------------------------------------------------------------------------


def ragged_lengths(tokens):
    """The lengths of gpu_bench's ragged texts."""
    lengths, state = [], 1
    while sum(lengths) < tokens:
        state = (state * 1664525 + 1013904223) % (1 << 32)
        lengths.append(16 + (state >> 8) % 1024)
    return lengths


def batches_of(lengths, tokens):
    """Batches of texts of similar length, of about `tokens` tokens when padded to the longest."""
    batches = []
    for length in sorted(lengths, reverse=True):
        if not batches or (len(batches[-1]) + 1) * batches[-1][0] > max(tokens, batches[-1][0]):
            batches.append([])
        batches[-1].append(length)
    return batches


def build(name):
    from transformers import Qwen3Config, Qwen3Model

    hidden, intermediate, layers, queries, keys, vocabulary, positions = sizes.models[name]
    config = Qwen3Config(
        hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers,
        num_attention_heads=queries, num_key_value_heads=keys, head_dim=HEAD_DIM,
        vocab_size=vocabulary, max_position_embeddings=positions, rope_theta=1e6,
        rms_norm_eps=1e-6, use_cache=False,
    )
    config._attn_implementation = "sdpa"
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(sizes.device):
            return Qwen3Model(config).eval()
    finally:
        torch.set_default_dtype(before)


def embed(model, batches):
    """Final hidden states of last tokens, as unit vectors on the host. Padding is on the left."""
    vectors = []
    for ids, mask in batches:
        states = model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        vectors.append(torch.nn.functional.normalize(states[:, -1].float(), dim=-1))
    return [vector.cpu() for vector in vectors]


def inputs_of(name, lengths):
    longest, vocabulary = max(lengths), sizes.models[name][5]
    ids = torch.randint(0, vocabulary, (len(lengths), longest), device=sizes.device)
    if min(lengths) == longest:
        return ids, None
    starts = torch.tensor([longest - length for length in lengths], device=sizes.device)
    return ids, (torch.arange(longest, device=sizes.device)[None, :] >= starts[:, None]).long()


def host_seconds(run, least=2, budget=MODEL_SECONDS):
    run()
    synchronize()
    begin, samples = time.perf_counter(), []
    while len(samples) < least or (time.perf_counter() - begin < budget and not sizes.toy):
        start = time.perf_counter()
        run()
        synchronize()
        samples.append(time.perf_counter() - start)
    return median(samples)


def time_models(time_is_left):
    for name in sizes.lengths:
        if not time_is_left():
            return
        empty_cache()
        try:
            with torch.inference_mode():
                time_model(name, time_is_left)
        except Exception as error:  # no transformers or an unknown version; too little memory
            emit(kind="skipped", section="model", model=name, dtype="bf16", why=short(error))


def time_model(name, time_is_left):
    model = build(name)
    query = [inputs_of(name, [sizes.query_tokens])]
    emit(kind="query", model=name, dtype="bf16", tokens=sizes.query_tokens,
         seconds=host_seconds(lambda: embed(model, query), least=20))
    for length in sizes.lengths[name]:
        if not time_is_left():
            return
        time_texts(model, name, length)


def time_texts(model, name, length):
    results, failures = [], []
    for tokens in sizes.tried_batches[name]:
        if length >= tokens and results:
            continue
        if length:
            texts = [length] * max(1, tokens // length)
        else:
            texts = ragged_lengths(4 * sizes.batch_tokens)
        lists = batches_of(texts, tokens)
        try:
            batches = [inputs_of(name, lengths) for lengths in lists]
            seconds = host_seconds(lambda: embed(model, batches))
            results.append((sum(texts) / seconds, max(map(len, lists))))
        except RuntimeError as error:  # out of memory: smaller batches may fit
            failures.append(short(error))
            empty_cache()
    names = {"model": name, "dtype": "bf16", "lengths": str(length) if length else "ragged"}
    if not results:
        emit(kind="skipped", section="model", **names, why="; ".join(failures))
        return
    best, texts = max(results)
    emit(kind="model", **names, tokens_per_second=best, batch=texts,
         tried={f"{count} texts": round(rate) for rate, count in results})


# --- The command ----------------------------------------------------------------------------------

RUN = {"linear": time_linear, "attention": time_attention, "model": time_models}


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", type=section_list, default=list(RUN))
    parser.add_argument("--seconds", type=time_limits, default=SECONDS)
    parser.add_argument("--toy", action="store_true")
    return parser.parse_args(arguments)


def known_section(name):
    if name not in RUN:
        raise argparse.ArgumentTypeError(f"unknown section '{name}'; sections are {', '.join(RUN)}")
    return name


def section_list(text):
    return [known_section(name) for name in text.split(",")]


def time_limits(text):
    """Time limits of all sections. Sections that are not named keep their defaults."""
    if "=" not in text:
        return {name: positive(text) for name in RUN}
    limits = dict(SECONDS)
    for part in text.split(","):
        name, _, seconds = part.partition("=")
        limits[known_section(name)] = positive(seconds)
    return limits


def positive(text):
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive number of seconds")
    return value


def run_section(name, seconds):
    """Runs a section. Returns False if it failed as a whole."""
    begin, stopped = time.monotonic(), False

    def time_is_left():
        nonlocal stopped
        stopped = time.monotonic() - begin >= seconds
        return not stopped

    try:
        RUN[name](time_is_left)
    except Exception as error:
        emit(kind="skipped", section=name, why=f"{type(error).__name__}: {short(error)}")
        return False
    if stopped:
        emit(kind="stopped", section=name, seconds=seconds)
    return True


def main():
    options = parse(sys.argv[1:])
    global sizes, torch
    try:
        import torch
    except ImportError as error:
        print(f"cannot import torch: {error}", file=sys.stderr)
        return 77
    if options.toy:
        sizes = Toy
    elif not torch.cuda.is_available():
        print("torch finds no CUDA device", file=sys.stderr)
        return 77
    gpu = "none" if options.toy else torch.cuda.get_device_name()
    emit(kind="peer", torch=torch.__version__, cuda=torch.version.cuda, gpu=gpu)
    succeeded = []
    for name in options.sections:
        succeeded.append(run_section(name, options.seconds[name]))
        empty_cache()
    return 0 if all(succeeded) else 1


if __name__ == "__main__":
    sys.exit(main())
