"""Called by sequence-starts.ts: DIRECTORIES → the ids with which transformers encodes "ab" there."""

import json
import sys

from transformers import AutoTokenizer

print(json.dumps([AutoTokenizer.from_pretrained(directory)("ab").input_ids for directory in json.loads(sys.argv[1])]))
