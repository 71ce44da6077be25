// A real SkyRL server (JAX on the CPU) with a tiny random Llama: session → sample → forward_backward → optim_step →
// save → load → sample, through @tapo/tinker. node --import tsx --conditions=tapo-source interop/skyrl/protocol.ts
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { checkTinkerServer, createTinkerClient, encodedText, float32, int64, type Datum } from '@tapo/tinker';
import { makeTinyModel } from './tiny-model.js';
import { installSkyrl, startSkyrl } from './server.js';

const missing = installSkyrl();
if (missing) {
  console.log(`SKIPPED: SkyRL cannot be installed here: ${missing}`);
  process.exit(0);
}

const directory = join(await mkdtemp(join(tmpdir(), 'tapo-tiny-')), 'model');
const tokenizer = await makeTinyModel(directory);
const server = await startSkyrl(directory);
const client = createTinkerClient({ baseUrl: server.url, dialect: 'skyrl-jax' });

function must(what: string, holds: boolean, got: unknown): void {
  console.log(`${holds ? 'ok    ' : 'FAILED'}  ${what}: ${JSON.stringify(got)}`);
  if (!holds) process.exitCode = 1;
}

const datum = (text: string): Datum => {
  const tokens = tokenizer.encode(text);
  const ones = tokens.slice(1).map(() => 1);
  return {
    model_input: encodedText(tokens.slice(0, -1)),
    loss_fn_inputs: {
      target_tokens: int64(tokens.slice(1)),
      weights: float32(ones, 'weights'),
      logprobs: float32(ones, 'logprobs'),
      advantages: float32(ones, 'advantages'),
    },
  };
};
const adam = { learning_rate: 0.02, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0, grad_clip_norm: 0 };
const params = { max_tokens: 6, temperature: 0, top_p: 1, top_k: -1, seed: 1 };

try {
  must('models', (await client.supportedModels()).includes(directory), await client.supportedModels());
  const session = await client.createSession();
  const model = await session.createModel({ baseModel: directory, rank: 8 });
  must('create_model', model.id.length > 0, model.id);

  const prompt = tokenizer.encode('hello ');
  const first = await (await model.sampler()).sample({ prompt, params });
  must('sample', first.sequences[0]?.tokens.length === 6, tokenizer.decode(first.sequences[0]?.tokens ?? []));

  const losses: number[] = [];
  for (let step = 0; step < 25; step++) {
    const pass = model.forwardBackward([datum('hello world')], { lossFn: 'cross_entropy' });
    const stepped = model.optimStep(adam);
    const logprobs = (await pass).loss_fn_outputs[0]?.logprobs.data ?? [];
    losses.push(-logprobs.reduce((sum, value) => sum + value, 0) / logprobs.length);
    await stepped;
  }
  const [start, end] = [losses[0] as number, losses.at(-1) as number];
  must('forward_backward + optim_step lower the loss', end < start / 2, `${start.toFixed(3)} → ${end.toFixed(3)}`);

  const path = await model.saveWeights('trained');
  must('save_weights', path.startsWith('tinker://'), path);
  const learned = await (await model.sampler()).sample({ prompt, params });
  const loaded = await session.createModel({ baseModel: directory, rank: 8 });
  await loaded.loadWeights(path);
  const again = await (await loaded.sampler()).sample({ prompt, params });
  const same = JSON.stringify(again.sequences[0]?.tokens) === JSON.stringify(learned.sequences[0]?.tokens);
  must('load_weights samples the same', same, tokenizer.decode(again.sequences[0]?.tokens ?? []));
  const changed = JSON.stringify(learned.sequences[0]?.tokens) !== JSON.stringify(first.sequences[0]?.tokens);
  must('and not what the untrained model sampled', changed, tokenizer.decode(first.sequences[0]?.tokens ?? []));

  // what `tapo doctor` asks a server
  for await (const check of checkTinkerServer({ baseUrl: server.url, dialect: 'skyrl-jax', baseModel: directory })) {
    must(`doctor: ${check.name}`, check.works, check.detail);
  }
} finally {
  await client.close();
  await server.close();
  await rm(dirname(directory), { recursive: true });
}
