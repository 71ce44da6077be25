import { inspect } from 'node:util';
import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { JsonSchema } from './input-json-schema.js';

export type { JsonSchema } from './input-json-schema.js';

/** A schema that both validates and shows itself as JSON Schema. */
export type JsonSchemaInput<Input> = StandardSchemaV1<unknown, Input> & StandardJSONSchemaV1<unknown, Input>;

const OPTIONS = { strict: false, allErrors: true, validateFormats: false, logger: false } as const;

/**
 * Makes a tool's `inputSchema` from a JSON Schema (draft-07, or 2020-12 where `$schema` says so).
 *
 * Where exactly one property must be text and no other is required, plain text is taken for it: a policy that knows
 * only tags writes `<search>chad</search>`, and the tool gets `{query: 'chad'}`. Text that is a JSON object stays one.
 * @throws if it is no schema, is itself invalid, or refers to what is not in it
 */
export function fromJsonSchema<Input = unknown>(schema: JsonSchema): JsonSchemaInput<Input> {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) {
    const got = inspect(schema, { breakLength: Infinity });
    throw new TypeError(`fromJsonSchema: got ${got}, wanted a JSON Schema: {type: 'object', properties: {…}}`);
  }
  const ajv = String(schema['$schema'] ?? '').includes('2020-12') ? new Ajv2020(OPTIONS) : new Ajv(OPTIONS);
  const { $schema: _, ...plain } = schema;
  const validate = ajv.compile<Input>(plain);
  const textProperty = onlyTextProperty(schema);
  const asJson = () => schema;
  return {
    '~standard': {
      version: 1,
      vendor: 'json-schema',
      validate(value) {
        const input =
          textProperty && typeof value === 'string' ? (jsonObject(value) ?? { [textProperty]: value }) : value;
        if (validate(input)) return { value: input };
        return { issues: (validate.errors ?? []).map(issueOf) };
      },
      jsonSchema: { input: asJson, output: asJson },
    },
  };
}

interface AjvError {
  instancePath: string;
  message?: string;
  params: Record<string, unknown>;
}

/** "must be string" at `a.b`; names what must not be there, and what may. */
function issueOf({ instancePath, message = 'is invalid', params }: AjvError): StandardSchemaV1.Issue {
  const path = instancePath.split('/').slice(1);
  const extra = params['additionalProperty'];
  const allowed = params['allowedValues'];
  const detail = typeof extra === 'string' ? ` ("${extra}")` : allowed ? `: ${JSON.stringify(allowed)}` : '';
  return { message: message + detail, ...(path.length > 0 && { path }) };
}

function onlyTextProperty({ properties, required }: JsonSchema): string | undefined {
  if (typeof properties !== 'object' || properties === null || !Array.isArray(required)) return undefined;
  const [name] = required as string[];
  const property = (properties as Record<string, JsonSchema>)[name ?? ''];
  return required.length === 1 && property?.['type'] === 'string' ? name : undefined;
}

function jsonObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
