import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { TrackedRun, Tracker } from './tracker.js';

export interface WandbOptions {
  project?: string;
  entity?: string | undefined;
  /** the Python that has the package `wandb` */
  python?: string;
}

/** Metrics go through Weights & Biases' own client, which is Python: it has no documented HTTP interface. */
const script = `
import json, os, sys
import wandb
head = json.loads(sys.stdin.readline())
run = wandb.init(dir=head["path"], name=head["name"], config=head["config"], project=head["project"], entity=head["entity"], settings=wandb.Settings(console="off"))
print("ready", flush=True)
for line in sys.stdin:
    message = json.loads(line)
    run.log(message["scalars"], step=message["step"])
    print("logged", flush=True)
run.finish()
`;

/**
 * Logs to Weights & Biases through `python3` with the package `wandb`. Its environment variables apply: WANDB_API_KEY,
 * WANDB_MODE=offline, WANDB_BASE_URL.
 */
export async function createWandb(
  { path, name, config }: TrackedRun,
  { project = 'tapo', entity, python = 'python3' }: WandbOptions = {},
): Promise<Tracker> {
  const child = spawn(python, ['-c', script], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, WANDB_SILENT: 'true' },
    // Ctrl-C is the trainer's: the client ends when its input does
    detached: true,
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = `${errors}${text}`.slice(-2000)));
  child.stdin.on('error', () => {});
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code) => resolve(reason(errors, code, python)));
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();

  /** one line there, one line back */
  async function send(message: object): Promise<void> {
    child.stdin.write(`${JSON.stringify(message)}\n`);
    const { done } = await answers.next();
    if (done === true) throw new Error(await ended);
  }

  await send({ path, name, config, project, entity: entity ?? null });
  return {
    name: 'wandb',
    log: (step, scalars) => send({ step, scalars }),
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}

function reason(errors: string, code: number | null, python: string): string {
  if (errors.includes("No module named 'wandb'")) return `${python} has no package wandb; pip install wandb`;
  const [last = ''] = errors.trim().split('\n').slice(-1);
  return `${python} ended with code ${code}${last && `: ${last}`}`;
}
