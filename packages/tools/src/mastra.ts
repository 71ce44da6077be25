import { adaptTool } from './foreign-tool.js';
import { inputJsonSchema } from './input-json-schema.js';
import { field } from './shape.js';
import { ToolError } from './tool.js';
import type { Tool, ToolContext } from './tool.js';

/** What is needed of a Mastra tool, 0.x or 1.x. */
export interface MastraTool {
  id: string;
  description?: string;
  inputSchema?: unknown;
  requireApproval?: unknown;
  /** a function; the two majors disagree about its arguments */
  execute?: unknown;
}

/**
 * Tools of Mastra (`createTool`), as they are: a list, or the record that agents take.
 * @throws if a tool has no `execute` or needs a human's approval
 */
export function fromMastra(tools: readonly MastraTool[] | Readonly<Record<string, MastraTool>>): Tool[] {
  return Object.values(tools).map((tool: MastraTool) => {
    const { id, description, inputSchema, execute, requireApproval } = tool;
    if (typeof execute !== 'function')
      throw new TypeError(`fromMastra: tool ${id} has no execute, so nothing here can run it; leave it out`);
    if (requireApproval === true) {
      throw new TypeError(`fromMastra: tool ${id} needs approval, and no one is there to give it`);
    }
    // Mastra 0.x: execute({context}, options); 1.x: execute(input, context)
    const isFirstMajor = 'requestContextSchema' in tool;
    const call = execute as (...args: unknown[]) => Promise<unknown>;
    return adaptTool({
      name: id,
      description,
      schema: inputSchema
        ? inputJsonSchema({ name: id, inputSchema: inputSchema as NonNullable<Tool['inputSchema']> })
        : { type: 'object' },
      async execute(input, { toolCallId, signal }: ToolContext) {
        const options = { toolCallId, messages: [], abortSignal: signal };
        const output = isFirstMajor
          ? await call.call(tool, input, { abortSignal: signal })
          : await call.call(tool, { context: input }, options);
        // Mastra hands what its own validation rejects back as a value
        if (field(output, 'error') === true && field(output, 'validationErrors') !== undefined) {
          throw new ToolError('refused', String(field(output, 'message')));
        }
        return output;
      },
    });
  });
}
