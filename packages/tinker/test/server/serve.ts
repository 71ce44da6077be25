// The test server as a process of its own, so that it can be killed: serve.ts PORT CHECKPOINT_FILE. Checkpoints are kept in
// the file, each request's path goes to stdout.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import { startTinkerServer } from './tinker-server.js';
import type { ToyState } from './toy-model.js';

const [port = '0', file = ''] = process.argv.slice(2);
const checkpoints = new Map<string, ToyState>(
  existsSync(file) ? (deserialize(readFileSync(file)) as Map<string, ToyState>) : [],
);
const set = checkpoints.set.bind(checkpoints);
checkpoints.set = (path, state) => {
  set(path, state);
  writeFileSync(`${file}.partial`, serialize(new Map(checkpoints)));
  renameSync(`${file}.partial`, file);
  return checkpoints;
};
const server = await startTinkerServer({
  port: Number(port),
  checkpoints,
  fault(path) {
    process.stdout.write(`${path}\n`);
    return undefined;
  },
});
process.stdout.write(`listening ${server.port}\n`);
