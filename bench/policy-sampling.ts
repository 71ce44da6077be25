/**
 * Sampling throughput: 1 to 128 sequences of a 24-token prompt and 100 sampled tokens, temperature 1, a stop string that never comes.
 * `node --import tsx --conditions=tapo-source bench/policy-sampling.ts [--sizes 0.2M,1M] [--threads 1,2] [--json]`
 */
import { argument, median, milliseconds, report, startEngine, type Size } from './policy-bench.js';

const SAMPLED = 100;
const rows = [];
for (const size of argument('sizes', '0.1M,0.2M,1M').split(',') as Size[]) {
  for (const threads of argument('threads', '1,2').split(',').map(Number)) {
    const engine = await startEngine(size, { threads });
    for (const sequences of argument('sequences', '1,16,64,128').split(',').map(Number)) {
      const sampleAll = async (round: number) => {
        const ids = Array.from({ length: sequences }, (_, i) => `${round}/${i}`);
        const options = { maxTokens: SAMPLED, stop: ['\u0000'], temperature: 1, topP: 1, topK: 0 };
        await Promise.all(
          ids.map((sequenceId, i) => {
            // Groups of eight share their prompt, as rollouts of one problem do.
            const tokens = Array.from({ length: 24 }, (_, t) => 5 + ((Math.floor(i / 8) * 7 + t * 3) % 80));
            return engine.policy.sample({ sequenceId, tokens, seed: round * 1000 + i, ...options });
          }),
        );
        await Promise.all(ids.map((id) => engine.policy.release(id)));
      };
      const times: number[] = [];
      for (let round = 0; round < 6; round++) {
        const time = await milliseconds(() => sampleAll(round));
        if (round > 0) times.push(time);
      }
      const rate = ((sequences * SAMPLED) / median(times)) * 1000;
      rows.push({
        model: size,
        threads,
        sequences,
        'tokens/s': rate,
        'ms/token and sequence': median(times) / SAMPLED,
      });
    }
    await engine.close();
  }
}
report('policy-sampling', rows);
