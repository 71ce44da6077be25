// Packs every package, installs the tarballs with npm in an empty project, type-checks and runs each README's example there;
// then makes a tool package from the template, tests, packs and installs it, and trains with it by name.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publicPackages } from './packages.mjs';
import { pnpm, root } from './pnpm.mjs';

const project = mkdtempSync(join(tmpdir(), 'tapo-pack-'));

function must(name, file, args, cwd = project) {
  const { status, stdout, stderr } = spawnSync(file, args, { cwd, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`${name} failed\n${stdout}${stderr}`);
  console.log(`ok      ${name}`);
  return stdout;
}

try {
  mkdirSync(join(project, 'tarballs'));
  for (const directory of publicPackages) {
    const packed = await pnpm(['--dir', directory, 'pack', '--pack-destination', join(project, 'tarballs')], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    if (packed !== 0) throw new Error(`could not pack ${directory}: run \`npm test -- build\` first`);
  }
  const tarballs = readdirSync(join(project, 'tarballs')).map((name) => `./tarballs/${name}`);

  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }));
  const { devDependencies } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  const compiler = ['typescript', '@types/node'].map((name) => `${name}@${devDependencies[name]}`);
  // READMEs name the peers their example needs; a user installs them beside the package.
  const peers = ['@tensorflow/tfjs-core@4', '@tensorflow/tfjs-backend-cpu@4', 'arktype@2.2.9'];
  const npmInstall = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  must('npm install of all tarballs', 'npm', [...npmInstall, ...tarballs, ...compiler, ...peers]);

  const examples = [];
  for (const directory of publicPackages) {
    const example = /^```ts\n(.*?)^```/ms.exec(readFileSync(`${root}${directory}/README.md`, 'utf8'))?.[1];
    if (example === undefined || directory.startsWith('apps/')) continue;
    const name = directory.replace('/', '-');
    writeFileSync(join(project, `${name}.ts`), example);
    examples.push(name);
  }
  const compilerOptions = { module: 'nodenext', target: 'es2022', lib: ['es2023'], strict: true, skipLibCheck: true };
  const tsconfig = { compilerOptions: { ...compilerOptions, types: ['node'], outDir: 'out' }, include: ['*.ts'] };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(tsconfig));
  must('tsc over all README examples', 'npx', ['tsc']);
  for (const name of examples) must(`README example of ${name}`, process.execPath, [join('out', `${name}.js`)]);

  must('tapo --help', 'npx', ['tapo', '--help']);
  // the written config needs no installed package beside it, as with a global install or npx: only the model is missing
  const elsewhere = mkdtempSync(join(tmpdir(), 'tapo-init-'));
  const bin = join(project, 'node_modules/.bin/tapo');
  must('tapo init in an empty directory', bin, ['init'], elsewhere);
  const { stderr } = spawnSync(bin, ['train', '--model', '/no/model'], { cwd: elsewhere, encoding: 'utf8' });
  if (!stderr.includes('no model in /no/model')) throw new Error(`the config of tapo init is not taken\n${stderr}`);
  rmSync(elsewhere, { recursive: true });
  console.log(`${examples.length} README examples run from packed tarballs`);

  const tool = join(project, 'work', 'tapo-tool-word-count');
  mkdirSync(join(project, 'work'));
  must('npm create tapo-tool', 'npx', ['create-tapo-tool', tool]);
  const toolsTarball = tarballs.find((name) => /tapo-tools-\d/.test(name));
  must('npm install in the new package', 'npm', [...npmInstall, join(project, toolsTarball)], tool);
  must('npm test in the new package: build and conformance suite', 'npm', ['test'], tool);
  const [{ filename }] = [JSON.parse(must('npm pack', 'npm', ['pack', '--json', '--ignore-scripts'], tool))].flat();
  must('npm install of the packed tool', 'npm', [...npmInstall, join(tool, filename)]);

  // the shipped policy knows the tag <search>: under that name it calls the new tool
  const config = {
    model: 'node_modules/@tapo/trainer/quickstart/model',
    tools: [{ name: 'tapo-tool-word-count', as: 'search', maxLength: 50 }],
    steps: 1,
    data: { template: 'minimal', maxPromptTokens: 128 },
    rollout: { problemsPerStep: 4, groupSize: 4, maxTokens: 256, maxObservationTokens: 96 },
    reward: { overlong: null },
    dynamicSampling: { maxDraws: 1 },
    optimizer: { problemsPerMiniBatch: 4 },
  };
  writeFileSync(join(project, 'tapo.config.json'), JSON.stringify(config));
  must('tapo train with the tool by name', 'npx', ['tapo', 'train', '--out', 'run']);
  const trajectories = readFileSync(join(project, 'run/trajectories/step-1.jsonl'), 'utf8').trim().split('\n');
  const calls = trajectories.flatMap((line) => JSON.parse(line).turns.flatMap((turn) => turn.calls));
  const counted = calls.filter(({ status, observation }) => status === 'ok' && /^\d+ words$/.test(observation));
  if (counted.length === 0) throw new Error(`the tool was not called: ${JSON.stringify(calls).slice(0, 500)}`);
  console.log(`ok      ${counted.length} of ${calls.length} calls of the run were answered by the packed tool`);
} finally {
  rmSync(project, { recursive: true, force: true });
}
