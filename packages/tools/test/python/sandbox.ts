import { randomUUID } from 'node:crypto';
import { afterAll, expect, it } from 'vitest';
import { callTool } from '@tapo/tools';
import type { Tool, ToolResult } from '@tapo/tools';
import { createPython } from '@tapo/tools/python';
import type { PythonOptions } from '@tapo/tools/python';

export type Run = (source: string, rolloutId?: string) => Promise<ToolResult>;

/** One pool, closed after all tests of a file, or after one with `onTestFinished`. Calls that outlive the tool's own limit end as another text. */
export function openSandbox(options: PythonOptions = {}, after: (close: () => Promise<void>) => void = afterAll): Run {
  const python = createPython({ workers: 1, spares: 1, ...options });
  after(async () => python.close?.());
  return (source, rolloutId = randomUUID()) => callTool(python as Tool, source, { rolloutId, timeoutMs: 60_000 });
}

/** What it tries to do, the program, and what must come of it. */
export type Attack = [name: string, source: string, observation: RegExp];

/** Each attack ends as said, and the call after it finds everything as new. */
export function attackTests(run: Run, attacks: readonly Attack[]): void {
  it.each(attacks)('%s', async (_name, source, observation) => {
    expect((await run(source)).observation).toMatch(observation);
    const next = await run('import os, sys\nprint(sum(range(10)), os.listdir(), len(sys.argv))');
    expect(next).toMatchObject({ status: 'ok', observation: '45 [] 1' });
  });
}

/**
 * Python source that gives itself `memory`, a bytearray over the whole WebAssembly memory: bytecode is not verified, so a
 * constant with an index beyond the constants can be a made-up object. What follows then shows what the wall holds without Python's help.
 */
export const TAKE_MEMORY = `
import struct, opcode, types
payload = struct.pack("<7I", 0x50000000, id(bytearray), 0x7fffffff, 0x7fffffff, 0, 0, 0)
holder = struct.pack("<I", id(payload) + 16)
op = opcode.opmap
def victim(): return None
def build(index):
    code = bytes([op["RESUME"], 0])
    for shift in (24, 16, 8): code += bytes([op["EXTENDED_ARG"], index >> shift & 255])
    code += bytes([op["LOAD_CONST"], index & 255, op["RETURN_VALUE"], 0])
    return victim.__code__.replace(co_code=code, co_stacksize=10)
index = ((id(holder) - id(build(0).co_consts)) // 4) & 0xffffffff
memory = types.FunctionType(build(index), {})()
assert memory[id(payload) + 16:id(payload) + 20] == b"\\x00\\x00\\x00\\x50"
`;
