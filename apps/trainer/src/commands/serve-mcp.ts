import { once } from 'node:events';
import type { Command } from '../cli/command.js';
import { integerOption, textOption, UsageError } from '../cli/command.js';
import { toolNames } from '../tools/named-tools.js';
import { asListenError } from '../cli/listen-error.js';
import { openTools } from '../tools/toolbox.js';

export const serveMcpCommand: Omit<Command, 'summary'> = {
  options: {
    tools: {
      type: 'string',
      value: 'NAMES',
      description: `with commas between (default search,python): ${toolNames.join(', ')}, modules, packages`,
    },
    port: {
      type: 'string',
      short: 'p',
      value: 'N',
      description: 'streamable HTTP at /mcp instead of standard input and output; 0 = any free one',
    },
    host: {
      type: 'string',
      value: 'ADDRESS',
      description: 'default 127.0.0.1: this machine only; there is no authentication',
    },
  },
  details: 'Needs @modelcontextprotocol/sdk beside it. Over standard input and output it ends with its client.',
  examples: ['tapo serve-mcp --tools search', 'tapo serve-mcp --tools javascript --port 8123'],
  async run(input) {
    const { serveMCPOverHTTP, serveMCPOverStdio } = await import('@tapo/tools/mcp-server').catch((error: unknown) => {
      throw new UsageError('serve-mcp needs the MCP SDK', 'npm install @modelcontextprotocol/sdk', { cause: error });
    });
    const names = (textOption(input, 'tools') ?? 'search,python').split(',').map((name) => name.trim());
    const { tools } = await openTools(names.filter(Boolean));
    const repeated = tools.find(({ name }, index) => tools.findIndex((tool) => tool.name === name) < index);
    if (repeated) throw new UsageError(`two tools are named "${repeated.name}"`, 'serve them at two ports');
    const port = integerOption(input, 'port');
    const host = textOption(input, 'host');
    const address = host === undefined ? {} : { host };
    const service =
      port === undefined
        ? await serveMCPOverStdio(tools)
        : await serveMCPOverHTTP(tools, { ...address, port }).catch((error: unknown) =>
            asListenError(error, { ...address, port }),
          );
    // standard output belongs to the protocol unless there is a port
    if (service.url !== undefined) console.log(`${tools.map(({ name }) => name).join(', ')} at ${service.url}`);
    await Promise.race([service.closed, once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    await service.close();
  },
};
