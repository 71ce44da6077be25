// One process of a shared cache: asks queries, prints what came of it. Arguments: driver, location, first number, mode.
// `stream` asks a repeated stream of 300 queries; `fill` asks new ones until it is killed, and
// prints a dot after each.
import { cached } from '@tapo/tools/cache';
import { createSearch } from '@tapo/tools/search';
import { openStore, repeatedQueries } from './open-storage.js';

const [driver = '', location = '', first = '0', mode = 'stream'] = process.argv.slice(2);
const inner = createSearch({ documents: [] });
const text = 'x'.repeat(20_000);
const tool = cached(
  { ...inner, execute: async (query) => [{ title: query, text: mode === 'fill' ? text : 'found' }] },
  { store: await openStore(driver, location) },
);
const context = { toolCallId: 'c', rolloutId: 'r', signal: new AbortController().signal };

let wrong = 0;
const ask = async (query: string) => {
  const [hit] = await tool.execute(query, context);
  if (hit?.title !== query) wrong += 1;
};
if (mode === 'fill') {
  for (let i = Number(first); ; i++) {
    await ask(`country number ${i} of the world`);
    process.stdout.write('.');
  }
}
for (const query of repeatedQueries()) await ask(query);
process.stdout.write(JSON.stringify({ ...tool.counts(), wrong }));
await tool.close?.();
