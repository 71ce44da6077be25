"""Called by hub-cache.ts: CACHE → where huggingface_hub finds org/tiny in it, and how many parameters transformers loads from there."""

import json
import sys

from huggingface_hub import snapshot_download
from transformers import AutoModelForCausalLM

snapshot = snapshot_download("org/tiny", cache_dir=sys.argv[1], local_files_only=True)
model = AutoModelForCausalLM.from_pretrained("org/tiny", cache_dir=sys.argv[1], local_files_only=True)
print(json.dumps({"snapshot": snapshot, "parameters": model.num_parameters()}))
