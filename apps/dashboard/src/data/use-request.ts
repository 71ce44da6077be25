import { useEffect, useState } from 'preact/hooks';
import { request } from './requests.js';

export interface Requested<T> {
  value?: T;
  error?: string;
}

/** The answer to a path, asked for again when the path or `version` changes; an older version stays until then. */
export function useRequest<T>(path: string | undefined, version: unknown = 0): Requested<T> {
  const [state, setState] = useState<Requested<T> & { path?: string }>({});
  useEffect(() => {
    if (path === undefined) return;
    const controller = new AbortController();
    request<T>(path, { signal: controller.signal }).then(
      (value) => setState({ value, path }),
      (error: unknown) => {
        if (!controller.signal.aborted) setState({ error: (error as Error).message, path });
      },
    );
    return () => controller.abort();
  }, [path, version]);
  return state.path === path ? state : {};
}
