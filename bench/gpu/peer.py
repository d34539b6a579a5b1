#!/usr/bin/env python3
"""The shapes of gpu_bench with torch, and whole models with transformers: what the CUDA backend is held against.

Needs torch with CUDA; transformers for whole models. Prints a line of JSON per case, with the names that gpu_bench
uses. Weights are random, timed by CUDA events, medians. Products take turns among weights larger than any cache.
Products are torch's alone, without what our own fuse to them (SwiGLU, the residual, scales).

  python3 bench/gpu/peer.py [--sections linear,attention,model] [--seconds 120]

Ends with 77 where there is no torch or no card.
"""

import argparse
import json
import sys
import time

LARGER_THAN_CACHES = 320 << 20
SAMPLES = 7
SAMPLE_SECONDS = 0.01
MODEL_SECONDS = 0.5  # of runs per batch size, or two runs

# hidden, intermediate, layers, query heads, key/value heads, tokens, positions
MODELS = {
    "8B": (4096, 12288, 36, 32, 8, 151665, 40960),
    "0.6B": (1024, 3072, 28, 16, 8, 151669, 32768),
    "4B": (2560, 9728, 36, 32, 8, 151665, 40960),
}
ROWS = (2048, 8192, 1, 16, 64, 512, 256)
LENGTHS = {"8B": (512, 2048, 32768, 0, 32, 128, 8192), "0.6B": (512, 0, 2048, 32, 128, 8192, 32768), "4B": (512, 2048)}
BATCH_TOKENS = {"8B": (8192, 2048), "4B": (8192, 2048), "0.6B": (8192, 32768)}  # tried


def tell(**line):
    print(json.dumps(line), flush=True)


def short(error):
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def median(values):
    return sorted(values)[len(values) // 2]


def seconds_per_run(run, least_runs=1):
    """Median over samples of many runs in a row, by the card's own clock."""
    numbers = iter(range(1 << 30))

    def sample(runs):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(runs):
            run(next(numbers))
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3 / runs

    sample(1)
    runs = max(least_runs, min(2000, int(SAMPLE_SECONDS / max(sample(3), 1e-7)) + 1))
    return median([sample(runs) for _ in range(SAMPLES)])


# --- Products and attention ---------------------------------------------------------------------------------------------


def linear_ops(model):
    hidden, intermediate, _, queries, keys, _, _ = MODELS[model]
    return (
        ("gate_up", 2 * intermediate, hidden),
        ("down", hidden, intermediate),
        ("query", queries * 128, hidden),
        ("attention_out", hidden, queries * 128),
        ("key_value", 2 * keys * 128, hidden),
    )


def time_linear(time_is_left):
    for word in ("bf16", "int8", "f16"):
        dtype = {"bf16": torch.bfloat16, "f16": torch.float16, "int8": torch.int8}[word]
        for model in MODELS:
            for op, out, width in linear_ops(model):
                if not time_is_left():
                    return
                count = max(2, min(64, LARGER_THAN_CACHES // (out * width * dtype.itemsize) + 1))
                weights = [random((out, width), dtype) for _ in range(count)]
                for rows in ROWS:
                    if word == "int8" and rows <= 16:
                        continue  # torch._int_mm takes more than 16 rows only
                    x = random((rows, width), dtype)
                    multiply = torch._int_mm if word == "int8" else torch.matmul
                    try:
                        seconds = seconds_per_run(lambda i: multiply(x, weights[i % count].t()), count)
                    except RuntimeError as error:
                        tell(kind="skipped", model=model, op=op, dtype=word, rows=rows, why=short(error))
                        continue
                    tell(kind="linear", model=model, op=op, dtype=word, rows=rows, seconds=seconds,
                         tflops=2 * rows * out * width / seconds / 1e12)


def random(shape, dtype):
    if dtype == torch.int8:
        return torch.randint(-127, 128, shape, dtype=dtype, device="cuda")
    return torch.randn(shape, device="cuda").to(dtype)


def time_attention(time_is_left):
    for query_heads in (32, 16):
        for tokens in (4096, 512, 32768, 128, 2048, 1024, 8192, 256, 16384):
            if not time_is_left():
                return
            texts = max(1, 8192 // tokens)
            query = random((texts, query_heads, tokens, 128), torch.bfloat16)
            key, value = (random((texts, 8, tokens, 128), torch.bfloat16) for _ in range(2))
            try:
                seconds, how = attention_seconds(query, key, value)
            except RuntimeError as error:
                tell(kind="skipped", op="attention", tokens=tokens, why=short(error))
                continue
            pairs = texts * tokens * (tokens + 1) / 2
            tell(kind="attention", heads=f"{query_heads}/8", dtype="bf16", tokens=tokens, texts=texts, how=how,
                 seconds=seconds, tflops=4 * query_heads * 128 * pairs / seconds / 1e12)


def attention_seconds(query, key, value):
    """The better of grouped heads and of keys and values repeated beforehand, which older versions need."""
    attend = torch.nn.functional.scaled_dot_product_attention
    repeats = query.shape[1] // key.shape[1]
    wide_key, wide_value = (x.repeat_interleave(repeats, dim=1) for x in (key, value))
    ways = [(seconds_per_run(lambda _: attend(query, wide_key, wide_value, is_causal=True)), "repeated heads")]
    try:
        ways.append((seconds_per_run(lambda _: attend(query, key, value, is_causal=True, enable_gqa=True)), "grouped"))
    except (TypeError, RuntimeError):
        pass
    return min(ways)


# --- Whole models -------------------------------------------------------------------------------------------------------


def ragged_lengths(tokens):
    """The lengths of gpu_bench's ragged texts."""
    lengths, state = [], 1
    while sum(lengths) < tokens:
        state = (state * 1664525 + 1013904223) % (1 << 32)
        lengths.append(16 + (state >> 8) % 1024)
    return lengths


def batches_of(lengths, tokens):
    """Texts of about the same length together, padded to the longest."""
    batches = []
    for length in sorted(lengths, reverse=True):
        if not batches or (len(batches[-1]) + 1) * batches[-1][0] > max(tokens, batches[-1][0]):
            batches.append([])
        batches[-1].append(length)
    return batches


def build(name):
    from transformers import Qwen3Config, Qwen3Model

    hidden, intermediate, layers, queries, keys, vocabulary, positions = MODELS[name]
    config = Qwen3Config(
        hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers, num_attention_heads=queries,
        num_key_value_heads=keys, head_dim=128, vocab_size=vocabulary, max_position_embeddings=positions,
        rope_theta=1e6, rms_norm_eps=1e-6, use_cache=False,
    )
    config._attn_implementation = "sdpa"
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda"):
            return Qwen3Model(config).eval()
    finally:
        torch.set_default_dtype(before)


def embed(model, batches):
    """Last hidden states of the last tokens, as unit vectors on the host. Padding is on the left."""
    vectors = []
    for ids, mask in batches:
        hidden = model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state[:, -1]
        vectors.append(torch.nn.functional.normalize(hidden.float(), dim=-1))
    return [vector.cpu() for vector in vectors]


def inputs_of(lengths):
    longest = max(lengths)
    ids = torch.randint(0, 151000, (len(lengths), longest), device="cuda")
    if min(lengths) == longest:
        return ids, None
    starts = torch.tensor([longest - length for length in lengths], device="cuda")
    return ids, (torch.arange(longest, device="cuda")[None, :] >= starts[:, None]).long()


def host_seconds(run, least=2, budget=MODEL_SECONDS):
    run()
    torch.cuda.synchronize()
    begin, samples = time.perf_counter(), []
    while len(samples) < least or time.perf_counter() - begin < budget:
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        samples.append(time.perf_counter() - start)
    return median(samples)


def time_models(time_is_left):
    with torch.inference_mode():
        for name, lengths in LENGTHS.items():
            if not time_is_left():
                return
            torch.cuda.empty_cache()
            try:
                model = build(name)
            except Exception as error:  # no transformers, or another version; too little memory
                tell(kind="skipped", model=name, dtype="bf16", why=short(error))
                continue
            query = [inputs_of([32])]
            tell(kind="query", model=name, dtype="bf16", tokens=32,
                 seconds=host_seconds(lambda: embed(model, query), least=20, budget=0.5))
            for length in lengths:
                if not time_is_left():
                    return
                time_texts(model, name, length)
            del model


def time_texts(model, name, length):
    results, failures = [], []
    for tokens in BATCH_TOKENS[name]:
        if length >= tokens and results:
            continue
        texts = ragged_lengths(4 * 8192) if length == 0 else [length] * max(1, tokens // length)
        lists = batches_of(texts, tokens)
        try:
            batches = [inputs_of(lengths) for lengths in lists]
            results.append((sum(texts) / host_seconds(lambda: embed(model, batches)), max(map(len, lists)), tokens))
        except RuntimeError as error:  # out of memory: smaller batches may do
            failures.append(short(error))
            torch.cuda.empty_cache()
    word = str(length) if length else "ragged"
    if not results:
        tell(kind="skipped", model=name, dtype="bf16", lengths=word, why="; ".join(failures))
        return
    best, texts, _ = max(results)
    tell(kind="model", model=name, dtype="bf16", lengths=word, tokens_per_second=best, batch=texts,
         tried={f"{count} texts": round(rate) for rate, count, _ in results})


def main():
    sections = {"linear": time_linear, "attention": time_attention, "model": time_models}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", default=",".join(sections))
    parser.add_argument("--seconds", type=float, default=120, help="no case begins later")
    options = parser.parse_args()
    global torch
    try:
        import torch
    except ImportError as error:
        print(error, file=sys.stderr)
        return 77
    if not torch.cuda.is_available():
        print("torch finds no CUDA device", file=sys.stderr)
        return 77
    begin = time.monotonic()
    tell(kind="peer", torch=torch.__version__, cuda=torch.version.cuda, card=torch.cuda.get_device_name())
    for section in options.sections.split(","):
        sections[section](lambda: time.monotonic() - begin < options.seconds)
    if time.monotonic() - begin >= options.seconds:
        tell(kind="stopped", seconds=options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
