import type { FunctionTool, RunContext as Context } from '@openai/agents';
import { adaptTool } from './foreign-tool.js';
import { loadPeer } from './peer.js';
import { ToolError } from './tool.js';
import type { Tool } from './tool.js';

const { RunContext } = await loadPeer('@tapo/tools/openai-agents', '@openai/agents', () => import('@openai/agents'));

export interface FromOpenAIAgentsOptions {
  /** what the tools find as `runContext.context` */
  context?: unknown;
}

/**
 * Function tools of the OpenAI Agents SDK, as they are. Their default `errorFunction` turns an exception into a text, so
 * such a call ends as `ok`; make the tool with `errorFunction: null` to have failures counted as failures.
 * @throws for hosted tools (web search, computer use): they run at the provider
 */
export function fromOpenAIAgents(
  tools: readonly FunctionTool<never, never, unknown>[],
  { context = {} }: FromOpenAIAgentsOptions = {},
): Tool[] {
  return tools.map((tool) => {
    if (tool.type !== 'function') {
      throw new TypeError(
        `fromOpenAIAgents: got a tool of type ${String((tool as { type: string }).type)}, wanted "function": it runs at the provider`,
      );
    }
    return adaptTool({
      name: tool.name,
      description: tool.description,
      schema: tool.parameters as unknown as Record<string, unknown>,
      async execute(input, { toolCallId, signal }) {
        const runContext = new RunContext(context) as Context<never>;
        if (await tool.needsApproval(runContext, input as never, toolCallId)) {
          throw new ToolError('refused', `This call of ${tool.name} needs approval.`);
        }
        return tool.invoke(runContext, JSON.stringify(input), { signal });
      },
    });
  });
}
