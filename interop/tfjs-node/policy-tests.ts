/**
 * The tests of `@tapo/policy`'s model, learner and sampler on tfjs-node's native binding: the same files that run on the compiled
 * engine, with `TAPO_TEST_BACKEND=tfjs-node`. Builds the binding first (binding.ts), once.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { buildBinding, withBinding } from './binding.js';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const tests = ['model', 'lora', 'verify', 'engine/'].map((name) => `packages/policy/test/${name}`);

function bindingOrReason(): { binding: string } | { reason: string } {
  try {
    return { binding: buildBinding() };
  } catch (error) {
    return { reason: (error as Error).message };
  }
}

const built = bindingOrReason();
if ('reason' in built) {
  console.log(`skipped: tfjs-node's binding cannot be built here. ${built.reason}`);
} else {
  console.log(`tfjs-node's native binding: ${built.binding}`);
  const { status } = withBinding(built.binding, () =>
    // One file at a time: libtensorflow takes all cores for each. Slow to start: every file loads its 800 MB anew.
    spawnSync('npx', ['vitest', 'run', '--maxWorkers=1', '--testTimeout=300000', '--hookTimeout=300000', ...tests], {
      cwd: repository,
      stdio: 'inherit',
      env: { ...process.env, TAPO_TEST_BACKEND: 'tfjs-node', TF_CPP_MIN_LOG_LEVEL: '3' },
    }),
  );
  process.exitCode = status ?? 1;
}
