import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { colors } from '../cli/colors.js';
import { loadCheckpoint } from '../checkpoint.js';
import type { Command } from '../cli/command.js';
import { textOption, UsageError } from '../cli/command.js';
import { loadConfig } from '../config/load.js';
import { replay } from '../replay.js';
import type { Divergence } from '../replay.js';
import { readJsonLines } from '../run-directory.js';
import { withSession } from '../session.js';
import { renderTrace } from '../trace.js';
import type { TrajectoryRecord } from '../trajectory-records.js';
import { baseRecord } from '../trajectory-records.js';
import { printable } from '../view/visible-text.js';

export const replayCommand: Omit<Command, 'summary'> = {
  positionals: {
    RUN: 'a run directory',
    STEP: 'training step, as in trajectories/step-N.jsonl',
    TRAJECTORY: 'its id (step-S/R-I/i), or the number of its line from 0',
  },
  options: {
    config: {
      type: 'string',
      short: 'c',
      value: 'FILE',
      description: 'for runs whose tools were objects of a config file',
    },
  },
  details:
    'Samples again with the weights and the seed of then, calls the tools again, and compares token by token, to the\n' +
    'bit. Step 1 can always be repeated, step N + 1 if checkpoint N was kept (checkpoint.everySteps, checkpoint.keep).\n' +
    'The exit code is 1 when something differs.',
  examples: ['tapo replay runs/quickstart 1 step-1/0-3/2', 'tapo replay runs/first 11 0'],
  async run(input) {
    const [path = '', step = '', wanted = ''] = input.positionals;
    const record = await findRecord(path, step, wanted);
    const { config } = await loadConfig({
      file: textOption(input, 'config') ?? join(path, 'config.json'),
      overrides: {},
    });
    // a group that was kept for a later step was sampled in the step that its id names
    const sampledIn = Number(/^step-(\d+)\//.exec(record.id)?.[1] ?? step);
    const checkpoint = await checkpointBefore(path, sampledIn);
    return withSession(config, async ({ engine, tools }) => {
      if (checkpoint !== undefined) await loadCheckpoint(checkpoint, engine.learner);
      const { policy } = engine;
      const { trajectory, divergence } = await replay(record, { config, policy, tools });
      const problem = {
        id: record.problemId,
        question: record.question,
        dataSource: record.dataSource,
        targets: record.targets,
        metadata: { source: record.source },
      };
      console.log(renderTrace(baseRecord(problem, trajectory, record, policy.tokenizer)));
      console.log(divergence === undefined ? same(record) : different(divergence));
      return divergence === undefined ? 0 : 1;
    });
  },
};

function same({ tokens, promptLength }: TrajectoryRecord): string {
  return `\n${colors.green('the same')} to the bit: ${tokens.length - promptLength} tokens and their log-probabilities`;
}

function different({ position, turn, what, recorded, repeated }: Divergence): string {
  return [
    `\n${colors.yellow('diverges')} at token ${position}, turn ${turn + 1}: another ${what}`,
    `  recorded ${printable(recorded)}`,
    `  repeated ${printable(repeated)}`,
  ].join('\n');
}

async function findRecord(run: string, step: string, wanted: string): Promise<TrajectoryRecord> {
  const file = join(run, 'trajectories', `step-${step}.jsonl`);
  if (!existsSync(file))
    throw new UsageError(`no such file: ${file}`, 'tapo replay RUN STEP TRAJECTORY; STEP is a number');
  const records = (await readJsonLines(file)) as unknown as TrajectoryRecord[];
  const record = /^\d+$/.test(wanted) ? records[Number(wanted)] : records.find(({ id }) => id === wanted);
  if (record) return record;
  const known = `${records.length} trajectories, ${records[0]?.id} to ${records.at(-1)?.id}`;
  throw new UsageError(`${file} has no trajectory "${wanted}"`, `it has ${known}`);
}

/** The checkpoint with the weights of a step's rollouts; undefined for the first step, which has the model itself. */
async function checkpointBefore(run: string, step: number): Promise<string | undefined> {
  if (step === 1) return undefined;
  const directory = join(run, 'checkpoints', `step-${step - 1}`);
  if (existsSync(directory)) return directory;
  const kept = (await readdir(join(run, 'checkpoints')).catch(() => [])).flatMap((name) =>
    Number(/^step-(\d+)$/.exec(name)?.[1] ?? []),
  );
  const possible = [1, ...kept.map((checkpoint) => checkpoint + 1)].toSorted((a, b) => a - b);
  throw new UsageError(
    `the weights of step ${step} are gone: ${directory} was not kept`,
    `rollouts of these steps can be repeated: ${possible.join(', ')}; checkpoint.everySteps and checkpoint.keep keep more`,
  );
}
