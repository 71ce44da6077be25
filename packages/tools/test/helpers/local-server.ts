import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: unknown;
}

type Answer = (response: ServerResponse, received: ReceivedRequest) => void;

/** A real HTTP server on a free port. `answer` may be replaced at any time; `received` grows by one per request. */
export async function startLocalServer(answer: Answer) {
  const received: ReceivedRequest[] = [];
  const local = { url: '', received, answer, active: 0, maxActive: 0, close: async () => {} };
  const server = createServer(async (request, response) => {
    local.active += 1;
    local.maxActive = Math.max(local.maxActive, local.active);
    response.on('close', () => (local.active -= 1));
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const { method = '', url = '', headers } = request;
    received.push({ method, path: url, headers, body: text ? JSON.parse(text) : undefined });
    local.answer(response, received.at(-1)!);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  local.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  local.close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return local;
}

export const json =
  (value: unknown, status = 200, headers: Record<string, string> = {}): Answer =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(value));
  };

/** The given answers, one per request; the last one stays. */
export function inTurn(...answers: Answer[]): Answer {
  let count = 0;
  return (response, received) => answers[Math.min(count++, answers.length - 1)]!(response, received);
}
