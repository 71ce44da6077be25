import { closeTools } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import { budgeted, createBudget } from '@tapo/tools/budget';
import type { Budget, BudgetSpent } from '@tapo/tools/budget';
import { cached } from '@tapo/tools/cache';
import type { CachedSearchTool, CacheStore } from '@tapo/tools/cache';
import { UsageError } from '../cli/command.js';
import type { ResolvedConfig, ToolEntry } from '../config/schema.js';
import { openCacheStore } from './cache-store.js';
import { expandEnvironment } from './environment.js';
import { fromMcpServer, fromModule, isTool, mcpEntry, moduleEntry, resolveModule } from './foreign-tools.js';
import { cacheScope, localTools, searchServices, toolNames } from './named-tools.js';
import type { ToolOptions } from './named-tools.js';
import { checkOptions, checkToolOptions } from './tool-options.js';
import { noUsage } from './tool-usage.js';
import type { ToolUsage } from './tool-usage.js';

const ENTRY = 'a name, {"name": …}, {"module": …} or {"mcp": …}';

/** Tools that belong together. */
export interface Toolbox {
  tools: Tool[];
  /** what the tools may spend; its signal fires when they have */
  budget: Budget;
  /** since the tools were opened */
  usage(): ToolUsage;
  /** ends threads, processes, connections and the cache's store */
  close(): Promise<void>;
}

export interface OpenToolsOptions {
  /** default: in memory */
  cache?: ResolvedConfig['cache'] | undefined;
  /** default: no limits */
  budget?: ResolvedConfig['budget'] | undefined;
  /** by the run so far, when it goes on */
  spent?: BudgetSpent | undefined;
}

/** Makes the tools of a config. @throws UsageError that names the entry and the remedy */
export async function openTools(
  entries: readonly ToolEntry[],
  { cache, budget: limits = {}, spent }: OpenToolsOptions = {},
): Promise<Toolbox> {
  const budget = createBudget({ ...limits, ...(spent && { spent }) });
  const tools: Tool[] = [];
  const caches: CachedSearchTool[] = [];
  let store: Promise<CacheStore | undefined> | undefined;
  let closing: Promise<void> | undefined;
  const close = () =>
    (closing ??= closeTools(tools).finally(async () => (await store?.catch(() => undefined))?.close?.()));

  /** A search service behind the cache; what the cache answers costs nothing. */
  async function openService(name: string, { costPerQuery, ...options }: ToolOptions): Promise<Tool> {
    const service = budgeted((await searchServices[name]!(options)) as Tool, budget, costOf(name, costPerQuery));
    store ??= openCacheStore(cache);
    const opened = await store;
    if (opened === undefined) return service;
    const withCache = cached(service as CachedSearchTool, {
      // the store is everybody's: closed once, at the end
      store: { get: (key) => opened.get(key), set: (...entry) => opened.set(...entry) },
      scope: cacheScope(name, options),
      ttlMs: cache?.ttlMs,
      minSimilarity: cache?.minSimilarity === null ? Infinity : cache?.minSimilarity,
    });
    caches.push(withCache);
    return withCache as Tool;
  }

  /** Other tools count against the budget when a price says so. */
  const priced = (name: string, tool: Tool, costPerQuery: unknown) =>
    costPerQuery === undefined ? tool : budgeted(tool, budget, costOf(name, costPerQuery));

  async function openNamed(name: string, { as, ...options }: ToolOptions): Promise<Tool[]> {
    const { costPerQuery, ...own } = options;
    if (toolNames.includes(name)) checkToolOptions(name, own);
    if (Object.hasOwn(searchServices, name)) return [renamed(await openService(name, options), as)];
    if (Object.hasOwn(localTools, name)) {
      return [renamed(priced(name, await localTools[name]!(own), costPerQuery), as)];
    }
    const module = await resolveModule(name, toolNames);
    return openForeign(name, await fromModule(module, { options: own }), { as, costPerQuery });
  }

  function openForeign(place: string, made: Tool[], { as, costPerQuery }: ToolOptions): Tool[] {
    if (as !== undefined && made.length !== 1) {
      throw new UsageError(`tools: ${place} has ${made.length} tools, so "as" cannot name them`, 'take "include"');
    }
    return made.map((tool) => renamed(priced(place, tool, costPerQuery), as));
  }

  async function openEntry(entry: ToolEntry): Promise<Tool[]> {
    if (typeof entry === 'string') return openNamed(entry, {});
    if (typeof entry !== 'object' || entry === null)
      throw new UsageError(`tools: ${JSON.stringify(entry)} is no tool`, ENTRY);
    if (isTool(entry)) return [entry];
    const expanded = expandEnvironment(entry) as ToolOptions;
    if ('mcp' in expanded) {
      checkOptions('a tool entry with "mcp"', expanded, mcpEntry);
      return openForeign('the MCP server', await fromMcpServer(expanded), expanded);
    }
    if ('module' in expanded) {
      checkOptions('a tool entry with "module"', expanded, moduleEntry);
      const module = await resolveModule(String(expanded['module']));
      return openForeign(String(expanded['module']), await fromModule(module, expanded), expanded);
    }
    const { name, ...options } = expanded;
    if (typeof name !== 'string') throw new UsageError(`tools: ${JSON.stringify(entry)} names no tool`, ENTRY);
    return openNamed(name, options);
  }

  try {
    for (const entry of entries) tools.push(...(await openEntry(entry)));
    refuseNameless(tools);
    refuseSameNames(tools);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    tools,
    budget,
    usage: () => caches.map((tool) => tool.counts()).reduce(addCounts, { ...noUsage, cost: budget.cost }),
    close,
  };
}

function addCounts(usage: ToolUsage, counts: ReturnType<CachedSearchTool['counts']>): ToolUsage {
  const sum = (key: keyof typeof counts) => usage[key] + counts[key];
  return {
    ...usage,
    exact: sum('exact'),
    fuzzy: sum('fuzzy'),
    coalesced: sum('coalesced'),
    miss: sum('miss'),
    externalQueries: sum('externalQueries'),
    storeErrors: sum('storeErrors'),
  };
}

function costOf(name: string, costPerQuery: unknown): { costPerQuery: number } {
  if (costPerQuery === undefined) return { costPerQuery: 0 };
  if (typeof costPerQuery === 'number' && costPerQuery >= 0) return { costPerQuery };
  throw new UsageError(`tools: costPerQuery of ${name} is ${JSON.stringify(costPerQuery)}, wanted a number ≥ 0`);
}

/** The same tool under another name, which is its tag as well. */
function renamed(tool: Tool, as: unknown): Tool {
  return as === undefined ? tool : { ...tool, name: String(as), tag: String(as) };
}

/** The policy would be told of "undefined". */
function refuseNameless(tools: readonly Tool[]): void {
  for (const tool of tools) {
    const missing = (['name', 'description'] as const).find((key) => typeof tool[key] !== 'string');
    if (missing === undefined) continue;
    throw new UsageError(
      `tools: ${missing === 'name' ? 'a tool' : `the tool ${tool.name}`} has no ${missing}`,
      `add ${missing}: text; the policy reads it in its prompt`,
    );
  }
}

/** A policy could not tell them apart. */
function refuseSameNames(tools: readonly Tool[]): void {
  const names = tools.map(({ name, tag = name }) => tag.toLowerCase());
  const repeated = names.find((name, index) => names.indexOf(name) < index);
  if (repeated === undefined) return;
  throw new UsageError(
    `two tools are called "${repeated}"`,
    `give one another name: {"name": …, "as": "${repeated}2"}`,
  );
}
