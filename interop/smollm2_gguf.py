"""Called by smollm2-gguf.ts: FILE PROMPTS → token ids of each prompt and the logits of its next token."""

import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

path, prompts = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
torch.set_num_threads(2)
tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
tokens = [tokenizer.encode(prompt, add_special_tokens=False) for prompt in prompts]
with torch.no_grad():
    logits = [model(torch.tensor([ids])).logits[0, -1].tolist() for ids in tokens]
print(json.dumps({"tokens": tokens, "logits": logits}))
