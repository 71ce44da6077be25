import { visibleParts } from '@tapo/trainer/view';
import type { TokenColumns } from '@tapo/trainer/view';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { formatNumber } from '../format.js';
import { scales, shadeClass, shadeOf, tokenNumbers } from './token-scale.js';
import type { ScaleName, TokenNumbers } from './token-scale.js';

/** A trajectory token by token, coloured by one of its columns; the numbers of the token under pointer or cursor. */
export function TokenView({ columns, scale, label }: { columns: TokenColumns; scale: ScaleName; label: string }) {
  const [at, setAt] = useState<number | undefined>(undefined);
  const text = useRef<HTMLDivElement>(null);
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

  const move = (by: number) => {
    const to = Math.max(first, Math.min(tokens.length - 1, (at ?? first - 1) + by));
    text.current?.querySelector(`[data-i="${to}"]`)?.scrollIntoView({ block: 'nearest' });
    setAt(to);
  };
  return (
    <div class="tokens">
      {tokens.length === 0 && <p class="soft">This record has no tokens.</p>}
      {texts === null && <p class="soft">The run’s tokenizer was not found, so these are token ids.</p>}
      <div
        ref={text}
        class="token-text"
        tabIndex={0}
        role="group"
        aria-label={`Tokens of ${label}, coloured by ${scales[scale]}. Arrow keys go from token to token.`}
        onMouseOver={(event) => {
          const index = (event.target as HTMLElement).dataset['i'];
          if (index !== undefined) setAt(Number(index));
        }}
        onMouseLeave={() => setAt(undefined)}
        onBlur={() => setAt(undefined)}
        onWheel={() => setAt(undefined)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') setAt(undefined);
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
      {at !== undefined && at < tokens.length && (
        <TokenNumbersBox
          columns={columns}
          at={at}
          anchor={text.current?.querySelector<HTMLElement>(`[data-i="${at}"]`)}
        />
      )}
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

interface TokenNumbersProps {
  columns: TokenColumns;
  at: number;
  /** the token on the page */
  anchor: HTMLElement | null | undefined;
}

/** The numbers of a token, beside it. */
function TokenNumbersBox({ columns, at, anchor }: TokenNumbersProps) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element || !anchor) return;
    const token = anchor.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = element;
    const below = token.bottom + 6;
    element.style.left = `${Math.max(8, Math.min(token.left, window.innerWidth - width - 8))}px`;
    element.style.top = `${below + height > window.innerHeight ? Math.max(8, token.top - height - 6) : below}px`;
  });
  const masked = columns.lossMask[at] !== 1;
  return (
    <div ref={box} class="token-numbers" role="status">
      <p>
        <span class="soft">{at}:</span> <code>{columns.texts ? tokenText(columns.texts[at] as string) : ''}</code>{' '}
        <span class="soft">id {columns.tokens[at]}</span>
      </p>
      {masked ? (
        <p class="soft">{at < columns.promptLength ? 'prompt' : 'observation: not sampled, not trained on'}</p>
      ) : (
        <Facts numbers={tokenNumbers(columns, at)} />
      )}
    </div>
  );
}

function Facts({ numbers }: { numbers: TokenNumbers }) {
  const { rolloutLogprob, oldLogprob, logprob, ratio, advantage, clipped, mismatch } = numbers;
  const facts: [string, string][] = [
    ['sampler', rolloutLogprob === null ? '–' : `${formatNumber(rolloutLogprob)} (${probability(rolloutLogprob)})`],
    ['trainer, before', formatNumber(oldLogprob)],
    ['at the update', formatNumber(logprob)],
    ['ratio', formatNumber(ratio)],
    ['advantage', formatNumber(advantage)],
    ['mismatch', formatNumber(mismatch)],
    ['clipped', clipped ?? 'no'],
  ];
  return (
    <dl>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt> <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function probability(logprob: number): string {
  return formatNumber(Math.exp(logprob), 'percent');
}
