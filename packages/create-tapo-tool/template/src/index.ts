import { ToolError } from '@tapo/tools';
import type { Tool } from '@tapo/tools';

export interface Create__Tool__Options {
  /** longer texts are refused */
  maxLength?: number;
}

/** Counts words. Replace `execute` by what your tool does. */
export function create__Tool__({ maxLength = 10_000 }: Create__Tool__Options = {}): Tool<string, number> {
  return {
    name: '__tool__', // also the tag: <__tool__>some text</__tool__>
    description: 'Counts the words of a text.', // what the policy is told about it
    // pass `signal` on to whatever is slow: fetch(url, { signal })
    execute(text, { signal }) {
      signal.throwIfAborted();
      if (text.length > maxLength) throw new ToolError('refused', `Write at most ${maxLength} characters.`);
      return text.split(/\s+/).filter(Boolean).length;
    },
    toObservation: (count) => `${count} words`,
  };
}

/** What a tapo config finds under this package's name; called with the options of the config's entry. */
export const tool = create__Tool__;
