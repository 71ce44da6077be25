"""Called by random-models.ts: COUNT SEED OUTPUT → models of random configurations, with golden numbers for `verifyModel`, in OUTPUT/0 …"""

import json
import pathlib
import random
import sys

import torch
from make_model_fixtures import randomize, rounded
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM


def random_model(choose):
    kind = choose.choice(["qwen2", "llama", "qwen3"])
    kv_heads = choose.randint(1, 4)
    heads = kv_heads * choose.randint(1, 4)
    head_dim = 2 * choose.randint(1, 12)
    hidden = heads * head_dim if kind != "qwen3" or choose.random() < 0.3 else 4 * choose.randint(3, 16)
    theta = choose.choice([100.0, 1e4, 5e5, 1e6])
    rope = dict(rope_type="default", rope_theta=theta)
    if choose.random() < 0.5:
        rope = choose.choice([
            dict(rope_type="linear", rope_theta=theta, factor=choose.uniform(1, 8)),
            dict(
                rope_type="llama3", rope_theta=theta, factor=choose.uniform(2, 32), low_freq_factor=1.0,
                high_freq_factor=choose.choice([2.0, 4.0]), original_max_position_embeddings=choose.choice([16, 64, 8192]),
            ),
        ])  # fmt: skip
    common = dict(
        vocab_size=choose.randint(7, 300), hidden_size=hidden, intermediate_size=choose.randint(5, 90),
        num_hidden_layers=choose.randint(1, 4), num_attention_heads=heads, num_key_value_heads=kv_heads,
        max_position_embeddings=choose.choice([64, 512]), tie_word_embeddings=choose.random() < 0.5,
        rms_norm_eps=choose.choice([1e-5, 1e-6]), rope_parameters=rope,
    )  # fmt: skip
    if kind == "qwen2":
        return Qwen2ForCausalLM(Qwen2Config(**common))
    biases = dict(attention_bias=choose.random() < 0.5)
    if kind == "qwen3":
        return Qwen3ForCausalLM(Qwen3Config(**common, **biases, head_dim=head_dim))
    return LlamaForCausalLM(LlamaConfig(**common, **biases, mlp_bias=choose.random() < 0.5, head_dim=head_dim))


def as_transformers_4(path):
    """config.json as transformers 4 wrote it: rope_theta and rope_scaling."""
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    config["torch_dtype"] = config.pop("dtype")
    path.write_text(json.dumps(config))


count, seed, output = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
torch.set_num_threads(1)
choose = random.Random(seed)
for i in range(count):
    torch.manual_seed(seed + i)
    model = random_model(choose).to(torch.float32).eval()
    model.set_attn_implementation("eager")
    randomize(model, seed + i)
    tokens = torch.randint(0, model.config.vocab_size, (choose.randint(1, 3), choose.randint(2, 40)))
    logits = model(tokens).logits
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    loss.backward()
    gradients = {
        name: dict(shape=list(p.shape), norm=p.grad.norm().item(), values=rounded(p.grad.flatten()[:64]))
        for name, p in model.named_parameters()
    }
    directory = output / str(i)
    model.save_pretrained(directory)
    if i % 2:
        as_transformers_4(directory / "config.json")
    golden = dict(
        tokens=tokens.tolist(), logits=logits.tolist(), loss=loss.item(), gradients=gradients,
        tolerance=dict(logits=1e-4, gradients=1e-3),
    )  # fmt: skip
    (directory / "numbers.json").write_text(json.dumps(golden))
print(json.dumps(count))
