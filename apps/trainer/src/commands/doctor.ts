import { chooseBackend, loadModelTokenizer } from '@tapo/policy';
import type { ServerCheck } from '@tapo/tinker';
import { callTool, closeTools } from '@tapo/tools';
import { availableParallelism, totalmem } from 'node:os';
import { colors } from '../cli/colors.js';
import type { Command } from '../cli/command.js';
import { UsageError } from '../cli/command.js';
import { loadConfig } from '../config/load.js';
import { tinkerConnection } from '../open-engine.js';
import { findModel } from '../find-model.js';
import { samplerConnection } from '../sampling-servers.js';
import { openTools } from '../tools/toolbox.js';

export const doctorCommand: Omit<Command, 'summary'> = {
  details:
    'Which compute engine is chosen and why the others are not; whether the tools work. With --engine tinker or openai: ' +
    'whether a server can be trained on or sampled from. Exit code 1 if anything needed fails.',
  overrides: true,
  examples: [
    'tapo doctor',
    'tapo doctor --engine tinker --tinker.baseUrl http://gpu-node:8000 --tinker.dialect skyrl',
    `tapo doctor --engine openai --model models/qwen --sampler.baseUrls '["http://gpu-node:8000"]'`,
  ],
  async run({ overrides }) {
    if (Object.keys(overrides).length > 0) return (await checkServers(overrides)) ? 0 : 1;
    console.log(`node ${process.version} on ${process.platform}-${process.arch}`);
    console.log(`${availableParallelism()} processors, ${(totalmem() / 2 ** 30).toFixed(1)} GiB of memory\n`);
    const checks = [await checkBackend()];
    console.log(`\n${colors.bold('tools')}`);
    checks.push(await checkTool('search', 'area of Chad', 'Chad'));
    checks.push(await checkTool('python', 'print(6 * 7)', '42'));
    checks.push(await checkTool('javascript', 'console.log(6 * 7)', '42'));
    const key = process.env['SERPER_API_KEY'] === undefined;
    console.log(
      `  ${(key ? colors.dim : colors.green)('serper'.padEnd(12))} ${key ? 'SERPER_API_KEY is not set' : 'key is set'}`,
    );
    return checks.every(Boolean) ? 0 : 1;
  },
};

/** A tinker or openai engine, as `tapo train` would be given it. */
async function checkServers(overrides: Readonly<Record<string, string | true>>): Promise<boolean> {
  const { config } = await loadConfig({ file: undefined, overrides: { model: 'none', ...overrides } });
  const { engine, tinker, sampler, model } = config;
  if (engine.name === 'local' && sampler === null) {
    throw new UsageError('there is no server to check', 'name one: --engine tinker or --engine openai');
  }
  let works = true;
  const print = async (title: string, checks: AsyncIterable<ServerCheck>) => {
    console.log(colors.bold(title));
    for await (const check of checks) {
      console.log(`  ${(check.works ? colors.green : colors.red)(check.name.padEnd(18))} ${check.detail}`);
      works &&= check.works;
    }
  };
  if (engine.name === 'tinker') {
    const { checkTinkerServer } = await import('@tapo/tinker');
    const { baseModel } = tinker;
    await print('Tinker server', checkTinkerServer({ ...(await tinkerConnection(tinker)), baseModel }));
  }
  if (sampler !== null) {
    const { checkOpenAIServer } = await import('@tapo/tinker/openai');
    const tokenizer = await loadModelTokenizer(await findModel(model, { weights: false }));
    for (const url of sampler.baseUrls) {
      await print(
        `${sampler.api} server`,
        checkOpenAIServer({ ...samplerConnection(sampler), baseUrls: [url], tokenizer }),
      );
    }
  }
  return works;
}

async function checkBackend(): Promise<boolean> {
  console.log(colors.bold('compute engine'));
  try {
    const { backend, reason, rejected } = await chooseBackend();
    console.log(`  ${colors.green(backend.padEnd(14))} ${reason}`);
    for (const other of rejected) console.log(`  ${colors.dim(other.backend.padEnd(14))} ${other.reason}`);
    return true;
  } catch (error) {
    console.log(`  ${colors.red('none')} ${(error as Error).message}`);
    return false;
  }
}

async function checkTool(name: string, input: string, wanted: string): Promise<boolean> {
  const started = performance.now();
  try {
    const { tools } = await openTools([name]);
    const [tool] = tools;
    if (tool === undefined) return false;
    const { observation } = await callTool(tool, input, { timeoutMs: 60_000 }).finally(() => closeTools(tools));
    const works = observation.includes(wanted);
    const time = `${(performance.now() - started).toFixed(0)} ms`;
    console.log(
      `  ${(works ? colors.green : colors.red)(name.padEnd(12))} ${works ? `works, first call ${time}` : observation}`,
    );
    return works;
  } catch (error) {
    console.log(`  ${colors.red(name.padEnd(12))} ${(error as Error).message}`);
    return false;
  }
}
