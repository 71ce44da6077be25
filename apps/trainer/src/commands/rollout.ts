import { textSegments } from '@tapo/rollout';
import type { Command } from '../cli/command.js';
import { integerOption, numberOption, textOption } from '../cli/command.js';
import { judgedGroup } from '../judged-group.js';
import { configForModel } from '../run-model.js';
import { withSession } from '../session.js';
import { renderTrace } from '../trace.js';
import { baseRecord } from '../trajectory-records.js';
import { printableJson } from '../view/visible-text.js';

export const rolloutCommand: Omit<Command, 'summary'> = {
  positionals: {
    QUESTION: 'what to ask',
    'MODEL?': 'a model directory or a run directory; default: `model` of the config',
  },
  options: {
    config: { type: 'string', short: 'c', value: 'FILE', description: 'default: tapo.config.ts or tapo.config.json' },
    temperature: { type: 'string', value: 'T', description: '0 = greedy (default)' },
    seed: { type: 'string', value: 'N', description: 'seed of the draws (default 0)' },
    answer: { type: 'string', value: 'TEXT', description: 'the gold answer, to be scored against' },
    source: { type: 'string', value: 'NAME', description: 'data source that chooses the scorer (default: default)' },
    json: { type: 'boolean', description: 'print the whole trajectory as JSON' },
  },
  overrides: true,
  examples: ['tapo rollout "Capital of Chad?" runs/quickstart', 'tapo rollout "12 * 13?" models/qwen --json'],
  async run(input) {
    const [question = '', model] = input.positionals;
    const config = await configForModel(input, model);
    const answer = textOption(input, 'answer');
    await withSession(config, async ({ engine, tools, judge }) => {
      const problem = {
        id: 'question',
        question,
        dataSource: textOption(input, 'source') ?? 'default',
        targets: answer === undefined ? [] : [answer],
      };
      const { policy } = engine;
      const temperature = numberOption(input, 'temperature') ?? 0;
      const { members } = await judgedGroup(problem, {
        config: { ...config, rollout: { ...config.rollout, temperature, groupSize: 1 } },
        policy,
        tools,
        // without a gold answer only the format can be judged
        judge: (asked, trajectory) => judge(answer === undefined ? { ...asked, targets: ['?'] } : asked, trajectory),
        id: 'rollout',
        seed: integerOption(input, 'seed') ?? 0,
      });
      for (const { trajectory, judgement } of members) {
        const record = baseRecord(problem, trajectory, judgement, policy.tokenizer);
        const segments = textSegments(trajectory, policy.tokenizer);
        console.log(input.options['json'] === true ? printableJson(record) : renderTrace({ ...record, segments }));
        if (trajectory.error !== undefined) throw new Error(`the engine failed: ${trajectory.error}`);
      }
    });
  },
};
