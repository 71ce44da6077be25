import { visibleParts } from '@tapo/trainer/view';
import type { TokenColumns } from '@tapo/trainer/view';
import { useMemo, useState } from 'preact/hooks';
import { formatNumber } from '../format.js';
import { scales, shadeClass, shadeOf, tokenNumbers } from './token-scale.js';
import type { ScaleName } from './token-scale.js';

/** A trajectory token by token, coloured by one of its columns; the numbers of the token under pointer or cursor. */
export function TokenView({ columns, scale, label }: { columns: TokenColumns; scale: ScaleName; label: string }) {
  const [at, setAt] = useState<number | undefined>(undefined);
  const [withPrompt, setWithPrompt] = useState(false);
  const { tokens, texts, promptLength, lossMask } = columns;
  const first = withPrompt ? 0 : promptLength;
  const spans = useMemo(
    () =>
      tokens.slice(first).map((id, k) => {
        const i = first + k;
        const masked = lossMask[i] !== 1;
        const shade = masked ? '' : shadeClass(shadeOf(scale, tokenNumbers(columns, i)));
        return (
          <span key={i} data-i={i} class={`token ${scale} ${masked ? 'masked' : ''} ${shade}`}>
            {texts ? tokenText(texts[i] as string) : `${id} `}
          </span>
        );
      }),
    [columns, scale, first],
  );

  const move = (by: number) => setAt((old) => Math.max(first, Math.min(tokens.length - 1, (old ?? first - 1) + by)));
  return (
    <div class="tokens">
      {texts === null && <p class="soft">The run’s tokenizer was not found, so these are token ids.</p>}
      <div
        class="token-text"
        tabIndex={0}
        role="group"
        aria-label={`Tokens of ${label}, coloured by ${scales[scale]}. Arrow keys go from token to token.`}
        onMouseOver={(event) => {
          const index = (event.target as HTMLElement).dataset['i'];
          if (index !== undefined) setAt(Number(index));
        }}
        onKeyDown={(event) => {
          if (event.key !== 'ArrowRight' && event.key !== 'ArrowLeft') return;
          event.preventDefault();
          move(event.key === 'ArrowRight' ? 1 : -1);
        }}
      >
        {promptLength > 0 && (
          <button type="button" class="more" onClick={() => setWithPrompt(!withPrompt)}>
            {withPrompt ? 'hide the prompt' : `${promptLength} tokens of prompt`}
          </button>
        )}
        {spans}
      </div>
      <TokenNumbersLine columns={columns} at={at} />
    </div>
  );
}

/** Line feeds end the line and stay visible; a token that only continues a character is a dot. */
function tokenText(text: string) {
  if (text === '') return '·';
  return visibleParts(text).map(({ text: part, escaped }, i) =>
    escaped ? (
      <span key={i} class="escaped">
        {part}
      </span>
    ) : (
      part.replaceAll('\n', '↵\n')
    ),
  );
}

function TokenNumbersLine({ columns, at }: { columns: TokenColumns; at: number | undefined }) {
  if (at === undefined || at >= columns.tokens.length) {
    return <p class="token-numbers soft">Point at a token, or use the arrow keys.</p>;
  }
  const numbers = tokenNumbers(columns, at);
  const masked = columns.lossMask[at] !== 1;
  const facts: [string, string][] = masked
    ? [['', at < columns.promptLength ? 'prompt' : 'observation: not sampled, not trained on']]
    : [
        ['sampler', formatNumber(numbers.rolloutLogprob)],
        ['trainer, before', formatNumber(numbers.oldLogprob)],
        ['at the update', formatNumber(numbers.logprob)],
        ['ratio', formatNumber(numbers.ratio)],
        ['advantage', formatNumber(numbers.advantage)],
        ['mismatch', formatNumber(numbers.mismatch)],
        ['', numbers.clipped === null ? '' : `clipped ${numbers.clipped}`],
      ];
  return (
    <p class="token-numbers" aria-live="polite">
      <b>
        {at}: {columns.texts ? tokenText(columns.texts[at] as string) : ''}
      </b>{' '}
      <span class="soft">id</span> {columns.tokens[at]}
      {facts
        .filter(([, value]) => value !== '')
        .map(([name, value]) => (
          <span key={name}>
            {' '}
            · <span class="soft">{name}</span> {value}
          </span>
        ))}
    </p>
  );
}
