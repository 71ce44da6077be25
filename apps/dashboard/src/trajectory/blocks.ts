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
      return sampledBlocks(text, new Set((turns[turn]?.calls ?? []).map((call) => call.tool)));
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

/** `called` says whether this turn ended in calls: then its last block is one, whatever its tag. */
function sampledBlocks(text: string, called: ReadonlySet<string>): Block[] {
  const found = [...text.matchAll(/<([a-z][\w.-]*)>(.*?)<\/\1>/gis)].filter(
    (match, i, all) =>
      kindOf((match[1] as string).toLowerCase(), called.size > 0 && i === all.length - 1) !== undefined,
  );
  const blocks: Block[] = [];
  let position = 0;
  found.forEach((match, i) => {
    const tag = (match[1] as string).toLowerCase();
    const kind = kindOf(tag, called.size > 0 && i === found.length - 1) as Block['kind'];
    blocks.push(plain(text.slice(position, match.index)));
    blocks.push({
      kind,
      name: kind === 'forged' ? 'response written by the policy' : tag,
      text: (match[2] as string).trim(),
    });
    position = match.index + match[0].length;
  });
  blocks.push(plain(text.slice(position)));
  return blocks.filter((block) => block.kind !== 'text' || block.text !== '');
}

function plain(text: string): Block {
  return { kind: 'text', name: 'outside of blocks', text: text.trim() };
}

function kindOf(tag: string, isCall: boolean): Block['kind'] | undefined {
  if (tag === 'think' || tag === 'answer') return tag;
  if (tag === 'response') return 'forged';
  return isCall || ['search', 'code', 'tool_call'].includes(tag) ? 'call' : undefined;
}
