"""Called by lora-parity.ts: BASE ADAPTER MERGED OUTPUT TOKENS → logits with our adapter, of our merged model, and of an adapter PEFT made (in OUTPUT)."""

import json
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM


def load(directory):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()


def logits(model, tokens):
    with torch.no_grad():
        return model(tokens).logits.flatten().tolist()


base, adapter, merged, output, tokens = sys.argv[1:]
tokens = torch.tensor(json.loads(tokens))
result = {
    "adapter": logits(PeftModel.from_pretrained(load(base), adapter), tokens),
    "merged": logits(load(merged), tokens),
}
torch.manual_seed(0)
created = get_peft_model(load(base), LoraConfig(r=3, lora_alpha=6, target_modules="all-linear", use_rslora=True))
with torch.no_grad():
    for name, parameter in created.named_parameters():
        if "lora_B" in name:
            parameter.copy_(0.2 * torch.randn(parameter.shape))
created.save_pretrained(output)
result["created"] = logits(created.eval(), tokens)
print(json.dumps(result))
