import type { ResolvedConfig } from './config/schema.js';
import { openEngine } from './engine.js';
import type { OpenedEngine } from './engine.js';
import { createJudge } from './judge.js';
import type { Judge } from './judged-group.js';
import { openTools } from './toolbox.js';
import type { Tool } from '@tapo/tools';

/** Everything a command needs to roll out: engine, tools, judge. */
export interface Session {
  engine: OpenedEngine;
  tools: readonly Tool[];
  judge: Judge;
  /** the model as it was before training, when the config asks for a KL penalty */
  reference?: OpenedEngine['learner'];
}

/** Opens what a config names, runs `body`, and closes it all, whatever happens. */
export async function withSession<T>(config: ResolvedConfig, body: (session: Session) => Promise<T>): Promise<T> {
  const toolbox = await openTools(config.tools);
  try {
    const engine = await openEngine(config);
    try {
      const { tools } = toolbox;
      const judge = createJudge(config, { tools, tokenizer: engine.policy.tokenizer });
      if (config.loss.klCoefficient === 0) return await body({ engine, tools, judge });
      const reference = await openEngine({ ...config, lora: null, sampler: null });
      try {
        return await body({ engine, tools, judge, reference: reference.learner });
      } finally {
        await reference.close();
      }
    } finally {
      await engine.close();
    }
  } finally {
    await toolbox.close();
  }
}
