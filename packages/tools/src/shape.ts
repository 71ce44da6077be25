import { ToolError } from './tool.js';

/** Reads fields out of a service's JSON without believing it. */
export function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

export function textField(value: unknown, key: string): string {
  const text = field(value, key);
  return typeof text === 'string' ? text : '';
}

export function listField(value: unknown, key: string): unknown[] {
  const list = field(value, key);
  return Array.isArray(list) ? list : [];
}

/** The error for an answer that has not the documented shape. */
export function wrongShape(service: string, wanted: string, got: unknown): ToolError {
  const shown = JSON.stringify(got) ?? String(got);
  return new ToolError('error', `${service} answered with a wrong shape: wanted ${wanted}, got ${shown.slice(0, 80)}.`);
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#x27': "'", nbsp: ' ' };

/** Text of a snippet in which a service marks words with tags and escapes characters. */
export function plainText(html: string): string {
  const untagged = html.replaceAll(/<\/?[a-z][^<>]*>/gi, '');
  return untagged.replaceAll(/&(#?\w+);/g, (entity, name: string) => ENTITIES[name.toLowerCase()] ?? entity);
}
