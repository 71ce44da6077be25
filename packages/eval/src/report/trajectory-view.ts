import type { TextSegment } from '../scoring/segments.js';
import { escapeHtml } from './escape.js';
import { formatNumber } from './numbers.js';

/** A rollout to be read. The trainer's trajectory records are of this shape. */
export interface ReportTrajectory {
  id: string;
  question: string;
  source: string;
  /** gold answers */
  targets: readonly string[];
  segments: readonly TextSegment[];
  score: number;
  accurate: boolean;
  answer: string | null;
  stopReason: string;
  /** for example `before` or `after` */
  label?: string;
}

interface ReportBlock {
  kind: 'think' | 'call' | 'response' | 'forged' | 'answer' | 'text';
  tag: string;
  text: string;
}

/** so many characters of a segment are shown, half from each end */
const SHOWN_CHARACTERS = 8000;

/**
 * Segments → blocks for reading. Lenient: an unclosed tag, and any tag that is no word of the format, is text. A tag
 * other than think, answer and response is a call if an observation follows its segment or it is search, code or tool_call.
 */
function readableBlocks(segments: readonly TextSegment[]): ReportBlock[] {
  return segments.flatMap((segment, i): ReportBlock[] => {
    const text = elide(segment.text);
    if (!segment.sampled) {
      const inner = /^\s*<response>(.*)<\/response>\s*$/s.exec(text)?.[1] ?? text;
      return [{ kind: 'response', tag: 'response', text: inner.trim() }];
    }
    const answered = segments[i + 1]?.sampled === false;
    return sampledBlocks(text, answered).filter((block) => block.text.trim() !== '' || block.kind !== 'text');
  });
}

function sampledBlocks(text: string, answered: boolean): ReportBlock[] {
  const blocks: ReportBlock[] = [];
  let position = 0;
  for (const match of text.matchAll(/<([a-z][\w.-]*)>(.*?)<\/\1>/gis)) {
    const tag = (match[1] as string).toLowerCase();
    const atEnd = text.slice(match.index + match[0].length).trim() === '';
    const kind = kindOf(tag, answered && atEnd);
    if (!kind) continue;
    blocks.push({ kind: 'text', tag: '', text: text.slice(position, match.index).trim() });
    blocks.push({ kind, tag, text: (match[2] as string).trim() });
    position = match.index + match[0].length;
  }
  return [...blocks, { kind: 'text', tag: '', text: text.slice(position).trim() }];
}

function kindOf(tag: string, answered: boolean): ReportBlock['kind'] | undefined {
  if (tag === 'think' || tag === 'answer') return tag;
  if (tag === 'response' || tag === 'tool_response') return 'forged';
  return answered || ['search', 'code', 'tool_call'].includes(tag) ? 'call' : undefined;
}

function elide(text: string): string {
  if (text.length <= SHOWN_CHARACTERS) return text;
  const half = SHOWN_CHARACTERS / 2;
  return `${text.slice(0, half)}\n… ${text.length - SHOWN_CHARACTERS} characters left out …\n${text.slice(-half)}`;
}

const NAMES: Readonly<Partial<Record<ReportBlock['kind'], string>>> = {
  forged: 'response, written by the policy itself',
  text: 'outside of blocks',
};

/** One rollout as a foldable piece of HTML. */
export function trajectoryView(trajectory: ReportTrajectory, { open = false } = {}): string {
  const { id, question, source, targets, segments, score, accurate, answer, stopReason, label } = trajectory;
  const blocks = readableBlocks(segments).map(
    ({ kind, tag, text }) =>
      `<div class="block ${kind}"><span class="tag">${escapeHtml(NAMES[kind] ?? tag)}</span><pre dir="auto">${escapeHtml(text)}</pre></div>`,
  );
  const facts = [
    `answer ${answer === null ? 'none' : `“${answer}”`}`,
    `wanted ${targets.map((target) => `“${target}”`).join(' or ')}`,
    `score ${formatNumber(score)}`,
    ...(stopReason === 'answer' ? [] : [`stopped by ${stopReason}`]),
    id,
  ];
  return `<details class="trajectory"${open ? ' open' : ''}><summary><span class="mark ${accurate ? 'right' : 'wrong'}">${accurate ? 'right' : 'wrong'}</span>
<span class="question" dir="auto">${escapeHtml(question)}</span><span class="chips">${label === undefined ? '' : `<span>${escapeHtml(label)}</span>`}<span>${escapeHtml(source)}</span></span></summary>
<div class="blocks">${blocks.join('\n')}<p class="note">${facts.map(escapeHtml).join(' · ')}</p></div></details>`;
}
