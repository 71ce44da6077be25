import { createInterface } from 'node:readline';
import colors from 'picocolors';
import type { Answer, Answerer } from './answer.js';
import type { Conversation } from './conversation.js';

export interface ReplOptions {
  answerer: Answerer;
  conversation: Conversation;
  input: NodeJS.ReadableStream;
  output: NodeJS.WritableStream;
  /** a person types: prompt, Ctrl-C and hints */
  interactive: boolean;
  /** one JSON object per answer instead of the stream */
  json: boolean;
}

/**
 * Reads a message a line, until the input ends or `/exit`. Ctrl-C stops the answer under way; again, or with none under way, it ends
 * the conversation.
 * @returns the exit code: 130 after Ctrl-C, 1 when the engine failed
 */
export async function repl(options: ReplOptions): Promise<number> {
  const { answerer, conversation, input, output, interactive, json } = options;
  const reader = createInterface({
    input,
    ...(interactive && { output, prompt: colors.bold('> ') }),
    terminal: interactive,
  });
  let underWay: AbortController | undefined;
  let interrupted = false;
  let failed = false;
  const stop = () => {
    if (underWay && !underWay.signal.aborted) {
      underWay.abort();
      return;
    }
    interrupted = true;
    reader.close();
  };
  // in raw mode Ctrl-C is a key of the reader, otherwise a signal
  reader.on('SIGINT', stop);
  process.on('SIGINT', stop);
  try {
    if (interactive) reader.prompt();
    for await (const line of reader) {
      const message = line.trim();
      if (message === '/exit' || message === '/quit') break;
      if (message === '/new') {
        conversation.clear();
        if (interactive) output.write(colors.dim('a new conversation\n'));
      } else if (message !== '') {
        underWay = new AbortController();
        const answer = await answerer.answer(message, { signal: underWay.signal });
        underWay = undefined;
        output.write(json ? `${JSON.stringify(answer)}\n` : ending(answer, interactive));
        if (answer.stopReason === 'error') {
          failed = true;
          break;
        }
      }
      if (interrupted) break;
      if (interactive) reader.prompt();
    }
  } finally {
    reader.close();
    process.off('SIGINT', stop);
  }
  if (failed) return 1;
  return interrupted ? 130 : 0;
}

/** What follows the streamed text. */
function ending({ stopReason, error, promptTokens, sampledTokens, seconds }: Answer, interactive: boolean): string {
  const why: Partial<Record<Answer['stopReason'], string>> = {
    aborted: 'stopped',
    length: 'the limit of tokens is reached: --max-tokens raises it; if the context is full, /new begins anew',
    turns: 'the turns with tools are used up',
    error: `the engine failed: ${error}`,
  };
  const speed = `${sampledTokens} tokens, ${(sampledTokens / seconds).toFixed(1)} a second, after ${promptTokens}`;
  const notes = [why[stopReason], interactive ? speed : undefined].filter((note) => note !== undefined);
  return notes.length === 0 ? '\n' : `\n${colors.dim(`(${notes.join('; ')})`)}\n`;
}
