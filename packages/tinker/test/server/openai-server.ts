import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a completion is asked with, in one form for every wire. */
export interface Asked {
  /** the base model, or the directory of an adapter */
  adapter: string | undefined;
  tokens: number[];
  maxTokens: number;
  temperature: number;
  stop: string[];
  seed: number;
}

export interface Answered {
  tokens: number[];
  logprobs: number[];
  ended: 'stop' | 'length';
}

export interface OpenAIServerOptions {
  complete(asked: Asked): Promise<Answered> | Answered;
  encode(text: string): number[];
  decode(tokens: readonly number[]): string;
  /** vLLM before 0.10.2 and other servers of the API: no ids in the reply */
  withoutIds?: boolean;
  /** asked before each request: a status to answer with, or `drop` */
  fault?: (path: string, count: number) => number | 'drop' | undefined;
  latencyMs?: number;
  port?: number;
}

type Body = Record<string, unknown>;

/** vLLM's and SGLang's HTTP interfaces, as far as rollouts need them, over a given model. Records what it was sent. */
export async function startOpenAIServer(options: OpenAIServerOptions) {
  const { complete, encode, decode, withoutIds = false, fault = () => undefined, latencyMs = 0 } = options;
  const adapters = new Map<string, string>();
  const log: { path: string; body: Body; authorization: string | undefined }[] = [];
  let count = 0;
  const strings = (value: unknown): string[] => (Array.isArray(value) ? (value as string[]) : []);

  function adapterOf(name: unknown): string | undefined | null {
    if (name === undefined || name === '' || name === 'toy') return undefined;
    return adapters.get(String(name)) ?? null;
  }

  async function vllm(body: Body): Promise<[number, unknown]> {
    const adapter = adapterOf(body['model']);
    if (adapter === null)
      return [404, { error: { message: `The model \`${String(body['model'])}\` does not exist.` } }];
    const { prompt } = body;
    const answered = await complete({
      adapter,
      tokens: typeof prompt === 'string' ? encode(prompt) : (prompt as number[]),
      maxTokens: Number(body['max_tokens']),
      temperature: Number(body['temperature']),
      stop: strings(body['stop']),
      seed: Number(body['seed']),
    });
    const text = decode(answered.tokens);
    const matched = strings(body['stop']).find((string) => text.endsWith(string));
    const ids = !withoutIds && body['return_token_ids'] === true;
    const choice = {
      index: 0,
      text:
        matched !== undefined && body['include_stop_str_in_output'] !== true ? text.slice(0, -matched.length) : text,
      finish_reason: answered.ended,
      ...(ids && { token_ids: answered.tokens, stop_reason: matched ?? null }),
      logprobs: body['logprobs'] === undefined || withoutIds ? null : { token_logprobs: answered.logprobs },
    };
    return [200, { object: 'text_completion', choices: [choice] }];
  }

  async function sglang(body: Body): Promise<[number, unknown]> {
    const adapter = adapterOf(body['lora_path']);
    if (adapter === null) return [404, { error: { message: `adapter ${String(body['lora_path'])} is not loaded` } }];
    const params = body['sampling_params'] as Body;
    const { tokens, logprobs, ended } = await complete({
      adapter,
      tokens: body['input_ids'] as number[],
      maxTokens: Number(params['max_new_tokens']),
      temperature: Number(params['temperature']),
      stop: strings(params['stop']),
      seed: Number(params['sampling_seed']),
    });
    const output = tokens.map((token, i) => [logprobs[i], token, null]);
    const info = { finish_reason: { type: ended }, output_token_logprobs: output, completion_tokens: tokens.length };
    return [200, { text: decode(tokens), output_ids: tokens, meta_info: info }];
  }

  function load(body: Body): [number, unknown] {
    const [name, directory] = [String(body['lora_name']), String(body['lora_path'])];
    if (adapters.has(name)) return [400, { error: { message: `${name} has already been loaded.` } }];
    if (!existsSync(directory)) return [404, { error: { message: `no adapter in ${directory}` } }];
    adapters.set(name, directory);
    return [200, { success: true }];
  }

  function unload(body: Body): [number, unknown] {
    return adapters.delete(String(body['lora_name'])) ? [200, {}] : [404, { error: { message: 'not loaded' } }];
  }

  async function answer(path: string, body: Body): Promise<[number, unknown]> {
    if (path === '/v1/models') return [200, { data: [{ id: 'toy' }, ...[...adapters.keys()].map((id) => ({ id }))] }];
    if (path === '/v1/completions') return vllm(body);
    if (path === '/generate') return sglang(body);
    if (/^(\/v1)?\/load_lora_adapter$/.test(path)) return load(body);
    if (/^(\/v1)?\/unload_lora_adapter$/.test(path)) return unload(body);
    if (path === '/update_weights_from_disk') {
      const directory = String(body['model_path']);
      return [200, existsSync(directory) ? { success: true } : { success: false, message: `${directory} not found` }];
    }
    return [404, { detail: 'Not Found' }];
  }

  const http = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const text = Buffer.concat(chunks).toString();
      const body = (text === '' ? {} : JSON.parse(text)) as Body;
      const path = request.url ?? '';
      log.push({ path, body, authorization: request.headers.authorization });
      const wrong = fault(path, ++count);
      if (wrong === 'drop') return void request.socket.destroy();
      if (latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, latencyMs));
      const [status, reply] = wrong === undefined ? await answer(path, body) : [wrong, { detail: 'injected' }];
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(reply));
    })().catch((error: Error) => response.writeHead(500).end(JSON.stringify({ detail: error.stack })));
  });
  await new Promise<void>((resolve) => http.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    log,
    adapters,
    async close() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}
