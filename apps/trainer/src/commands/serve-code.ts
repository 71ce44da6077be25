import { serveCode } from '@tapo/tools/serve-code';
import { once } from 'node:events';
import type { Tool } from '@tapo/tools';
import type { Command } from '../cli/command.js';
import { integerOption, textOption, UsageError } from '../cli/command.js';
import { asListenError } from '../cli/listen-error.js';
import { openTools } from '../tools/toolbox.js';

export const serveCodeCommand: Omit<Command, 'summary'> = {
  options: {
    port: { type: 'string', short: 'p', value: 'N', description: 'default 8000; 0 = any free one' },
    host: { type: 'string', value: 'ADDRESS', description: 'default 127.0.0.1: this machine only' },
    language: { type: 'string', value: 'NAME', description: 'python (default) or javascript' },
  },
  details: 'POST /run {"code": "print(1)"} → {"stdout": "1", "finished": true, "time": "3 ms"}. Ctrl-C ends it.',
  async run(input) {
    const language = textOption(input, 'language') ?? 'python';
    if (language !== 'python' && language !== 'javascript') {
      throw new UsageError(`unknown language "${language}"`, 'known: python, javascript');
    }
    const { tools } = await openTools([language]);
    const address = { port: integerOption(input, 'port') ?? 8000, host: textOption(input, 'host') ?? '127.0.0.1' };
    const tool = tools[0] as Tool<string, string>;
    const server = await serveCode({ tool, ...address }).catch((error: unknown) => asListenError(error, address));
    console.log(`${language} at ${server.url}/run`);
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    await server.close();
  },
};
