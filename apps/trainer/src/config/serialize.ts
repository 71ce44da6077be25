import type { ResolvedConfig, ToolEntry } from './schema.js';

/**
 * The config as JSON keeps it: tools that are objects are told by name, and need their config file to come back; secrets
 * that were written out are left out, `${NAME}` of the environment stays.
 */
export function serializableConfig(config: ResolvedConfig): unknown {
  return withoutSecrets({ ...config, tools: config.tools.map(describeTool) });
}

function describeTool(entry: ToolEntry): unknown {
  if (typeof entry === 'object' && 'execute' in entry) {
    const { name, tag, description } = entry as { name: string; tag?: string; description?: string };
    return { name, ...(tag !== undefined && { tag }), description, fromConfigFile: true };
  }
  return entry;
}

const secretKey = /(?:^|[-_])(?:authorization|cookie|password|secret|token|key)$|api[-_]?key$/i;

function withoutSecrets(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/^(\w+:\/\/[^:@/]*):(?!\$\{)[^@/]*@/, '$1@');
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== 'object' || value === null) return value;
  const isSecret = ([key, inner]: [string, unknown]) =>
    secretKey.test(key) && typeof inner === 'string' && !inner.includes('${');
  const kept = Object.entries(value).filter((entry) => !isSecret(entry));
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutSecrets(inner)]));
}
