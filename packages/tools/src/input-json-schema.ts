import type { StandardJSONSchemaV1 } from '@standard-schema/spec';
import type { Tool } from './tool.js';

/** A JSON Schema as plain JSON. */
export type JsonSchema = Record<string, unknown>;

/**
 * The JSON Schema of a tool's input, always of an object, for function calls: chat templates, AI SDK, MCP.
 * A tool that takes text is offered as `{input: string}`, and `callTool` unwraps it again.
 * @throws if the tool's schema library does not say it: arktype ≥ 2.1.28, zod ≥ 4.2 and `fromJsonSchema` do
 */
export function inputJsonSchema(tool: Pick<Tool, 'name' | 'inputSchema'>): JsonSchema {
  if (!tool.inputSchema) return objectWithInput({ type: 'string' });
  const standard: Partial<StandardJSONSchemaV1.Props> = tool.inputSchema['~standard'];
  if (!standard.jsonSchema) {
    throw new TypeError(
      `tool ${tool.name}: its inputSchema (${standard.vendor}) has no JSON Schema form; wanted a Standard JSON Schema: ` +
        'arktype >= 2.1.28, zod >= 4.2, valibot through toStandardJsonSchema of @valibot/to-json-schema, or fromJsonSchema',
    );
  }
  const { $schema: _, ...schema } = standard.jsonSchema.input({ target: 'draft-07' });
  return schema['type'] === 'object' ? schema : objectWithInput(schema);
}

function objectWithInput(schema: JsonSchema): JsonSchema {
  return { type: 'object', properties: { input: schema }, required: ['input'] };
}
