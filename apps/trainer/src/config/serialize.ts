import type { ResolvedConfig, ToolEntry } from './schema.js';

/** The config as JSON keeps it: tools that are objects are told by name, and need their config file to come back. */
export function serializableConfig(config: ResolvedConfig): unknown {
  return { ...config, tools: config.tools.map(describeTool) };
}

function describeTool(entry: ToolEntry): unknown {
  if (typeof entry === 'object' && 'execute' in entry) {
    const { name, tag, description } = entry as { name: string; tag?: string; description?: string };
    return { name, ...(tag !== undefined && { tag }), description, fromConfigFile: true };
  }
  return entry;
}
