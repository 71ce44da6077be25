import type { TrajectoryDetail } from '@tapo/trainer/view';

/** A stretch of a trajectory as a reader thinks of it. */
export interface Block {
  kind: 'think' | 'call' | 'response' | 'correction' | 'forged' | 'answer' | 'text';
  /** words for the reader: the tag, the tool */
  name: string;
  text: string;
  /** of a response: how its call ended, and how long it took */
  status?: string;
  durationMs?: number;
}

/**
 * Cuts a trajectory into blocks. Lenient: what is no complete block of the format is text. Sampled stretch t belongs to
 * turn t, and the observation after it to the calls of that turn.
 */
export function readableBlocks({ segments, turns }: Pick<TrajectoryDetail, 'segments' | 'turns'>): Block[] {
  let turn = -1;
  return segments.flatMap(({ text, sampled }): Block[] => {
    if (sampled) {
      turn++;
      return sampledBlocks(text, new Set(turns[turn]?.calls.map(({ input }) => input.trim())));
    }
    return observationBlocks(text, turns[turn]);
  });
}

function observationBlocks(text: string, turn: TrajectoryDetail['turns'][number] | undefined): Block[] {
  const [call] = turn?.calls ?? [];
  if (turn && call) {
    return turn.calls.map(({ tool, observation, status, durationMs }) => ({
      kind: 'response',
      name: tool,
      text: observation.trim(),
      status,
      durationMs,
    }));
  }
  const inner = (/^\s*<response>(.*)<\/response>\s*$/s.exec(text)?.[1] ?? text).trim();
  return [
    turn?.corrected
      ? { kind: 'correction', name: 'correction', text: inner }
      : { kind: 'response', name: 'response', text: inner },
  ];
}

/** A block is a call if its text is what the tool was given, whatever its tag. */
function sampledBlocks(text: string, inputs: ReadonlySet<string>): Block[] {
  const blocks: Block[] = [];
  let position = 0;
  for (const match of text.matchAll(/<([a-z][\w.-]*)>(.*?)<\/\1>/gis)) {
    const tag = (match[1] as string).toLowerCase();
    const inner = (match[2] as string).trim();
    const kind = kindOf(tag, inputs.has(inner));
    if (kind === undefined) continue;
    blocks.push(plain(text.slice(position, match.index)));
    blocks.push({ kind, name: kind === 'forged' ? 'response written by the policy' : tag, text: inner });
    position = match.index + match[0].length;
  }
  blocks.push(plain(text.slice(position)));
  return blocks.filter((block) => block.kind !== 'text' || block.text !== '');
}

function plain(text: string): Block {
  return { kind: 'text', name: 'outside of blocks', text: text.trim() };
}

function kindOf(tag: string, isCall: boolean): Block['kind'] | undefined {
  if (tag === 'think' || tag === 'answer') return tag;
  if (tag === 'response' || tag === 'tool_response') return 'forged';
  return isCall || ['search', 'code', 'tool_call'].includes(tag) ? 'call' : undefined;
}
