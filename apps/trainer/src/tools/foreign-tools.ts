import type { Tool } from '@tapo/tools';
import type { McpCommand } from '@tapo/tools/mcp';
import { closest, distance } from 'fastest-levenshtein';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { UsageError } from '../cli/command.js';
import { importModule } from '../import-module.js';
import { importFor } from './named-tools.js';
import type { ToolOptions } from './named-tools.js';
import { checkOptions } from './tool-options.js';

/** Adapters of other libraries by the word in `{"module": …, "from": …}`, and the library each needs. */
const libraries: Record<string, { library: string; load: () => Promise<(tools: never) => Tool[] | Promise<Tool[]>> }> =
  {
    'ai-sdk': { library: 'ai', load: async () => (await import('@tapo/tools/ai-sdk')).fromAISDK },
    'openai-agents': {
      library: '@openai/agents',
      load: async () => {
        const { fromOpenAIAgents } = await import('@tapo/tools/openai-agents');
        return (tools) => fromOpenAIAgents(listOf(tools));
      },
    },
    langchain: {
      library: '@langchain/core',
      load: async () => {
        const { fromLangChain } = await import('@tapo/tools/langchain');
        return (tools) => fromLangChain(listOf(tools));
      },
    },
    mastra: { library: '@mastra/core', load: async () => (await import('@tapo/tools/mastra')).fromMastra },
  };

/** A list, or the values of a record. */
function listOf(tools: never): never[] {
  return Array.isArray(tools) ? tools : Object.values(tools);
}

/** What an entry of either kind may hold; `as` and `costPerQuery` are the toolbox's. */
const foreignEntry = { include: 'list', as: 'text', costPerQuery: 'number' } as const;
export const mcpEntry = { mcp: 'anything', headers: 'object', ...foreignEntry } as const;
export const moduleEntry = {
  module: 'text',
  export: 'text',
  from: 'text',
  options: 'anything',
  ...foreignEntry,
} as const;
const mcpCommand = { command: 'text', args: 'list', env: 'object', cwd: 'text' } as const;

/** Tools of an MCP server: `{"mcp": URL or {"command", "args"}, "include": [names], "headers": {…}}`. */
export async function fromMcpServer({ mcp, include, headers }: ToolOptions): Promise<Tool[]> {
  const { fromMCP } = await importFor(
    'a tool entry with "mcp"',
    '@modelcontextprotocol/sdk',
    () => import('@tapo/tools/mcp'),
  );
  const isCommand = typeof mcp === 'object' && mcp !== null && typeof (mcp as McpCommand).command === 'string';
  if (typeof mcp !== 'string' && !isCommand) {
    throw new UsageError(
      `tools: mcp is ${JSON.stringify(mcp)}, wanted a URL or a command`,
      '{"mcp": "http://127.0.0.1:3000/mcp"} or {"mcp": {"command": "npx", "args": ["-y", "…"]}}',
    );
  }
  if (isCommand) checkOptions('"mcp" of a tool entry', mcp as object, mcpCommand);
  const options = { ...(include !== undefined && { include }), ...(headers !== undefined && { headers }) };
  try {
    return [...(await fromMCP(mcp as string | McpCommand, options as never)).tools];
  } catch (error) {
    const where =
      typeof mcp === 'string' ? mcp : [(mcp as McpCommand).command, ...((mcp as McpCommand).args ?? [])].join(' ');
    throw new UsageError(`tools: MCP server ${where}: ${(error as Error).message}`, 'does it start by itself?', {
      cause: error,
    });
  }
}

/** The file of a module or an installed package. @throws UsageError; `known` are the names it may have been meant for */
export async function resolveModule(name: string, known: readonly string[] = []): Promise<string> {
  const isFile = name.startsWith('.') || name.startsWith('/') || existsSync(name);
  if (isFile && !existsSync(name)) throw new UsageError(`no such tool module: ${name}`);
  if (isFile) return resolve(name);
  try {
    return createRequire(resolve('package.json')).resolve(name);
  } catch (error) {
    if (known.length === 0) throw new UsageError(`the tool module ${name} is not installed`, `npm install ${name}`);
    const meant = closest(name, [...known]);
    const guess = distance(name, meant) <= 3 ? `; did you mean ${meant}?` : ', and no such package is installed';
    const remedy = `built in: ${known.join(', ')}; or npm install a package, or {"module": "./my-tool.ts"}, that exports \`tool\``;
    throw new UsageError(`unknown tool "${name}"${guess}`, remedy, { cause: error });
  }
}

/**
 * Tools from a file or an installed package: what it exports as `tool` or `tools` (or `export` names), or what that makes
 * when it is a function, called with `options`. `from` says whose tools they are; ours by default.
 */
export async function fromModule(
  file: string,
  { export: name, from, options = {}, include }: ToolOptions,
): Promise<Tool[]> {
  const library = from === undefined ? undefined : libraries[String(from)];
  if (from !== undefined && library === undefined) {
    throw new UsageError(`tools: "from" is ${JSON.stringify(from)}`, `known: ${Object.keys(libraries).join(', ')}`);
  }
  const loaded = await importModule(file);
  const exportName = name === undefined ? ['tool', 'tools'].find((usual) => usual in loaded) : String(name);
  const exported = exportName === undefined ? undefined : loaded[exportName];
  const made: unknown =
    typeof exported === 'function' ? await (exported as (o: unknown) => unknown)(options) : exported;
  const tools = library === undefined ? made : await adapted(made, library, String(from));
  const list = Array.isArray(tools) ? tools : [tools];
  const remedy =
    'export const tool = { name, description, execute(input) { … } }; other libraries: {"module": …, "from": …}';
  if (exported === undefined) {
    const found = Object.keys(loaded).join(', ') || 'nothing';
    throw new UsageError(`${file} exports no "${exportName ?? 'tool'}" (it exports ${found})`, remedy);
  }
  if (!list.every(isTool)) {
    const wrong = list.find((value) => !isTool(value));
    const got = typeof wrong === 'object' && wrong !== null ? 'has no execute function' : `is ${String(wrong)}`;
    throw new UsageError(`${file}: what it exports as "${exportName}" ${got}, so it is no tool`, remedy);
  }
  return include === undefined ? list : included(list, include as readonly string[], file);
}

/** Another library's tools as ours; what is no object is left for the caller to refuse. */
async function adapted(made: unknown, { library, load }: (typeof libraries)[string], from: string): Promise<unknown> {
  if (typeof made !== 'object' || made === null) return made;
  const adapt = await importFor(`"from": "${from}"`, library, load);
  return adapt(made as never);
}

function included(tools: readonly Tool[], names: readonly string[], file: string): Tool[] {
  return names.map((wanted) => {
    const tool = tools.find(({ name }) => name === wanted);
    if (tool) return tool;
    throw new UsageError(`${file} has no tool "${wanted}"`, `it has ${tools.map(({ name }) => name).join(', ')}`);
  });
}

export function isTool(value: unknown): value is Tool {
  return typeof value === 'object' && value !== null && 'execute' in value && typeof value.execute === 'function';
}
