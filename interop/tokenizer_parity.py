"""Called by tokenizer-parity.ts: TOKENIZER_JSON STRINGS_JSON → ids of each string, the text they decode to, and ids where special tokens are text."""

import json
import sys

from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file(sys.argv[1])
strings = json.load(open(sys.argv[2], encoding="utf8"))
ids = [encoding.ids for encoding in tokenizer.encode_batch(strings, add_special_tokens=False)]
texts = [tokenizer.decode(each, skip_special_tokens=False) for each in ids]
tokenizer.encode_special_tokens = True
literal = [encoding.ids for encoding in tokenizer.encode_batch(strings, add_special_tokens=False)]
print(json.dumps({"ids": ids, "texts": texts, "literal": literal}))
