import type { Tool } from '@tapo/tools';
import type { BudgetSpent } from '@tapo/tools/budget';
import type { ResolvedConfig } from './config/schema.js';
import { openEngine } from './open-engine.js';
import type { OpenedEngine } from './engine.js';
import { closeBeforeExit } from './interrupt.js';
import { createJudge } from './judge.js';
import type { Learner } from './learner.js';
import type { Judge } from './judged-group.js';
import { openTools } from './tools/toolbox.js';
import type { Toolbox } from './tools/toolbox.js';

/** Everything a command needs to roll out: engine, tools, judge. */
export interface Session {
  engine: OpenedEngine;
  tools: readonly Tool[];
  toolbox: Pick<Toolbox, 'budget' | 'usage'>;
  judge: Judge;
  /** the model as it was before training, when the config asks for a KL penalty */
  reference?: Pick<Learner, 'logprobs'>;
}

/** Opens what a config names, runs `body`, and closes it all, whatever happens; tools also when Ctrl-C ends the process. */
export async function withSession<T>(
  config: ResolvedConfig,
  body: (session: Session) => Promise<T>,
  { spent }: { spent?: BudgetSpent | undefined } = {},
): Promise<T> {
  const { cache, budget } = config;
  const toolbox = await openTools(config.tools, { cache, budget, spent });
  const keepOpen = closeBeforeExit(toolbox.close);
  try {
    const engine = await openEngine(config);
    try {
      const { tools } = toolbox;
      const judge = createJudge(config, { tools, tokenizer: engine.policy.tokenizer });
      if (config.loss.klCoefficient === 0) return await body({ engine, tools, toolbox, judge });
      const { referenceLogprobs } = engine.learner;
      if (referenceLogprobs) {
        return await body({ engine, tools, toolbox, judge, reference: { logprobs: referenceLogprobs } });
      }
      const reference = await openEngine({ ...config, sampler: null });
      try {
        return await body({ engine, tools, toolbox, judge, reference: reference.learner });
      } finally {
        await reference.close();
      }
    } finally {
      await engine.close();
    }
  } finally {
    keepOpen();
    await toolbox.close();
  }
}
