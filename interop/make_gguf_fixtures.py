"""packages/policy/test/fixtures/gguf: what the gguf package dequantises, and a small file of its writer.

    interop/.venv/bin/python interop/make_gguf_fixtures.py

dequantize.json: {format: {bytes: base64 of 3 blocks, values: float32 numbers}}
tiny-llama.gguf: the weights of fixtures/llama3-scaled-biases as llama.cpp's converter stores them (query and key rows
interleaved; MLP and output weights as Q8_0, the others as F32), with Llama 3.1's RoPE factors and a small tokenizer.
"""

import base64
import json
import math
import pathlib

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, quants
from gguf.constants import GGML_QUANT_SIZES
from safetensors.numpy import load_file

FIXTURES = pathlib.Path(__file__).parent.parent / "packages" / "policy" / "test" / "fixtures"
OUTPUT = FIXTURES / "gguf"
# float16 fields of a block: random bits there could be infinite
SCALES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}  # fmt: skip


def dequantize_fixture():
    random = np.random.default_rng(0)
    result = {}
    for name, offsets in SCALES.items():
        kind = GGMLQuantizationType[name]
        _, size = GGML_QUANT_SIZES[kind]
        blocks = random.integers(0, 256, (3, size), dtype=np.uint8)
        for offset in offsets:
            blocks[:, offset : offset + 2] = random.normal(0, 1, (3, 1)).astype(np.float16).view(np.uint8)
        values = quants.dequantize(blocks, kind).astype(np.float32).flatten()
        result[name] = {
            "bytes": base64.b64encode(blocks.tobytes()).decode(),
            "values": [float(f"{value:.9g}") for value in values],
        }
    (OUTPUT / "dequantize.json").write_text(json.dumps(result, separators=(",", ":")))


def interleave(weights, heads):
    """convert_hf_to_gguf.py's permutation of query and key rows."""
    return weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


def rope_factors(dim, theta, factor=8.0, low=1.0, high=4.0, context=8192):
    factors = []
    for i in range(0, dim, 2):
        wavelength = 2 * math.pi * theta ** (i / dim)
        if wavelength < context / high:
            factors.append(1.0)
        elif wavelength > context / low:
            factors.append(factor)
        else:
            smooth = (context / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, dtype=np.float32)


def tiny_llama():
    weights = load_file(FIXTURES / "llama3-scaled-biases" / "model.safetensors")
    writer = GGUFWriter(OUTPUT / "tiny-llama.gguf", "llama")
    writer.add_context_length(256)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(40)
    writer.add_block_count(2)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(16)
    writer.add_rope_freq_base(500000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?ABCDEFGHIJKLĠĊ"
    tokens = ["<|end|>", "<|user|>", *letters, "Ġa", "th", "the"]
    tokens += [f"<unused{i}>" for i in range(61 - len(tokens))]
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, *[1] * (len(tokens) - 2)])
    writer.add_token_merges(["Ġ a", "t h", "th e"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(0)
    writer.add_chat_template("{% for m in messages %}<|user|>{{ m.content }}<|end|>{% endfor %}")
    names = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    }  # fmt: skip
    writer.add_tensor("rope_freqs.weight", rope_factors(16, 500000.0))
    for name, tensor in weights.items():
        target = name.replace("model.embed_tokens", "token_embd").replace("model.norm", "output_norm")
        target = target.replace("lm_head", "output").replace("model.layers", "blk")
        for theirs, ours in names.items():
            target = target.replace(theirs, ours)
        if "attn_q." in target or "attn_k." in target:
            tensor = interleave(tensor, 2 if "attn_q" in target else 1)
        if target.split(".")[-2] in ("ffn_gate", "ffn_up", "output"):
            if target.endswith("weight"):
                kind = GGMLQuantizationType.Q8_0
                writer.add_tensor(target, quants.quantize(tensor, kind), raw_dtype=kind)
                continue
        writer.add_tensor(target, np.ascontiguousarray(tensor, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    OUTPUT.mkdir(exist_ok=True)
    dequantize_fixture()
    tiny_llama()
    for file in OUTPUT.iterdir():
        print(f"{file.name}: {file.stat().st_size / 1024:.0f} KiB")
