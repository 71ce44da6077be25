// Packs every package, installs the tarballs with npm in an empty project, type-checks and runs each README's example there.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publicPackages } from './packages.mjs';
import { pnpm, root } from './pnpm.mjs';

const project = mkdtempSync(join(tmpdir(), 'tapo-pack-'));

function must(name, file, args) {
  const { status, stdout, stderr } = spawnSync(file, args, { cwd: project, encoding: 'utf8', maxBuffer: 1 << 26 });
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
  const peers = ['@tensorflow/tfjs-core@4', '@tensorflow/tfjs-backend-cpu@4', 'arktype@2'];
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
  console.log(`${examples.length} README examples run from packed tarballs`);
} finally {
  rmSync(project, { recursive: true, force: true });
}
