import type { Connection } from './connection.js';
import { resolveDialect, type Dialect, type DialectName } from './dialect.js';
import { TinkerError } from './errors.js';
import { awaitResult } from './future.js';
import { createModel, type CreateModelOptions, type Model } from './model.js';
import type { CheckpointInfo } from './protocol.js';
import { createSampler, type Sampler } from './sampler.js';
import { createTransport, type CallOptions, type TransportOptions } from './transport.js';

export interface TinkerClientOptions extends TransportOptions {
  /** default `tinker`: the protocol as written */
  dialect?: DialectName | Dialect;
  heartbeatIntervalMs?: number;
  /** told of heartbeats that failed; the next one is tried all the same */
  onWarning?: (message: string) => void;
}

/** A connection to one server. */
export interface TinkerClient {
  readonly dialect: Dialect;
  /** HTTP requests sent so far, polls included */
  readonly requests: number;
  health(options?: CallOptions): Promise<string>;
  supportedModels(options?: CallOptions): Promise<string[]>;
  /** models and samplers live in a session; it is kept alive until `close` */
  createSession(options?: CreateSessionOptions): Promise<Session>;
  checkpoints(modelId: string, options?: CallOptions): Promise<CheckpointInfo[]>;
  deleteCheckpoint(modelId: string, name: string, options?: CallOptions): Promise<void>;
  /** the bytes of a checkpoint's tar (gzipped or not, as the server makes it) */
  downloadArchive(modelId: string, name: string, options?: CallOptions): Promise<AsyncIterable<Uint8Array>>;
  close(): Promise<void>;
}

export interface CreateSessionOptions extends CallOptions {
  tags?: string[];
  metadata?: Record<string, string>;
}

export interface Session {
  readonly id: string;
  createModel(options: CreateModelOptions): Promise<Model>;
  /** samples from a base model, or from a named save (`tinker://…`) */
  createSampler(from: { baseModel: string } | { modelPath: string }, options?: CallOptions): Promise<Sampler>;
  close(): Promise<void>;
}

/** Client of any server that speaks the Tinker protocol. Nothing is sent until the first call. */
export function createTinkerClient(options: TinkerClientOptions): TinkerClient {
  const { dialect: dialectOption = 'tinker', heartbeatIntervalMs = 10_000, onWarning = () => {} } = options;
  const dialect = resolveDialect(dialectOption);
  const transport = createTransport(options);
  const sessions = new Set<Session>();

  const start: Connection['start'] = <T>(path: string, body: object, callOptions: CallOptions = {}) => {
    const submit = async (): Promise<string> => {
      const { body: envelope } = await transport.call('POST', path, body, callOptions);
      const { request_id: id } = (envelope ?? {}) as { request_id?: string };
      if (typeof id !== 'string') throw new TinkerError(`POST ${path}: wanted {request_id}, got ${short(envelope)}.`);
      return id;
    };
    const submitted = submit();
    const result = submitted.then((id) => awaitResult<T>(transport, dialect, submit, id, callOptions));
    return { submitted, result };
  };
  const connection: Connection = { transport, dialect, start, execute: (...args) => start<never>(...args).result };

  async function createSession({ tags = [], metadata, ...callOptions }: CreateSessionOptions = {}): Promise<Session> {
    const { body } = await transport.call(
      'POST',
      '/create_session',
      { type: 'create_session', tags, user_metadata: metadata ?? null, sdk_version: 'tapo-0' },
      callOptions,
    );
    const { session_id: id } = (body ?? {}) as { session_id?: string };
    if (typeof id !== 'string') throw new TinkerError(`POST /create_session: wanted {session_id}, got ${short(body)}.`);

    const heartbeat = setInterval(() => {
      const beat = { type: 'session_heartbeat', session_id: id };
      transport.call('POST', '/session_heartbeat', beat, { maxAttempts: 2 }).catch((error: Error) => {
        onWarning(`Heartbeat of session ${id} failed: ${error.message}`);
      });
    }, heartbeatIntervalMs);
    heartbeat.unref();

    let models = 0;
    let samplers = 0;
    const nextSampler = (): number => samplers++;
    const session: Session = {
      id,
      createModel: (modelOptions) =>
        createModel(connection, { sessionId: id, sequence: models++, nextSampler }, modelOptions),
      async createSampler(from, samplerOptions = {}) {
        const origin = 'baseModel' in from ? { base_model: from.baseModel } : { model_path: from.modelPath };
        const request = { type: 'create_sampling_session', session_id: id, sampling_session_seq_id: nextSampler() };
        const reply = await transport.call(
          'POST',
          '/create_sampling_session',
          { ...request, ...origin },
          samplerOptions,
        );
        const { sampling_session_id: samplerId } = (reply.body ?? {}) as { sampling_session_id?: string };
        if (typeof samplerId !== 'string') {
          throw new TinkerError(
            `POST /create_sampling_session: wanted {sampling_session_id}, got ${short(reply.body)}.`,
          );
        }
        return createSampler(connection, samplerId);
      },
      async close() {
        clearInterval(heartbeat);
        sessions.delete(session);
      },
    };
    sessions.add(session);
    return session;
  }

  return {
    dialect,
    get requests() {
      return transport.requests;
    },
    async health(callOptions) {
      const { body } = await transport.call('GET', '/healthz', undefined, callOptions);
      return String((body as { status?: unknown } | null)?.status ?? 'ok');
    },
    async supportedModels(callOptions) {
      const { body } = await transport.call('GET', '/get_server_capabilities', undefined, callOptions);
      const { supported_models: models } = (body ?? {}) as { supported_models?: { model_name: string | null }[] };
      return (models ?? []).flatMap(({ model_name: name }) => (name ? [name] : []));
    },
    createSession,
    async checkpoints(modelId, callOptions) {
      const { body } = await transport.call('GET', `/training_runs/${modelId}/checkpoints`, undefined, callOptions);
      return (body as { checkpoints?: CheckpointInfo[] } | null)?.checkpoints ?? [];
    },
    async deleteCheckpoint(modelId, name, callOptions) {
      await transport.call('DELETE', `/training_runs/${modelId}/checkpoints/${name}`, undefined, callOptions);
    },
    downloadArchive: (modelId, name, callOptions) =>
      transport.download(`/training_runs/${modelId}/checkpoints/${name}/archive`, callOptions),
    async close() {
      await Promise.all([...sessions].map((session) => session.close()));
      await transport.close();
    },
  };
}

const short = (value: unknown): string => JSON.stringify(value)?.slice(0, 200) ?? String(value);
