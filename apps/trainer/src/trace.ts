import type { ToolCall } from '@tapo/core';
import type { TextSegment } from '@tapo/rollout';
import { colors } from './cli/colors.js';
import { printable } from './view/visible-text.js';

/** What is needed to show a rollout. */
export interface TracedRollout {
  question: string;
  source?: string;
  targets: readonly string[];
  segments: readonly TextSegment[];
  turns: readonly { calls: readonly ToolCall[] }[];
  answer: string | null;
  accurate: boolean;
  reward: number;
  stopReason: string;
}

const tagColors: Record<string, (text: string) => string> = {
  think: colors.dim,
  answer: colors.green,
  response: colors.yellow,
};

/** A rollout for the terminal: the policy's blocks, the tools' answers indented, the verdict. */
export function renderTrace(rollout: TracedRollout): string {
  const { question, source, targets, segments, answer, accurate, reward, stopReason } = rollout;
  const lines = [
    `${colors.bold(printable(question))}${source === undefined ? '' : colors.dim(`  (${printable(source)})`)}`,
  ];
  for (const { text, sampled } of segments) {
    const shown = printable(text.trim()).replaceAll('\n', '\n    ');
    if (shown === '') continue;
    lines.push(sampled ? `  ${colorBlocks(shown)}` : `    ${colors.yellow(shown)}`);
  }
  const verdict = accurate ? colors.green('right') : colors.red('wrong');
  const wanted = targets.length === 0 ? '' : `, wanted ${targets.map((target) => printable(target)).join(' or ')}`;
  const got = answer === null ? `no answer (${printable(stopReason)})` : `answer ${printable(answer)}`;
  lines.push(
    `  ${targets.length === 0 ? '' : `${verdict}: `}${got}${wanted}${targets.length === 0 ? '' : `, reward ${reward.toFixed(2)}`}`,
  );
  return lines.join('\n');
}

function colorBlocks(text: string): string {
  return text.replaceAll(/<([a-z][\w.-]*)>[^]*?(?:<\/\1>|$)/gi, (block, tag: string) =>
    (tagColors[tag.toLowerCase()] ?? colors.cyan)(block),
  );
}
