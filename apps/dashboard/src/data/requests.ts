import { findInAnswers } from './find-in-answers.js';

/** In a page written by `tapo view --export` the answers are inside; elsewhere the server is asked. */
const answersText = document.getElementById('answers')?.textContent;
const answers = answersText ? (JSON.parse(answersText) as Record<string, unknown>) : undefined;

export const isExported = answers !== undefined;

/** Asks for a path below `api/`. @throws with words for the reader */
export async function request<T>(path: string, { signal }: { signal?: AbortSignal } = {}): Promise<T> {
  if (answers) return answered(answers, path) as T;
  const response = await fetch(`api/${path}`, signal ? { signal } : {}).catch((error: unknown) => {
    if (signal?.aborted) throw error;
    throw new Error('The server does not answer. Is tapo view still running?');
  });
  const value = (await response.json()) as { error?: string };
  if (!response.ok) throw new Error(response.status === 404 ? 'There is no such thing here.' : value.error);
  return value as T;
}

function answered(from: Record<string, unknown>, path: string): unknown {
  const [name = '', query = ''] = path.split('?');
  const find = /^(runs\/[^/]+)\/find$/.exec(name);
  if (find) return findInAnswers(from, find[1] as string, new URLSearchParams(query));
  const value = from[/\/(metrics|evaluations)$/.test(name) ? name : path];
  if (value === undefined) throw new Error('This was left out of the exported page.');
  return value;
}

/** `runs/ID`, for paths. */
export function runPath(id: string): string {
  return `runs/${encodeURIComponent(id)}`;
}
