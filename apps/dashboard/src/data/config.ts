import { flatConfig } from '@tapo/trainer/view';

/** Keys on which configs differ, with each one's value (undefined where it lacks the key). */
export function configDifferences(configs: readonly unknown[]): [key: string, values: (string | undefined)[]][] {
  const flat = configs.map(flatConfig);
  const keys = [...new Set(flat.flatMap((config) => [...config.keys()]))];
  return keys
    .map((key): [string, (string | undefined)[]] => [key, flat.map((config) => config.get(key))])
    .filter(([, values]) => new Set(values).size > 1);
}
