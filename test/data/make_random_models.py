"""Makes random models and their reference outputs with Hugging Face transformers.

    python3 -m venv build/venv
    build/venv/bin/pip install numpy==2.4.6 torch==2.13.0 transformers==5.23.0
    build/venv/bin/python test/data/make_random_models.py

Writes random-models/NAME and NAME.json for the models of `MODELS`, and prints the error of
transformers' own bf16 and f16, from which the limits in test/support/gates.json come. Takes a
minute. The weights of the other models in random-models/ have the same distributions.
"""

import json
import pathlib

import numpy as np
import torch
import transformers

FOLDER = pathlib.Path(__file__).parent / "random-models"
LENGTHS = [1, 2, 3, 16, 17, 31, 64, 65, 66, 127, 129, 257]

# `residual` scales the projections whose results are added to the residual. With 1 a model is much
# more sensitive to rounding than trained ones, with 1 / sqrt(2 * layers), as GPT-2 is initialized,
# a little more.
MODELS = {
    "layers6-bf16": dict(
        seed=6, residual=1, hidden_size=128, intermediate_size=320,
        num_hidden_layers=6, num_attention_heads=2, num_key_value_heads=1, vocab_size=300,
    ),
    "layers28-bf16": dict(
        seed=28, residual=56**-0.5, hidden_size=64, intermediate_size=128,
        num_hidden_layers=28, num_attention_heads=2, num_key_value_heads=1, vocab_size=300,
    ),
}


def make(name, seed, residual, **shape):
    """Writes a checkpoint with normally distributed weights, rounded to bf16."""
    config = transformers.Qwen3Config(
        head_dim=128, max_position_embeddings=32_768,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6}, tie_word_embeddings=True,
        dtype="bfloat16", **shape,
    )
    model = transformers.Qwen3Model(config)
    generator = torch.Generator().manual_seed(seed)
    for tensor_name, values in model.named_parameters():
        normal = torch.randn(values.shape, generator=generator)
        if tensor_name.startswith("embed_tokens"):
            values.data = normal
        elif tensor_name.endswith(("q_norm.weight", "k_norm.weight")):
            values.data = 1.6 + 0.4 * normal  # attention to few tokens
        elif values.dim() == 1:
            values.data = 1 + 0.2 * normal
        else:
            adds = tensor_name.endswith(("o_proj.weight", "down_proj.weight"))
            scale = 1.2 * (residual if adds else 1)
            values.data = normal * scale / values.shape[1] ** 0.5
    model.to(torch.bfloat16).save_pretrained(FOLDER / name)


def token_ids(seed, length, tokens):
    """The generator of README.md, with lcg_low 0."""
    ids = []
    for _ in range(length):
        seed = (seed * 1_664_525 + 1_013_904_223) % 2**32
        ids.append((seed >> 8) % tokens)
    return ids


def embeddings(name, dtype):
    """The normalized last hidden state of each length, computed in `dtype`."""
    model = transformers.AutoModel.from_pretrained(FOLDER / name, dtype=dtype).eval()
    outputs = []
    with torch.no_grad():
        for length in LENGTHS:
            ids = torch.tensor([token_ids(length, length, model.config.vocab_size)])
            last = model(ids).last_hidden_state[0, -1].to(torch.float64)
            outputs.append((last / last.norm()).numpy())
    return outputs


def main():
    for name, settings in MODELS.items():
        make(name, **settings)
        references = embeddings(name, torch.float64)
        cases = [
            dict(length=length, lcg_seed=length, lcg_low=0,
                 embedding=[float(f"{value:.12g}") for value in reference])
            for length, reference in zip(LENGTHS, references)
        ]
        (FOLDER / f"{name}.json").write_text(json.dumps(dict(model=name, cases=cases)) + "\n")
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            errors = [1 - a @ b / np.linalg.norm(b)
                      for a, b in zip(references, embeddings(name, dtype))]
            worst, mean = max(errors), np.mean(errors)
            print(f"{name} in {dtype}: 1-cos is at most {worst:.1e}, its mean {mean:.1e}")


if __name__ == "__main__":
    main()
