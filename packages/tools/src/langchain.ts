import type { StructuredToolInterface } from '@langchain/core/tools';
import { adaptTool } from './foreign-tool.js';
import { loadPeer } from './peer.js';
import { field } from './shape.js';
import type { Tool } from './tool.js';

const { toJsonSchema } = await loadPeer(
  '@tapo/tools/langchain',
  '@langchain/core',
  () => import('@langchain/core/utils/json_schema'),
);

/** Tools of LangChain.js (`tool(…)`, `DynamicStructuredTool`, toolkits), as they are. */
export function fromLangChain(tools: readonly StructuredToolInterface[]): Tool[] {
  return tools.map((tool) =>
    adaptTool({
      name: tool.name,
      description: tool.description,
      schema: toJsonSchema(tool.schema as never) as Record<string, unknown>,
      execute: (input, { signal }) => tool.invoke(input as never, { signal }),
      toObservation: textOf,
    }),
  );
}

/** A result is text, a `ToolMessage`, or content blocks of which the text counts. */
function textOf(output: unknown): string {
  const content = field(output, 'content') ?? output;
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return JSON.stringify(content) ?? '';
  const texts = content.map((block) => field(block, 'text') ?? `[${String(field(block, 'type') ?? typeof block)}]`);
  return content.every((block) => field(block, 'type')) ? texts.join('\n') : JSON.stringify(content);
}
