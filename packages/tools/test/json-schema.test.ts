import { toStandardJsonSchema } from '@valibot/to-json-schema';
import { callTool, inputJsonSchema } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import { fromJsonSchema } from '@tapo/tools/json-schema';
import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const echo = (inputSchema?: Tool['inputSchema']): Tool => ({
  name: 'echo',
  description: 'Echoes.',
  execute: (input) => input,
  ...(inputSchema && { inputSchema }),
});
const object = {
  type: 'object',
  properties: { query: { type: 'string', minLength: 2 }, count: { type: 'integer' } },
  required: ['query'],
  additionalProperties: false,
};

describe('fromJsonSchema', () => {
  const tool = echo(fromJsonSchema(object));
  it.each([
    [{ query: 'chad' }, '{"query":"chad"}'],
    ['{"query": "chad", "count": 2}', '{"query":"chad","count":2}'],
    ['chad', '{"query":"chad"}'],
    ['[1]', '{"query":"[1]"}'],
  ])('takes %j', async (input, observation) => {
    expect(await callTool(tool, input)).toMatchObject({ status: 'ok', observation });
  });

  it.each([
    ['x', 'query: must NOT have fewer than 2 characters'],
    ['{}', "must have required property 'query'"],
    [{ query: 'chad', count: 1.5 }, 'count: must be integer'],
    [{ query: 'chad', c: 1 }, 'must NOT have additional properties ("c")'],
    [7, 'must be object'],
  ])('refuses %j', async (input, complaint) => {
    expect(await callTool(tool, input)).toMatchObject({
      status: 'refused',
      observation: `Invalid input for echo: ${complaint}`,
    });
  });

  it('says what may be chosen', async () => {
    const choice = echo(fromJsonSchema({ type: 'object', properties: { unit: { enum: ['km', 'mi'] } } }));
    expect((await callTool(choice, '{"unit":"m"}')).observation).toContain(
      'unit: must be equal to one of the allowed values: ["km","mi"]',
    );
  });

  it('knows draft 2020-12', async () => {
    const tuple = fromJsonSchema({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'array',
      prefixItems: [{ type: 'number' }, { type: 'string' }],
    });
    expect((await callTool(echo(tuple), '[1, "a"]')).status).toBe('ok');
    expect((await callTool(echo(tuple), '[1, 2]')).observation).toContain('1: must be string');
  });

  it('throws at an invalid schema', () => {
    expect(() => fromJsonSchema({ type: 'strin' })).toThrow(/type must be/);
    expect(() => fromJsonSchema({ $ref: '#/none' })).toThrow(/resolve/);
  });
});

describe('every schema library gives the same JSON Schema and understandable complaints:', () => {
  it.each([
    ['arktype', type({ query: 'string >= 2' })],
    ['zod', z.object({ query: z.string().min(2) })],
    ['valibot', toStandardJsonSchema(v.object({ query: v.pipe(v.string(), v.minLength(2)) }))],
    [
      'JSON Schema',
      fromJsonSchema({ type: 'object', properties: { query: { type: 'string', minLength: 2 } }, required: ['query'] }),
    ],
  ])('%s', async (_, schema) => {
    const tool = echo(schema);
    expect(inputJsonSchema(tool)).toEqual({
      type: 'object',
      properties: { query: { type: 'string', minLength: 2 } },
      required: ['query'],
    });
    expect((await callTool(tool, '{"query":"chad"}')).observation).toBe('{"query":"chad"}');
    const { status, observation } = await callTool(tool, '{"query":7}');
    expect(status).toBe('refused');
    expect(observation).toMatch(/^Invalid input for echo: query.*string/);
  });
});

describe('inputJsonSchema', () => {
  it('offers text tools as {input: string}, and callTool unwraps it', async () => {
    expect(inputJsonSchema(echo())).toEqual({
      type: 'object',
      properties: { input: { type: 'string' } },
      required: ['input'],
    });
    const short = echo(type('string <= 3'));
    expect(inputJsonSchema(short)['properties']).toEqual({ input: { type: 'string', maxLength: 3 } });
    expect((await callTool(short, { input: 'abc' })).observation).toBe('abc');
  });

  it('says what to do when a library has no JSON Schema form', () => {
    expect(() => inputJsonSchema(echo(v.object({ query: v.string() })))).toThrow(
      /tool echo: its inputSchema \(valibot\) has no JSON Schema form; wanted .* toStandardJsonSchema/,
    );
  });
});
