import { codeObservation } from './code-observations.js';
import { checkUrl, createHttpClient } from './http.js';
import type { HttpOptions } from './http.js';
import { field, wrongShape } from './shape.js';
import type { Tool } from './tool.js';

export interface CreateCodeServerOptions extends HttpOptions {
  /** for example `http://127.0.0.1:8080/run` */
  url: string;
  headers?: Record<string, string>;
  /** default `code` */
  name?: string;
  description?: string;
  /** what the server allows (METHOD §5: 2 s); only said, never enforced from here */
  timeLimitMs?: number;
  /** UTF-16 units shown; more is cut in the middle */
  maxOutputLength?: number;
}

const DESCRIPTION = 'Runs Python: write a short program and print the result.';

/** Runs code on a server that speaks the reference's protocol: `POST {code}` → `{stdout, finished, time}`. */
export function createCodeServer(options: CreateCodeServerOptions): Tool<string, string>;
export function createCodeServer({
  url,
  headers = {},
  name = 'code',
  description = DESCRIPTION,
  timeLimitMs = 2_000,
  maxOutputLength = 2_000,
  ...options
}: Partial<CreateCodeServerOptions> = {}): Tool<string, string> {
  checkUrl('createCodeServer', url);
  const http = createHttpClient(options, Object.values(headers));
  const texts = { printExample: 'print(x)', timeLimitMs, memoryLimitBytes: Infinity, maxOutputLength };
  return {
    name,
    description,
    async execute(code, { signal }) {
      const answer = await http.json({ url, body: { code }, headers, signal });
      const [stdout, finished] = [field(answer, 'stdout'), field(answer, 'finished')];
      if (typeof stdout !== 'string' || typeof finished !== 'boolean') {
        throw wrongShape('The code server', '{stdout: string, finished: boolean}', answer);
      }
      return codeObservation({ outcome: finished ? 'finished' : 'time-limit', stdout }, texts);
    },
    close: () => http.close(),
  };
}
