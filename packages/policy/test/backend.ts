/**
 * The engine under test: the compiled one, and plain functions on tfjs's CPU backend. `TAPO_TEST_BACKEND=tfjs-node` puts the
 * tests of model, learner and sampler on another (interop/tfjs-node does, where the native binding can be built).
 */
import type { BackendName } from '../src/engine/backend.js';
import { createRunner } from '../src/engine/tfjs-backend.js';

const named = process.env['TAPO_TEST_BACKEND'] as BackendName | undefined;

/** Where engines of these tests compute. */
export const engineBackend: BackendName = named ?? 'compiled';

/** For tests that call tfjs themselves: makes the backend tfjs's current one. */
export async function setTestBackend(): Promise<void> {
  await createRunner(named ?? 'cpu', 1);
}
