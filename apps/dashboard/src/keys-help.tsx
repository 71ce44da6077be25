import { useEffect, useRef } from 'preact/hooks';

const keys: readonly [keys: readonly string[], what: string][] = [
  [['j', 'k'], 'next, previous group'],
  [['[', ']'], 'previous, next step'],
  [['t'], 'rollouts to be read, or token by token'],
  [['←', '→'], 'from token to token, in a rollout’s tokens'],
  [['↑', '↓'], 'from row to row, in a list'],
  [['/'], 'search'],
  [['?'], 'this help'],
];

const id = 'keys';

export function toggleKeys(): void {
  const dialog = document.getElementById(id) as HTMLDialogElement | null;
  if (dialog?.open) dialog.close();
  else dialog?.showModal();
}

/** `?` shows the keys; `/` goes to the search field, where there is one. */
export function KeysHelp() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (isTyping(event)) return;
      if (event.key === '?') toggleKeys();
      if (event.key !== '/') return;
      event.preventDefault();
      document.querySelector<HTMLInputElement>('input[type=search]')?.focus();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
  return (
    <dialog id={id} ref={dialog} aria-labelledby="keys-title" onClick={() => dialog.current?.close()}>
      <h2 id="keys-title">Keys</h2>
      <dl>
        {keys.map(([names, what]) => (
          <div key={what}>
            <dt>
              {names.map((name) => (
                <kbd key={name}>{name}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <button type="button">Close</button>
    </dialog>
  );
}

/**
 * Keys are letters while one types, and belong to the browser with a modifier. A dialog just closed keeps the focus until
 * the next frame: then keys are the page's again.
 */
export function isTyping({ target, ctrlKey, metaKey, altKey }: KeyboardEvent): boolean {
  return (
    ctrlKey || metaKey || altKey || (target as HTMLElement).closest('input, select, textarea, dialog[open]') !== null
  );
}
