import type { Tool as AiTool, ToolSet } from 'ai';
import { callTool } from './call-tool.js';
import type { CallToolOptions } from './call-tool.js';
import { adaptTool } from './foreign-tool.js';
import type { ParsedInput } from './foreign-tool.js';
import { inputJsonSchema } from './input-json-schema.js';
import { loadPeer } from './peer.js';
import { field } from './shape.js';
import { ToolError } from './tool.js';
import type { Tool, ToolContext } from './tool.js';

const { asSchema, jsonSchema, tool: aiTool } = await loadPeer('@tapo/tools/ai-sdk', 'ai', () => import('ai'));

/**
 * Tools of the AI SDK (`ai` 5 and later), as they are: `tools` is what one gives to `generateText`. Streamed results
 * count with their last value; `toModelOutput` says how the policy sees a result.
 * @throws if a tool has no `execute` (it runs at a provider or in a browser), or needs a human's approval
 */
export async function fromAISDK(tools: ToolSet): Promise<Tool[]> {
  return Promise.all(Object.entries(tools).map(([name, tool]) => adapt(name, tool as AiTool)));
}

async function adapt(name: string, tool: AiTool): Promise<Tool> {
  const { execute, description, needsApproval } = tool;
  if (!execute) throw new TypeError(`fromAISDK: tool ${name} has no execute, so nothing here can run it; leave it out`);
  if (needsApproval === true)
    throw new TypeError(`fromAISDK: tool ${name} needs approval, and no one is there to give it`);
  const schema = asSchema<unknown>(tool.inputSchema);
  return adaptTool({
    name,
    description,
    schema: (await schema.jsonSchema) as Record<string, unknown>,
    parse: async (input): Promise<ParsedInput> => {
      const result = await schema.validate?.(input);
      if (!result) return { value: input };
      return result.success ? { value: result.value } : { issues: issuesOf(result.error) };
    },
    async execute(input, context) {
      const options = { toolCallId: context.toolCallId, messages: [], abortSignal: context.signal };
      if (typeof needsApproval === 'function' && (await needsApproval(input, options))) {
        throw new ToolError('refused', `This call of ${name} needs approval.`);
      }
      const output = await lastOf(await execute(input, options));
      return tool.toModelOutput ? modelOutput(await tool.toModelOutput({ ...context, input, output })) : output;
    },
  });
}

async function lastOf(result: unknown): Promise<unknown> {
  if (typeof result !== 'object' || result === null || !(Symbol.asyncIterator in result)) return result;
  let last: unknown;
  for await (const value of result as AsyncIterable<unknown>) last = value;
  return last;
}

type ModelOutput = Awaited<ReturnType<NonNullable<AiTool['toModelOutput']>>>;

function modelOutput(output: ModelOutput): unknown {
  switch (output.type) {
    case 'text':
    case 'json':
      return output.value;
    case 'error-text':
      throw new ToolError('error', output.value);
    case 'error-json':
      throw new ToolError('error', JSON.stringify(output.value));
    case 'execution-denied':
      throw new ToolError('refused', output.reason ?? 'The call was denied.');
    default:
      return output.value.map((part) => (part.type === 'text' ? part.text : `[${part.type}]`)).join('\n');
  }
}

/** The complaints of zod and its like, which the AI SDK wraps or hands on. */
function issuesOf(error: Error): { message: string; path?: PropertyKey[] }[] {
  const { issues } = (field(error, 'issues') ? error : (error.cause ?? {})) as { issues?: unknown };
  return Array.isArray(issues) ? issues : [{ message: error.message }];
}

/**
 * A tool of ours for `generateText` and `streamText`. What is no `ok` here is thrown there, so that the model sees an
 * error with the observation as its text.
 */
export function toAISDK(tool: Tool, options: Pick<CallToolOptions, 'timeoutMs' | 'maxObservationLength'> = {}) {
  const rolloutId = `ai-sdk-${Math.random().toString(36).slice(2)}`;
  return aiTool<unknown, string>({
    description: tool.description,
    // validated by callTool, whose complaints are meant for models
    inputSchema: jsonSchema(inputJsonSchema(tool)),
    execute: async (
      input: unknown,
      { toolCallId, abortSignal }: Pick<ToolContext, 'toolCallId'> & { abortSignal?: AbortSignal },
    ) => {
      const result = await callTool(tool, input, { ...options, toolCallId, rolloutId, signal: abortSignal });
      if (result.status !== 'ok') throw new Error(result.observation);
      return result.observation;
    },
  });
}
