/** JSON files of models; errors say where. */
import { readFile } from 'node:fs/promises';

/** Parses a JSON file. @throws naming it, what is missing without it, and the line and column where it stops being JSON */
export async function readJson(path: string, need = 'a model directory needs this file'): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`${path}: cannot read (${cause.code}); ${need}`, { cause });
  });
  return parseJson(text, path);
}

/** Parses JSON. @throws naming `source`, line and column */
export function parseJson(text: string, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const before = text.slice(0, jsonErrorOffset(text)).split('\n');
    const place = `${source}:${before.length}:${(before.at(-1) as string).length + 1}`;
    throw new Error(`${place}: not valid JSON: ${(cause as Error).message}`, { cause });
  }
}

const lexeme =
  /[ \t\r\n]*(?:([{}[\],:])|("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/y; // oxlint-disable-line no-control-regex

/** Where a text stops being JSON: V8's messages do not always say. A value, key or mark that may not stand there, or the end. */
function jsonErrorOffset(text: string): number {
  const open: ('{' | '[')[] = [];
  /** what may come next */
  let wanted: 'value' | 'value or end' | 'key' | 'key or end' | 'colon' | 'comma or end' = 'value';
  lexeme.lastIndex = 0;
  for (;;) {
    const start = lexeme.lastIndex + (/^[ \t\r\n]*/.exec(text.slice(lexeme.lastIndex))?.[0].length ?? 0);
    const [, mark, value] = lexeme.exec(text) ?? [];
    const inside = open.at(-1);
    const closes = mark === (inside === '{' ? '}' : ']') && inside !== undefined && wanted.endsWith('end');
    if (closes) {
      open.pop();
      wanted = 'comma or end';
    } else if (wanted.startsWith('value') && (mark === '{' || mark === '[')) {
      open.push(mark);
      wanted = mark === '{' ? 'key or end' : 'value or end';
    } else if (wanted.startsWith('value') && value !== undefined) wanted = 'comma or end';
    else if (wanted.startsWith('key') && value?.startsWith('"')) wanted = 'colon';
    else if (wanted === 'colon' && mark === ':') wanted = 'value';
    else if (wanted === 'comma or end' && mark === ',' && inside) wanted = inside === '{' ? 'key' : 'value';
    else return start;
  }
}
