/** A config as dotted keys with their values as text (JSON, but for strings): for tables, differences and trackers. */
export function flatConfig(config: unknown): Map<string, string> {
  const flat = new Map<string, string>();
  const walk = (value: unknown, path: string): void => {
    const isSection = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (isSection) for (const [key, part] of Object.entries(value)) walk(part, path === '' ? key : `${path}.${key}`);
    else if (path !== '') flat.set(path, typeof value === 'string' ? value : JSON.stringify(value));
  };
  walk(config, '');
  return flat;
}
