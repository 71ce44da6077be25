import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createTinkerClient } from '@tapo/tinker';
import { expect, it } from 'vitest';

it('a step of many rollouts waits for all its samples at once, not for 64 at a time', async () => {
  // The server answers nobody before 200 have asked: with fewer connections this would never end.
  const wanted = 200;
  const held: ServerResponse[] = [];
  const server = createServer((_, response) => {
    held.push(response);
    if (held.length < wanted) return;
    for (const each of held) each.setHeader('content-type', 'application/json').end('{"status":"ok"}');
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = createTinkerClient({ baseUrl: `http://127.0.0.1:${port}`, dialect: 'skyrl', maxAttempts: 1 });
  try {
    const healthy = await Promise.all(Array.from({ length: wanted }, () => client.health()));
    expect(healthy).toHaveLength(wanted);
  } finally {
    await client.close();
    server.close();
  }
}, 10_000);
