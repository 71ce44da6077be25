import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { createMlflow } from '../../src/trackers/mlflow.js';

/** The documented answers of a tracking server, and what it was asked. */
async function fakeServer({ knowsExperiment = false, refuses = '' } = {}) {
  const asked: { path: string; body: Record<string, unknown> }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = (request.url ?? '').replace('/api/2.0/mlflow/', '').replace(/\?.*/, '');
      asked.push({ path, body: chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : {} });
      const answers: Record<string, unknown> = {
        'experiments/create': { experiment_id: '7' },
        'experiments/get-by-name': { experiment: { experiment_id: '5' } },
        'runs/create': { run: { info: { run_id: 'r1' } } },
      };
      const missing = path === 'experiments/get-by-name' && !knowsExperiment;
      if (missing) response.writeHead(404).end('{"error_code":"RESOURCE_DOES_NOT_EXIST"}');
      else if (path === refuses)
        response.writeHead(403).end('{"error_code":"PERMISSION_DENIED","message":"not yours"}');
      else response.end(JSON.stringify(answers[path] ?? {}));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return { url, asked, close: () => server.close() };
}

const run = { name: 'first', config: { seed: 1, loss: { clipLow: 0.2 }, model: 'tiny' } };

it('makes an experiment and a run, logs parameters, then metrics with their steps, then ends the run', async () => {
  const server = await fakeServer();
  const tracker = await createMlflow(run, { url: server.url });
  await tracker.log(3, { reward: 0.5, 'accuracyBySource/a(b)': 1 });
  await tracker.close();
  server.close();
  expect(server.asked.map(({ path }) => path)).toEqual([
    'experiments/get-by-name',
    'experiments/create',
    'runs/create',
    'runs/log-batch',
    'runs/log-batch',
    'runs/update',
  ]);
  expect(server.asked[2]?.body).toMatchObject({ experiment_id: '7', run_name: 'first' });
  expect(server.asked[3]?.body['params']).toEqual([
    { key: 'seed', value: '1' },
    { key: 'loss.clipLow', value: '0.2' },
    { key: 'model', value: 'tiny' },
  ]);
  expect(server.asked[4]?.body['metrics']).toMatchObject([
    { key: 'reward', value: 0.5, step: 3 },
    { key: 'accuracyBySource/a_b_', value: 1, step: 3 },
  ]);
  expect(server.asked[5]?.body).toMatchObject({ run_id: 'r1', status: 'FINISHED' });
});

it('says what the server said when it refuses', async () => {
  const server = await fakeServer({ knowsExperiment: true, refuses: 'runs/create' });
  await expect(createMlflow(run, { url: server.url })).rejects.toThrow(/answered 403 to runs\/create: not yours/);
  server.close();
});
