import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, openSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const venv = join(here, '..', '.venv-skyrl');
const python = join(venv, 'bin', 'python');

/** Versions this was tried with. The CPU build of PyTorch comes first, or another package asks for a CUDA one. */
const installs = [['torch==2.13.0'], ['skyrl[tinker,jax]==0.3.0']];

/** Sets the venv up once. Returns the reason when that is not possible, else undefined. */
export function installSkyrl(): string | undefined {
  if (existsSync(join(venv, 'ready'))) return undefined;
  const run = (file: string, args: string[]) =>
    spawnSync(file, args, { stdio: ['ignore', 'inherit', 'pipe'], encoding: 'utf8' });
  const made = run('python3', ['-m', 'venv', venv]);
  if (made.status !== 0) return `python3 -m venv failed: ${made.stderr ?? made.error?.message}`;
  for (const packages of installs) {
    console.log(`pip install ${packages.join(' ')} (some minutes) …`);
    const { status, stderr } = run(python, ['-m', 'pip', 'install', '--quiet', ...packages]);
    if (status !== 0) return `pip install ${packages.join(' ')} failed: ${stderr.trim().split('\n').at(-1)}`;
  }
  // The tinker SDK's types use typing.TypedDict, which pydantic refuses before Python 3.12.
  const shim = 'import typing, typing_extensions\ntyping.TypedDict = typing_extensions.TypedDict\n';
  const where = 'import sysconfig; print(sysconfig.get_path("purelib"))';
  const site = spawnSync(python, ['-c', where], { encoding: 'utf8' }).stdout.trim();
  writeFileSync(join(site, 'sitecustomize.py'), shim);
  writeFileSync(join(venv, 'ready'), '');
  return undefined;
}

export interface SkyrlServer {
  url: string;
  logFile: string;
  /** SIGKILL for the API server and its engine, as a crash would */
  kill(): Promise<void>;
  /** again on the same port, over the same database and checkpoints */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** A SkyRL server with the JAX backend on the CPU, serving a local model directory. */
export async function startSkyrl(modelDirectory: string): Promise<SkyrlServer> {
  const scratch = await mkdtemp(join(tmpdir(), 'skyrl-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const logFile = join(scratch, 'server.log');
  let child: ChildProcess;

  async function start(): Promise<void> {
    const log = openSync(logFile, 'a');
    const options = {
      'base-model': modelDirectory,
      backend: 'jax',
      'backend-config': JSON.stringify({
        max_lora_adapters: 6,
        max_lora_rank: 16,
        // one batch size, so that its sampler is compiled once for each length
        sample_max_num_sequences: 24,
      }),
      'database-url': `sqlite:///${join(scratch, 'tinker.db')}`,
      'checkpoints-base': join(scratch, 'checkpoints'),
      host: '127.0.0.1',
      port: String(port),
    };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    child = spawn(join(here, 'uv'), ['run', '-m', 'skyrl.tinker.api', ...args], {
      cwd: scratch,
      env: {
        ...process.env,
        PYTHON: python,
        PATH: `${here}:${process.env.PATH}`,
        JAX_PLATFORMS: 'cpu',
        HF_HUB_OFFLINE: '1',
      },
      stdio: ['ignore', log, log],
      detached: true,
    });
    for (let waited = 0; waited < 180; waited++) {
      if (child.exitCode !== null) break;
      const healthy = await fetch(`${url}/api/v1/healthz`).then(
        (response) => response.ok,
        () => false,
      );
      if (healthy) return;
      await sleep(1000);
    }
    throw new Error(`SkyRL did not come up; see ${logFile}`);
  }

  const kill = async (): Promise<void> => {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    if (child.exitCode !== null || child.pid === undefined) return;
    process.kill(-child.pid, 'SIGKILL');
    await gone;
  };
  await start();
  return {
    url,
    logFile,
    kill,
    restart: start,
    async close() {
      await kill();
      await rm(scratch, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
