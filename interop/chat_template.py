"""Called by chat-template.ts: DIRECTORY CASES → what transformers renders for each {messages, tools, add_generation_prompt}."""

import json
import sys

from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
print(
    json.dumps(
        [
            tokenizer.apply_chat_template(
                case["messages"], tools=case["tools"] or None, tokenize=False, add_generation_prompt=case["addGenerationPrompt"]
            )
            for case in json.loads(sys.argv[2])
        ]
    )
)
