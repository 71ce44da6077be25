const listening = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls back when the signal fires, at once if it has. All calls of a run share its signal, and Node warns of more than
 * ten listeners: they share one.
 * @returns what takes the callback back
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  if (signal.aborted) callback();
  const callbacks = listening.get(signal) ?? new Set();
  if (!listening.has(signal)) {
    listening.set(signal, callbacks);
    signal.addEventListener('abort', () => callbacks.forEach((call) => call()), { once: true });
  }
  callbacks.add(callback);
  return () => void callbacks.delete(callback);
}
