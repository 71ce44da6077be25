import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

export interface VirtualListProps<T> {
  items: readonly T[];
  /** every row has this height, in pixels */
  rowHeight: number;
  label: string;
  keyOf: (item: T) => string;
  row: (item: T, index: number) => ComponentChildren;
  /** brought into view when it changes */
  selected?: number | undefined;
  /** called when the end comes into view */
  onEnd?: () => void;
}

const overscan = 8;

/** Only the rows on the screen exist, however long the list is. */
export function VirtualList<T>({ items, rowHeight, label, keyOf, row, selected, onEnd }: VirtualListProps<T>) {
  const box = useRef<HTMLUListElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });

  useEffect(() => {
    const element = box.current as HTMLUListElement;
    const measure = () => setView({ top: element.scrollTop, height: element.clientHeight });
    const sized = new ResizeObserver(measure);
    element.addEventListener('scroll', measure, { passive: true });
    sized.observe(element);
    return () => {
      element.removeEventListener('scroll', measure);
      sized.disconnect();
    };
  }, []);

  useEffect(() => {
    const element = box.current;
    if (!element || selected === undefined || selected < 0) return;
    bringIntoView(element, selected, rowHeight);
  }, [selected]);

  /** a row that shall have the focus, as soon as it exists */
  const wanted = useRef<number | undefined>(undefined);
  function focusWanted(): void {
    const link = box.current?.querySelector<HTMLElement>(`li[data-index="${wanted.current}"] a`);
    if (!link) return;
    wanted.current = undefined;
    link.focus({ preventScroll: true });
  }
  useEffect(focusWanted);

  const first = Math.max(0, Math.floor(view.top / rowHeight) - overscan);
  const last = Math.min(items.length, Math.ceil((view.top + view.height) / rowHeight) + overscan);
  useEffect(() => {
    if (last >= items.length) onEnd?.();
  }, [last, items.length, onEnd]);

  const onKeyDown = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const element = box.current;
    if (by === undefined || !element) return;
    event.preventDefault();
    const index = (event.target as HTMLElement).closest('li')?.dataset['index'];
    const from = wanted.current ?? (index === undefined ? Math.ceil(view.top / rowHeight) - by : Number(index));
    wanted.current = Math.max(0, Math.min(items.length - 1, from + by));
    bringIntoView(element, wanted.current, rowHeight);
    focusWanted();
  };
  return (
    <ul ref={box} class="virtual" aria-label={label} tabIndex={0} onKeyDown={onKeyDown}>
      <li class="spacer" aria-hidden="true" style={{ height: `${first * rowHeight}px` }} />
      {items.slice(first, last).map((item, i) => (
        <li
          key={keyOf(item)}
          style={{ height: `${rowHeight}px` }}
          data-index={first + i}
          aria-setsize={items.length}
          aria-posinset={first + i + 1}
        >
          {row(item, first + i)}
        </li>
      ))}
      <li class="spacer" aria-hidden="true" style={{ height: `${(items.length - last) * rowHeight}px` }} />
    </ul>
  );
}

function bringIntoView(element: HTMLElement, index: number, rowHeight: number): void {
  const top = index * rowHeight;
  if (top < element.scrollTop) element.scrollTop = top;
  else if (top + rowHeight > element.scrollTop + element.clientHeight)
    element.scrollTop = top + rowHeight - element.clientHeight;
}
