import { worldArticles } from '@tapo/data/world';
import { closeTools } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import { closest } from 'fastest-levenshtein';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { UsageError } from './cli/command.js';
import type { ToolEntry } from './config/schema.js';
import { importModule } from './import-module.js';
import { readJsonLines } from './run-directory.js';

type Options = Record<string, unknown>;

/** Adapters by the name used in configs. Each library is loaded when its tool is asked for. */
const adapters: Record<string, (options: Options) => Promise<Tool>> = {
  async search({ documents = 'world', index, ...options }) {
    const { createSearch, loadIndex } = await import('@tapo/tools/search');
    if (typeof index === 'string') return createSearch({ index: await loadIndex(index), ...options }) as Tool;
    return createSearch({ documents: await readDocuments(String(documents)), ...options }) as Tool;
  },
  async python(options) {
    const { createPython } = await import('@tapo/tools/python');
    return createPython(options) as Tool;
  },
  async javascript(options) {
    const { createJavascript } = await import('@tapo/tools/javascript');
    return createJavascript(options) as Tool;
  },
  async serper(options) {
    const { createSerper } = await import('@tapo/tools/serper');
    const { cached } = await import('@tapo/tools/cache');
    const apiKey = String(options['apiKey'] ?? process.env['SERPER_API_KEY'] ?? '');
    if (apiKey === '') throw new UsageError('the tool serper needs an API key', 'set SERPER_API_KEY');
    return cached(createSerper({ ...options, apiKey })) as Tool;
  },
  async retriever(options) {
    const { createRetriever } = await import('@tapo/tools/retriever');
    const { cached } = await import('@tapo/tools/cache');
    const { url } = options;
    if (typeof url !== 'string') {
      throw new UsageError(
        'the tool retriever needs a url',
        '{"name": "retriever", "url": "http://127.0.0.1:8000/retrieve"}',
      );
    }
    return cached(createRetriever({ ...options, url })) as Tool;
  },
  async 'code-server'(options) {
    const { createCodeServer } = await import('@tapo/tools/code-server');
    const { url } = options;
    if (typeof url !== 'string') {
      throw new UsageError(
        'the tool code-server needs a url',
        '{"name": "code-server", "url": "http://127.0.0.1:8000"}',
      );
    }
    return createCodeServer({ ...options, url }) as Tool;
  },
};

/** Names of the built-in tools. */
export const toolNames: readonly string[] = Object.keys(adapters);

/** Tools that belong together; `close` ends their threads, processes and connections. */
export interface Toolbox {
  tools: Tool[];
  close(): Promise<void>;
}

/** Makes the tools of a config. @throws UsageError for a name or a module that is no tool */
export async function openTools(entries: readonly ToolEntry[]): Promise<Toolbox> {
  const tools: Tool[] = [];
  try {
    for (const entry of entries) tools.push(await openTool(entry));
  } catch (error) {
    await closeTools(tools);
    throw error;
  }
  return { tools, close: () => closeTools(tools) };
}

async function openTool(entry: ToolEntry): Promise<Tool> {
  if (typeof entry === 'string') return openNamed(entry, {});
  if (typeof entry !== 'object' || entry === null) {
    throw new UsageError(`tools: ${JSON.stringify(entry)} is no tool`, 'write a name, {"name": …} or {"module": …}');
  }
  if (isTool(entry)) return entry;
  if ('module' in entry) return importTool(String(entry.module), String(entry['export'] ?? 'tool'));
  const { name, ...options } = entry as { name: string };
  return openNamed(name, options);
}

async function openNamed(name: string, options: Options): Promise<Tool> {
  const adapter = adapters[name];
  if (adapter) return adapter(options);
  if (/^[./@]|\.[cm]?[jt]s$/.test(name) || isInstalled(name)) return importTool(name, 'tool');
  throw new UsageError(
    `unknown tool "${name}"; did you mean ${closest(name, [...toolNames])}?`,
    `built in: ${toolNames.join(', ')}; or a module that exports \`tool\`: {"module": "./my-tool.ts"}`,
  );
}

function isInstalled(name: string): boolean {
  try {
    createRequire(resolve('package.json')).resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** A tool from a file or an installed package: a tool object, or a function that makes one. */
async function importTool(module: string, exportName: string): Promise<Tool> {
  const isFile = module.startsWith('.') || module.startsWith('/') || existsSync(module);
  if (isFile && !existsSync(module)) throw new UsageError(`no such tool module: ${module}`);
  const target = isFile ? resolve(module) : createRequire(resolve('package.json')).resolve(module);
  const loaded = await importModule(target);
  const exported = loaded[exportName];
  const tool: unknown = typeof exported === 'function' ? await (exported as () => unknown)() : exported;
  if (!isTool(tool)) {
    const found = Object.keys(loaded).join(', ') || 'nothing';
    throw new UsageError(
      `${module} exports no tool under "${exportName}" (it exports ${found})`,
      'export const tool = { name, description, execute(input) { … } }',
    );
  }
  return tool;
}

function isTool(value: unknown): value is Tool {
  return typeof value === 'object' && value !== null && 'execute' in value && typeof value.execute === 'function';
}

async function readDocuments(source: string): Promise<{ title: string; text: string }[]> {
  if (source === 'world') return worldArticles();
  if (!existsSync(source))
    throw new UsageError(`search: no such file: ${source}`, 'documents: "world", or a .jsonl file');
  return (await readJsonLines(source)).map(({ title = '', text }, row) => {
    if (typeof title !== 'string' || typeof text !== 'string') {
      throw new UsageError(`${source}:${row + 1}: wanted {"title": text, "text": text}`);
    }
    return { title, text };
  });
}
