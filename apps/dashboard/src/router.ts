import { computed, signal } from '@preact/signals';

/** Where the reader is: all of it is in the address, so that every view is a link. */
export interface Route {
  parts: readonly string[];
  query: URLSearchParams;
}

const hash = signal(location.hash);
window.addEventListener('hashchange', () => (hash.value = location.hash));

export const route = computed<Route>(() => {
  const [path = '', query = ''] = hash.value.replace(/^#\/?/, '').split('?');
  return { parts: path.split('/').filter(Boolean).map(safeDecode), query: new URLSearchParams(query) };
});

type QueryValues = Record<string, string | number | undefined>;

/** `#/run/a%2Fb/step/3?view=tokens`; empty values are left out. */
export function href(parts: readonly (string | number)[], query: QueryValues = {}): string {
  const known = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const text = new URLSearchParams(known.map(([key, value]) => [key, String(value)])).toString();
  return `#/${parts.map((part) => encodeURIComponent(part)).join('/')}${text && `?${text}`}`;
}

/** Changes some of the query of the present page without adding to the history. */
export function setQuery(changes: QueryValues): void {
  const { parts, query } = route.value;
  go(href(parts, { ...Object.fromEntries(query), ...changes }), { replace: true });
}

export function go(to: string, { replace = false }: { replace?: boolean } = {}): void {
  if (replace) history.replaceState(null, '', to);
  else history.pushState(null, '', to);
  hash.value = to;
}

window.addEventListener('popstate', () => (hash.value = location.hash));

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
