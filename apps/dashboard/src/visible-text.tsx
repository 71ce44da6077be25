import { visibleParts } from '@tapo/trainer/view';
import { useState } from 'preact/hooks';

/** so many characters are put on the page before it is asked for more */
const shownCharacters = 12_000;

/** A model's text: text nodes only, with invisible, reordering and control characters shown by their code. */
export function VisibleText({ text }: { text: string }) {
  const [whole, setWhole] = useState(false);
  const cut = !whole && text.length > shownCharacters;
  return (
    <>
      {visibleParts(cut ? text.slice(0, shownCharacters) : text).map((part, i) =>
        part.escaped ? (
          <span key={i} class="escaped">
            {part.text}
          </span>
        ) : (
          part.text
        ),
      )}
      {cut && (
        <button type="button" class="more" onClick={() => setWhole(true)}>
          show all {text.length.toLocaleString('en')} characters
        </button>
      )}
    </>
  );
}
