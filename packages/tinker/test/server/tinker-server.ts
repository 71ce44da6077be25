import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { AdamParams, Datum, SamplingParams } from '@tapo/tinker';
import {
  adamStep,
  backwardPass,
  copyState,
  forwardPass,
  sampleTokens,
  toyParameters,
  type ToyState,
} from './toy-model.js';
import { toyTokenizer } from './toy-tokenizer.js';

export interface ServerDialect {
  reduction: 'sum' | 'datum-mean';
  /** how a pending future answers: an HTTP 408, or 200 with `try_again` */
  pending: '408' | 'try_again';
  /** a result is gone once it was fetched */
  resultOnce: boolean;
  /** status of an accepted submission */
  accepted: 200 | 201;
}

/** What goes wrong: asked before each request; `drop` cuts the connection, `drop-reply` after the work was done. */
export type Fault =
  'drop' | 'drop-reply' | { status: number; headers?: Record<string, string>; body?: unknown } | undefined;

export interface TinkerServerOptions extends Partial<ServerDialect> {
  fault?: (path: string, count: number) => Fault;
  /** polls of a future answered "pending" before its result */
  pendingPolls?: number;
  latencyMs?: number;
  seed?: number;
  port?: number;
  /** named checkpoints outlive a server, as files do */
  checkpoints?: Map<string, ToyState>;
}

interface RemoteModel {
  state: ToyState;
  gradients: Record<string, Float32Array>;
  datums: number;
  /** request by sequence number, to recognise repeats */
  seen: Map<number, { body: string; requestId: string }>;
  used: boolean;
}

type Body = Record<string, unknown>;

/** A sampler checkpoint as SkyRL packs it: PEFT's two files, in a tar as Python's `tarfile` writes it. */
function adapterTar({ steps }: ToyState): Buffer {
  const file = (name: string, content: Buffer, kind = '0'): Buffer => {
    const header = Buffer.alloc(512);
    header.write(name.slice(0, 100), 0);
    header.write('0000644\0', 100);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write(kind, 156);
    header.write('ustar  \0', 257);
    const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
    return Buffer.concat([header, content, padding]);
  };
  const weights = Buffer.from(`weights after ${steps} steps`);
  const long = `nested/${'long-'.repeat(25)}name.txt`;
  return Buffer.concat([
    file('adapter_config.json', Buffer.from('{"peft_type":"LORA"}')),
    file('adapter_model.safetensors', weights),
    // GNU: a name over 100 bytes comes in an entry of its own
    file('././@LongLink', Buffer.from(`${long}\0`), 'L'),
    file(long, Buffer.from('long')),
    Buffer.alloc(1024),
  ]);
}

/** A Tinker server in this process with a real small model behind it. Records what it was sent. */
export async function startTinkerServer(options: TinkerServerOptions = {}) {
  const { reduction = 'sum', pending = '408', resultOnce = false, accepted = 200 } = options;
  const { fault = () => undefined, pendingPolls = 0, latencyMs = 0, seed = 1, checkpoints = new Map() } = options;
  const models = new Map<string, RemoteModel>();
  const samplers = new Map<string, ToyState>();
  const archives = new Map<string, ToyState>();
  const futures = new Map<string, { polls: number; result: Body; status: number }>();
  const log: { path: string; body: Body }[] = [];
  const counts = new Map<string, number>();
  let ids = 0;

  class Refusal extends Error {
    constructor(
      readonly status: number,
      message: string,
    ) {
      super(message);
    }
  }

  function future(result: Body, status = 200): Body {
    const requestId = `request-${++ids}`;
    futures.set(requestId, { polls: 0, result, status });
    return { request_id: requestId };
  }

  function modelOf(body: Body): RemoteModel {
    const model = models.get(String(body.model_id));
    if (!model) throw new Refusal(404, `model ${String(body.model_id)} not found`);
    return model;
  }

  /** The work of a model's numbered request, done once: a repeat gets the first one's future, another body a 409. */
  function numbered(body: Body, work: (model: RemoteModel) => Body): Body {
    const model = modelOf(body);
    const number = Number(body.seq_id);
    const text = JSON.stringify(body);
    const before = model.seen.get(number);
    if (before) {
      if (before.body !== text) throw new Refusal(409, `seq_id ${number} was used for another request`);
      if (futures.has(before.requestId)) return { request_id: before.requestId };
    }
    const envelope = future(before ? { error: 'result is gone', category: 'user' } : work(model));
    model.seen.set(number, { body: text, requestId: String(envelope.request_id) });
    model.used = true;
    return envelope;
  }

  const outputs = (logprobs: number[][]): Body => ({
    loss_fn_outputs: logprobs.map((data) => ({ logprobs: { data, dtype: 'float32', shape: [data.length] } })),
    metrics: {},
  });

  interface Pass {
    data: Datum[];
    loss_fn: string;
    loss_fn_config: Record<string, number> | null;
  }

  const routes: Record<string, (body: Body) => Body> = {
    'GET /healthz': () => ({ status: 'ok' }),
    'GET /get_server_capabilities': () => ({ supported_models: [{ model_name: 'toy' }] }),
    'POST /create_session': () => ({ session_id: `session-${++ids}` }),
    'POST /session_heartbeat': () => ({}),
    'POST /create_model': (body) => {
      if (body.base_model !== 'toy') throw new Refusal(422, `base_model ${String(body.base_model)} is not served`);
      const modelId = `model-${++ids}`;
      const state: ToyState = { parameters: toyParameters(seed), moments: {}, steps: 0 };
      models.set(modelId, { state, gradients: {}, datums: 0, seen: new Map(), used: false });
      return future({ model_id: modelId });
    },
    'POST /forward': (body) =>
      numbered(body, ({ state }) => outputs(forwardPass(state, (body.forward_input as Pass).data))),
    'POST /forward_backward': (body) =>
      numbered(body, (model) => {
        const { data, loss_fn: lossFn, loss_fn_config: config } = body.forward_backward_input as Pass;
        const { gradients, logprobs } = backwardPass(model.state, data, { lossFn, config, reduction });
        for (const [name, gradient] of Object.entries(gradients)) {
          const sum = (model.gradients[name] ??= new Float32Array(gradient.length));
          gradient.forEach((g, i) => (sum[i] = (sum[i] ?? 0) + g));
        }
        model.datums += data.length;
        return outputs(logprobs);
      }),
    'POST /optim_step': (body) =>
      numbered(body, (model) => {
        const divisor = reduction === 'datum-mean' ? model.datums : 1;
        const gradients = Object.fromEntries(
          Object.entries(model.gradients).map(([name, gradient]) => [name, gradient.map((g) => g / divisor)]),
        );
        server.lastGradients = gradients;
        const norm = adamStep(model.state, gradients, body.adam_params as AdamParams);
        model.gradients = {};
        model.datums = 0;
        return { metrics: { 'skyrl.ai/grad_norm': norm } };
      }),
    'POST /save_weights': (body) => {
      const path = `tinker://${String(body.model_id)}/weights/${String(body.path)}`;
      if (checkpoints.has(path)) throw new Refusal(409, `${path} exists`);
      return numbered(body, ({ state }) => {
        checkpoints.set(path, copyState(state));
        return { path };
      });
    },
    'POST /load_weights': (body) => {
      if (modelOf(body).used) throw new Refusal(400, 'load_weights must be the first request of a model');
      const saved = checkpoints.get(String(body.path));
      if (!saved) throw new Refusal(404, `${String(body.path)} not found`);
      return numbered(body, (model) => {
        model.state = copyState(saved);
        return {};
      });
    },
    'POST /save_weights_for_sampler': (body) =>
      numbered(body, ({ state }) => {
        if (typeof body.path === 'string') {
          archives.set(`/training_runs/${String(body.model_id)}/checkpoints/${body.path}`, copyState(state));
          return { path: `tinker://${String(body.model_id)}/sampler_weights/${body.path}` };
        }
        const id = `sampler-${++ids}`;
        samplers.set(id, copyState(state));
        return { path: null, sampling_session_id: id };
      }),
    'POST /asample': (body) => {
      const state = samplers.get(String(body.sampling_session_id));
      if (!state) throw new Refusal(404, 'unknown sampling session');
      const params = body.sampling_params as SamplingParams;
      const prompt = (body.prompt as { chunks: { tokens: number[] }[] }).chunks.flatMap(({ tokens }) => tokens);
      const stop = (params.stop ?? []) as string[];
      const sequences = Array.from({ length: Number(body.num_samples) }, (_, i) => {
        const { tokens, logprobs, stopReason } = sampleTokens(state, prompt, {
          maxTokens: params.max_tokens,
          temperature: params.temperature,
          seed: (params.seed ?? 0) + i,
          stops: (sampled) => stop.some((string) => toyTokenizer.decode(sampled).endsWith(string)),
        });
        return { tokens, logprobs, stop_reason: stopReason };
      });
      return future({ sequences });
    },
    'POST /unload_model': (body) => {
      modelOf(body);
      models.delete(String(body.model_id));
      return future({ model_id: body.model_id });
    },
  };

  function retrieve(body: Body): { status: number; body: Body } {
    const id = String(body.request_id);
    const entry = futures.get(id);
    if (!entry) return { status: 404, body: { detail: `unknown request ${id}` } };
    if (entry.polls++ < pendingPolls) {
      if (pending === 'try_again')
        return { status: 200, body: { type: 'try_again', queue_state: 'active', retry_after_ms: 1 } };
      return { status: 408, body: { detail: 'pending' } };
    }
    if (resultOnce) futures.delete(id);
    return { status: entry.status, body: entry.result };
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const body = (text === '' ? {} : JSON.parse(text)) as Body;
    const path = (request.url ?? '').replace('/api/v1', '');
    const count = (counts.get(path) ?? 0) + 1;
    counts.set(path, count);
    log.push({ path, body });
    const wrong = fault(path, count);
    if (wrong === 'drop') return void request.socket.destroy();
    const send = (status: number, reply: unknown, headers: Record<string, string> = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(reply));
    };
    if (typeof wrong === 'object') return send(wrong.status, wrong.body ?? { detail: 'injected' }, wrong.headers);
    if (path.endsWith('/archive')) {
      const location = `http://${request.headers.host}/api/v1${path.replace(/archive$/, 'download')}`;
      return send(302, { detail: 'elsewhere' }, { location });
    }
    const archived = archives.get(path.replace(/\/download$/, ''));
    if (archived) {
      response.writeHead(200, { 'content-type': 'application/octet-stream' });
      return void response.end(gzipSync(adapterTar(archived)));
    }
    if (latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, latencyMs));
    try {
      const reply =
        path === '/retrieve_future' ? retrieve(body) : { status: accepted, body: route(request, path)(body) };
      if (wrong === 'drop-reply') return void request.socket.destroy();
      send(reply.status, reply.body);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      send(error.status, { detail: error.message });
    }
  }

  function route(request: IncomingMessage, path: string): (body: Body) => Body {
    const found = routes[`${request.method} ${path}`];
    if (!found) throw new Refusal(404, `no route ${request.method} ${path}`);
    return found;
  }

  const http = createServer((request, response) => {
    answer(request, response).catch((error: Error) => {
      response.writeHead(500).end(JSON.stringify({ detail: error.stack }));
    });
  });
  await new Promise<void>((resolve) => http.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  const server = {
    url: `http://127.0.0.1:${port}`,
    port,
    log,
    /** what the last optim_step applied */
    lastGradients: {} as Record<string, Float32Array>,
    async close() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
  return server;
}
