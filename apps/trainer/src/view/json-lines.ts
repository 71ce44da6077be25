import { open } from 'node:fs/promises';

/** Where a line is in its file, without its line feed. */
export interface LineSpan {
  offset: number;
  length: number;
}

/** The lines that a line feed ends: one that is still being written is not there yet. */
export function lineSpans(buffer: Buffer): LineSpan[] {
  const spans: LineSpan[] = [];
  for (let offset = 0; ;) {
    const end = buffer.indexOf(10, offset);
    if (end < 0) return spans;
    if (end > offset) spans.push({ offset, length: end - offset });
    offset = end + 1;
  }
}

/** Inside a JSON string a quote is escaped, so these characters are a key wherever they stand. */
const tokenColumn = /,"(?:tokens|lossMask|rolloutLogprobs|oldLogprobs|logprobs)":\[[^\]]*\]/g;

/** A trajectory record without its token columns, which are most of its bytes; undefined when it is no JSON object. */
export function parseWithoutTokens(line: string): Record<string, unknown> | undefined {
  return parseObject(line.replaceAll(tokenColumn, ''));
}

export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Reads one line. */
export async function readSpan(file: string, { offset, length }: LineSpan): Promise<string> {
  const handle = await open(file);
  try {
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await handle.read(buffer, 0, length, offset);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
