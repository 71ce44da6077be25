// The official MCP inspector, which nobody here wrote, against `tapo serve-mcp`: over standard input and output and over
// streamable HTTP it lists the tools, calls one, and is told what is wrong with bad arguments. Comes from npm; skipped with
// a reason where that is out of reach.
//
// node --import tsx --conditions=tapo-source interop/mcp-inspector.ts
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

// of the inspector whose command line runs on Node 20
const VERSION = '0.22.0';
const root = fileURLToPath(new URL('..', import.meta.url));
const home = `${root}interop/.cache/mcp-inspector`;
const inspector = `${home}/node_modules/@modelcontextprotocol/inspector/cli/build/index.js`;

if (!existsSync(inspector)) {
  await mkdir(home, { recursive: true });
  const args = ['install', '--prefix', home, '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  const { status } = spawnSync('npm', [...args, `@modelcontextprotocol/inspector@${VERSION}`], { stdio: 'inherit' });
  if (status !== 0) {
    console.log('skipped: @modelcontextprotocol/inspector cannot be installed here');
    process.exit(0);
  }
}
const serve = ['--import', createRequire(import.meta.url).resolve('tsx'), '--conditions=tapo-source'];
serve.push(`${root}apps/trainer/src/bin.ts`, 'serve-mcp', '--tools', 'search,javascript');

/** One request by the inspector; the answer it prints. */
function inspect(target: string[], ...request: string[]): Record<string, never> {
  const args = [inspector, ...target, '--method', ...request];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    cwd: root,
    timeout: 120_000,
  });
  assert.equal(status, 0, `inspector ${request.join(' ')}: ${stderr}${stdout}`);
  return JSON.parse(stdout) as Record<string, never>;
}

function check(way: string, target: string[]): void {
  const { tools } = inspect(target, 'tools/list') as unknown as { tools: { name: string; inputSchema: object }[] };
  assert.deepEqual(
    tools.map(({ name }) => name),
    ['search', 'code'],
  );
  const call = (name: string, argument: string) =>
    inspect(target, 'tools/call', '--tool-name', name, '--tool-arg', argument) as unknown as {
      isError?: boolean;
      content: { text: string }[];
    };
  const found = call('search', 'input=area of Chad');
  assert.match(found.content[0]!.text, /^Doc 1: Chad /);
  assert.equal(found.isError ?? false, false);
  assert.equal(call('code', 'input=6 * 7').content[0]!.text, '42');
  const wrong = call('search', 'inputs=area of Chad');
  assert.equal(wrong.isError, true);
  console.log(`${way}: ${tools.length} tools listed, 3 calls answered; bad arguments: "${wrong.content[0]!.text}"`);
}

check('standard input and output', [process.execPath, ...serve]);

const server = spawn(process.execPath, [...serve, '--port', '0'], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
try {
  let printed = '';
  for await (const chunk of server.stdout) {
    printed += String(chunk);
    if (/http:\S+/.test(printed)) break;
  }
  const [url = ''] = /http:\S+/.exec(printed) ?? [];
  check('streamable HTTP', [url, '--transport', 'http']);
} finally {
  server.kill();
}
console.log(`the MCP inspector ${VERSION} accepts tapo serve-mcp`);
