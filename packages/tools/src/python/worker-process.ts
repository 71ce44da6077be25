import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunReply, RunRequest, WorkerConfig } from './sandbox/worker.mjs';

export type { RunReply, RunRequest, WorkerConfig };

export const SANDBOX_DIRECTORY = fileURLToPath(new URL('./sandbox', import.meta.url));

/** One child process with one interpreter. */
export interface PythonWorker {
  readonly pid: number;
  /** false from the moment it is killed, gives up or ends */
  readonly alive: boolean;
  /**
   * Never rejects: a process that dies gives `crashed`. One call at a time.
   * With `request.session`, `state` is what the call before it left, and so is the reply's.
   */
  run(request: RunRequest, state?: Buffer): Promise<RunReply & { state?: Buffer }>;
  kill(): void;
  /** settles when the process has ended */
  readonly exited: Promise<void>;
}

/** Starts a worker and waits until its interpreter is ready. */
export async function startWorker(
  config: WorkerConfig,
  directories: readonly string[],
  wrapper: readonly string[],
  signal: AbortSignal,
): Promise<PythonWorker> {
  const { child, channel, exited } = launch(config, directories, wrapper, signal);
  const frames = framesOf(channel)[Symbol.asyncIterator]();
  const first = await frames.next();
  const hello = first.done ? undefined : (JSON.parse(first.value.toString()) as { ready?: boolean; failed?: string });
  if (!hello?.ready) {
    child.kill('SIGKILL');
    const [code, signal] = await exited;
    throw new Error(`the Python worker did not start: ${hello?.failed ?? `exit code ${code}, signal ${signal}`}`);
  }
  const hold = (busy: boolean) => {
    // an idle worker does not keep the process alive
    child[busy ? 'ref' : 'unref']();
    channel[busy ? 'ref' : 'unref']();
  };
  hold(false);
  let alive = true;
  channel.once('close', () => (alive = false));
  const kill = () => {
    alive = false;
    child.ref(); // whoever waits for the end must see it
    child.kill('SIGKILL');
  };
  return {
    pid: child.pid ?? 0,
    get alive() {
      return alive;
    },
    async run(request, before) {
      hold(true);
      send(channel, Buffer.from(JSON.stringify(request)));
      if (before) send(channel, before);
      const frame = await frames.next();
      const reply = frame.done ? undefined : (JSON.parse(frame.value.toString()) as RunReply);
      const state = reply?.session === 'kept' ? await frames.next() : undefined;
      if (!reply || state?.done) {
        alive = false;
        return { outcome: 'crashed', stdout: '', durationMs: 0, broken: true };
      }
      hold(false);
      if (reply.broken) kill(); // it ends by itself, unless the program has got hold of it
      return state ? { ...reply, state: state.value } : reply;
    },
    kill,
    exited: exited.then(() => undefined),
  };
}

/** What a worker in `build` mode makes: the files of an image. */
export interface BuiltImage {
  wasm: Uint8Array;
  snapshot: Uint8Array;
  /** compiled libraries of the packages */
  libraries: Uint8Array[];
}

/** Runs a worker in `build` mode, which initialises Python from nothing. */
export async function runBuilder(
  config: WorkerConfig,
  directories: readonly string[],
  signal: AbortSignal,
): Promise<BuiltImage> {
  const { channel } = launch(config, directories, [], signal);
  const frames: Uint8Array[] = [];
  for await (const frame of framesOf(channel)) frames.push(frame);
  const [wasm, snapshot, ...libraries] = frames;
  if (wasm && snapshot) return { wasm, snapshot, libraries };
  const said = wasm && (JSON.parse(Buffer.from(wasm).toString()) as { failed?: string });
  throw new Error(`Python could not be built: ${said?.failed ?? 'the process ended without a word'}`);
}

function launch(config: WorkerConfig, directories: readonly string[], wrapper: readonly string[], signal: AbortSignal) {
  signal.throwIfAborted();
  const [command, ...before] = [...wrapper, process.execPath];
  const flags = [
    '--no-warnings',
    '--no-addons',
    '--disallow-code-generation-from-strings',
    '--disable-proto=delete',
    '--max-old-space-size=256',
    ...permissionFlags([SANDBOX_DIRECTORY, ...directories]),
    ...tieringFlags(),
  ];
  const script = join(SANDBOX_DIRECTORY, 'worker.mjs');
  const child = spawn(command ?? process.execPath, [...before, ...flags, script, JSON.stringify(config)], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    env: {},
    cwd: SANDBOX_DIRECTORY,
    windowsHide: true,
    // a process group of its own: Ctrl-C is for the parent, which may want to finish its step first
    detached: process.platform !== 'win32',
  });
  const exited = once(child, 'exit').catch((error: unknown) => [String(error), null]);
  const kill = () => child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  void exited.finally(() => signal.removeEventListener('abort', kill));
  const channel = child.stdio[3] as Socket;
  channel.on('error', () => channel.destroy());
  trackChild(child);
  return { child, channel, exited };
}

/** Node's permission model: files outside the list, child processes, workers and addons are out of reach. */
function permissionFlags(directories: readonly string[]): string[] {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const stable = major >= 24 || (major === 23 && minor >= 5) || (major === 22 && minor >= 13);
  return [
    stable ? '--permission' : '--experimental-permission',
    ...directories.map((directory) => `--allow-fs-read=${join(directory, '*')}`),
  ];
}

/**
 * How much WebAssembly runs in a function before V8 compiles it again with optimisation: Node 20 waits for 1.8 MB of it, later
 * versions for 13. What they wait for makes a start a quarter cheaper (302 to 229 ms of processor time).
 */
function tieringFlags(): string[] {
  return Number.parseInt(process.versions.node, 10) < 22 ? ['--wasm-tiering-budget=13000000'] : [];
}

const children = new Set<ChildProcess>();

/** A worker reads end-of-file when this process dies; killing it on an orderly exit ends one that is busy, too. */
function trackChild(child: ChildProcess): void {
  if (children.size === 0) process.once('exit', killChildren);
  children.add(child);
  child.once('exit', () => {
    children.delete(child);
    if (children.size === 0) process.off('exit', killChildren);
  });
}
function killChildren(): void {
  for (const child of children) child.kill('SIGKILL');
}

function send(channel: Socket, body: Buffer): void {
  const header = Buffer.alloc(4);
  header.writeUInt32LE(body.length);
  channel.write(header);
  channel.write(body);
}

/** Frames are a 32-bit length and as many bytes. Ends when the channel does, however that comes about. */
async function* framesOf(channel: Socket): AsyncGenerator<Buffer, void> {
  let chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of channel as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      let wanted = wantedBytes(chunks);
      if (length < wanted) continue;
      let joined = Buffer.concat(chunks);
      while (joined.length >= wanted) {
        yield joined.subarray(4, wanted);
        joined = joined.subarray(wanted);
        wanted = wantedBytes([joined]);
      }
      chunks = [joined];
      length = joined.length;
    }
  } catch {
    // a killed worker resets the connection
  }
}

/** Length of the first frame with its header; Infinity until the header is there. */
function wantedBytes(chunks: Buffer[]): number {
  const head = chunks.length > 1 && (chunks[0]?.length ?? 0) < 4 ? Buffer.concat(chunks) : chunks[0];
  return head && head.length >= 4 ? 4 + head.readUInt32LE() : Infinity;
}
