/**
 * Sampling against transformers' `generate` (KV cache on, temperature 1): sequences of a 24-token prompt and 100 sampled
 * tokens, none of which ends early. Same weights.
 */
import { alternate, type Contestant } from './alternate.js';
import { loadIntoPython, modelConfig, sampleRounds, startEngine } from './policy-bench.js';
import type { BenchContext, Table } from './section.js';

const [PROMPT, SAMPLED] = [24, 100];

export async function sampling({ threads, python, rounds, sizes }: BenchContext): Promise<Table[]> {
  const table: Table = {
    title: `Sampling ${SAMPLED} tokens after a prompt of ${PROMPT}, ${threads} threads`,
    rows: [],
  };
  for (const size of sizes) {
    const config = modelConfig(size);
    const engine = await startEngine(size, { threads });
    if (python) await loadIntoPython(python, config, await engine.parameters());
    for (const sequences of [1, 16, 64]) {
      // Groups of eight share their prompt, as rollouts of one problem do.
      const prompts = Array.from({ length: sequences }, (_, i) =>
        Array.from({ length: PROMPT }, (_, t) => 5 + ((Math.floor(i / 8) * 7 + t * 3) % 80)),
      );
      const contestants: Contestant[] = [{ name: 'tapo', run: sampleRounds(engine, prompts, SAMPLED) }];
      if (python) {
        const generate = async () => (await python.call('generate', { prompts, tokens: SAMPLED })).ms;
        contestants.push({ name: 'transformers', run: generate });
      }
      const times = await alternate(contestants, size === '135M' ? Math.min(2, rounds) : rounds);
      const rate = (name: string) => ((sequences * SAMPLED) / times[name]!) * 1000;
      table.rows.push({
        model: size,
        sequences,
        'tapo tokens/s': rate('tapo'),
        ...(python && { 'generate tokens/s': rate('transformers'), ratio: rate('tapo') / rate('transformers') }),
      });
    }
    await engine.close();
  }
  return [table];
}
