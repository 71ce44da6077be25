// Tools as users of other libraries have them; the trainer's configs name this module.
import { tool as langChainTool } from '@langchain/core/tools';
import { createTool } from '@mastra/core/tools';
import { tool as agentsTool } from '@openai/agents';
import { tool as aiTool } from 'ai';
import { z } from 'zod';

const description = 'Repeats.';
const schema = z.object({ text: z.string() });
const says = (library: string, text: string) => `${library} heard ${text}`;

export const aiTools = {
  ai: aiTool({ description, inputSchema: schema, execute: ({ text }) => says('ai', text) }),
  shout: aiTool({ description, inputSchema: schema, execute: ({ text }) => text.toUpperCase() }),
};
export const agentTools = [
  agentsTool({ name: 'agent', description, parameters: schema, execute: ({ text }) => says('agent', text) }),
];
export const chainTools = () => [
  langChainTool(({ text }) => says('chain', text), { name: 'chain', description, schema }),
];
export const mastraTools = {
  mastra: createTool({
    id: 'mastra',
    description,
    inputSchema: schema,
    execute: async ({ context }) => says('mastra', context.text),
  }),
};
