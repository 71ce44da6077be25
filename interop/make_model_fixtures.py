"""Small random models with the numbers PyTorch and transformers compute for them, for packages/policy/test/fixtures.

    python3 -m venv interop/.venv && interop/.venv/bin/pip install -r interop/requirements.txt
    interop/.venv/bin/python interop/make_model_fixtures.py

Each directory gets config.json, model.safetensors and numbers.json:
{tokens, logits, loss, gradients, tolerance} as `tapo verify model` reads it, and {greedy: {prompt, tokens}}.
"""

import json
import pathlib
import shutil
import sys

import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

OUTPUT = pathlib.Path(__file__).parent.parent / "packages" / "policy" / "test" / "fixtures"
COMMON = dict(vocab_size=61, intermediate_size=40, num_hidden_layers=2, max_position_embeddings=256)
LLAMA3 = dict(
    rope_type="llama3",
    rope_theta=500.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=64,  # short, so that all three regimes of the scaling occur
)

MODELS = {
    "qwen2-gqa-tied": lambda: Qwen2ForCausalLM(
        Qwen2Config(**COMMON, hidden_size=32, num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True)
    ),
    "qwen2-untied": lambda: Qwen2ForCausalLM(
        Qwen2Config(
            **COMMON, hidden_size=36, num_attention_heads=6, num_key_value_heads=1, tie_word_embeddings=False,
            rope_parameters=dict(rope_type="default", rope_theta=1e6),
        )
    ),
    "llama-tied": lambda: LlamaForCausalLM(
        LlamaConfig(
            **COMMON, hidden_size=36, num_attention_heads=9, num_key_value_heads=3, tie_word_embeddings=True,
            rms_norm_eps=1e-5, rope_parameters=dict(rope_type="default", rope_theta=1e5),
        )
    ),
    "llama3-scaled-biases": lambda: LlamaForCausalLM(
        LlamaConfig(
            **COMMON, hidden_size=32, num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=False,
            attention_bias=True, mlp_bias=True, rope_parameters=LLAMA3,
        )
    ),
    "qwen3-tied": lambda: Qwen3ForCausalLM(
        Qwen3Config(
            **COMMON, hidden_size=24, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
            tie_word_embeddings=True,
        )
    ),
    "qwen3-untied-linear": lambda: Qwen3ForCausalLM(
        Qwen3Config(
            **COMMON, hidden_size=32, num_attention_heads=4, num_key_value_heads=4, head_dim=8,
            tie_word_embeddings=False, rope_parameters=dict(rope_type="linear", rope_theta=1e4, factor=4.0),
        )
    ),
}  # fmt: skip


def randomize(model, seed):
    """Weights far from their initial values, so that every part of the model matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("norm.weight"):
                parameter.copy_(1 + 0.2 * noise)
            elif parameter.dim() == 1:
                parameter.copy_(0.3 * noise)
            elif "embed_tokens" in name or "lm_head" in name:
                parameter.copy_(0.4 * noise)
            else:
                parameter.copy_(noise * 1.2 / parameter.shape[1] ** 0.5)


def greedy(model, prompt, count):
    """`count` tokens by arg max over the whole prefix each time, and the smallest margin to the runner-up."""
    tokens, margin = list(prompt), float("inf")
    with torch.no_grad():
        for _ in range(count):
            best = model(torch.tensor([tokens])).logits[0, -1].topk(2)
            margin = min(margin, (best.values[0] - best.values[1]).item())
            tokens.append(best.indices[0].item())
    return tokens[len(prompt) :], margin


def rounded(tensor):
    """float32 numbers with the 9 digits that identify them."""
    return [float(f"{value:.9g}") for value in tensor.detach().flatten().tolist()]


def make(name, build):
    for seed in range(100):
        torch.manual_seed(seed)
        model = build().to(torch.float32).eval()
        model.set_attn_implementation("eager")
        randomize(model, seed)
        prompt = torch.randint(0, 61, (5,)).tolist()
        continuation, margin = greedy(model, prompt, 64)
        if margin > 2e-3 and len(set(continuation[-20:])) > 3:
            break
    else:
        sys.exit(f"{name}: no seed decodes 64 tokens without a near tie")
    tokens = torch.randint(0, 61, (2, 13))
    logits = model(tokens).logits
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    loss.backward()
    gradients = {
        key: dict(shape=list(p.shape), norm=p.grad.norm().item(), values=rounded(p.grad.flatten()[:64]))
        for key, p in model.named_parameters()
    }
    directory = OUTPUT / name
    shutil.rmtree(directory, ignore_errors=True)
    model.save_pretrained(directory)
    (directory / "generation_config.json").unlink(missing_ok=True)
    flat = rounded(logits)
    rows = [[flat[(b * 13 + t) * 61 : (b * 13 + t + 1) * 61] for t in range(13)] for b in range(2)]
    numbers = dict(
        tokens=tokens.tolist(), logits=rows, loss=loss.item(), gradients=gradients,
        tolerance=dict(logits=1e-4, gradients=1e-3), greedy=dict(prompt=prompt, tokens=continuation),
    )  # fmt: skip
    (directory / "numbers.json").write_text(json.dumps(numbers, separators=(",", ":")))
    size = sum(file.stat().st_size for file in directory.iterdir())
    print(f"{name}: seed {seed}, loss {loss.item():.4f}, smallest greedy margin {margin:.4f}, {size / 1024:.0f} KiB")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name, build in MODELS.items():
        make(name, build)
