import { test } from 'node:test';
import { toolConformance } from '@tapo/tools/conformance';
import { create__Tool__ } from '../dist/index.js';

toolConformance('__tool__', () => create__Tool__(), {
  test,
  cases: [
    { input: 'to be or not to be', observation: '6 words' },
    { input: 'one', observation: '1 words' },
    { input: 'x'.repeat(10_001), status: 'refused', observation: 'at most 10000 characters' },
  ],
});
