import type { StandardSchemaV1 } from '@standard-schema/spec';
import { fromJsonSchema } from './json-schema.js';
import type { JsonSchema } from './json-schema.js';
import type { Tool, ToolContext } from './tool.js';

/** What the adapters share: a tool of another library, described by a JSON Schema and called with an object. */
interface ForeignTool {
  name: string;
  description: string | undefined;
  schema: JsonSchema;
  /** the library's own check after the schema's: refinements, defaults, transforms */
  parse?: (input: unknown) => Promise<ParsedInput>;
  execute(input: unknown, context: ToolContext): Promise<unknown>;
  toObservation?: (output: unknown) => string;
  close?: () => Promise<void>;
}

export type ParsedInput = StandardSchemaV1.Result<unknown>;

/** A name that other libraries allow may not do as a tag: "files/read v2" becomes "files_read_v2". */
function tagOf(name: string): string {
  const tag = name.replaceAll(/[^\w-]/g, '_');
  return /^[A-Za-z]/.test(tag) ? tag : `t${tag}`;
}

export function adaptTool({ name, description, schema, parse, execute, toObservation, close }: ForeignTool): Tool {
  const byJsonSchema = fromJsonSchema(schema)['~standard'];
  const validate = async (value: unknown): Promise<ParsedInput> => {
    const checked = await byJsonSchema.validate(value);
    return checked.issues || !parse ? checked : parse(checked.value);
  };
  const tag = tagOf(name);
  return {
    name,
    ...(tag !== name && { tag }),
    description: description?.trim() || `Calls ${name}.`,
    inputSchema: { '~standard': { ...byJsonSchema, validate } } as NonNullable<Tool['inputSchema']>,
    execute,
    ...(toObservation && { toObservation }),
    ...(close && { close }),
  };
}
