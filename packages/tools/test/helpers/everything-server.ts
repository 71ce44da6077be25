import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';

/** The MCP project's own example server, as published on npm. */
export const everything = createRequire(import.meta.url)
  .resolve('@modelcontextprotocol/server-everything/package.json')
  .replace('package.json', 'dist/index.js');

/** Processes that have `marker` as an argument, whoever started them. */
export function pidsOf(marker: string): number[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.includes(marker)).map((line) => Number.parseInt(line, 10));
}

export function kill(marker: string): void {
  for (const pid of pidsOf(marker)) process.kill(pid, 'SIGKILL');
}

/** Starts it over streamable HTTP, at `/mcp`. Settles when it listens. */
export async function serveEverything(port: number): Promise<{ kill(): Promise<void> }> {
  const server = spawn(process.execPath, [everything, 'streamableHttp'], {
    env: { PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  while (!String((await once(server.stderr, 'data'))[0]).includes('listening')) continue;
  return {
    async kill() {
      if (server.kill('SIGKILL')) await once(server, 'exit');
    },
  };
}
