import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunSummary, ViewEvent } from './protocol.js';
import { runSummaries } from './routes.js';
import type { RunList } from './run-list.js';

/** Server-sent events: every page hears of runs that changed. */
export interface LiveEvents {
  add(response: ServerResponse): void;
  close(): void;
}

/** Files are looked at once a second and only while a page listens; that works on network file systems, too. */
export function liveEvents(runs: RunList, { intervalMs = 1000 }: { intervalMs?: number } = {}): LiveEvents {
  const listeners = new Set<ServerResponse>();
  const closing = new AbortController();
  let following = false;
  let known = new Map<string, string>();

  async function look(): Promise<void> {
    const summaries = (await runSummaries(runs)).runs;
    const current = new Map(summaries.map((run) => [run.id, fingerprint(run)]));
    for (const run of summaries) if (known.get(run.id) !== current.get(run.id)) send({ type: 'run', run });
    for (const id of known.keys()) if (!current.has(id)) send({ type: 'gone', id });
    known = current;
  }

  async function follow(): Promise<void> {
    following = true;
    while (listeners.size > 0) {
      await sleep(intervalMs, undefined, { signal: closing.signal }).catch(() => {});
      // a directory may be on its way out; the next look is in a second
      if (listeners.size > 0) await look().catch(() => {});
    }
    following = false;
  }

  function send(event: ViewEvent): void {
    for (const listener of listeners) listener.write(`data: ${JSON.stringify(event)}\n\n`);
  }

  return {
    add(response) {
      listeners.add(response);
      // the page loads everything when it hears this: nothing is missed between a load and the first event
      response.write('retry: 1000\nevent: hello\ndata: {}\n\n');
      response.on('close', () => listeners.delete(response));
      if (!following) void follow();
    },
    close() {
      for (const listener of listeners) listener.end();
      listeners.clear();
      closing.abort();
    },
  };
}

function fingerprint({ status, updatedMs, step, totalSteps, unreadableLines }: RunSummary): string {
  return JSON.stringify([status, updatedMs, step, totalSteps, unreadableLines]);
}
