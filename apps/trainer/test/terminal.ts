import headless from '@xterm/headless';

/** A terminal without a window: what is written to it, and what one would see. */
export interface FakeTerminal {
  stream: NodeJS.WriteStream;
  /** every write */
  written: string[];
  resize(columns: number): Promise<void>;
  /** what is on the screen and in its history, without empty lines at the end */
  screen(): Promise<string[]>;
  /** the window's title, as far as it was set */
  readonly title: string;
}

export function fakeTerminal({ columns = 80, rows = 24, isTTY = true, scrollback = 1000 } = {}): FakeTerminal {
  const terminal = new headless.Terminal({ cols: columns, rows, scrollback, allowProposedApi: true, convertEol: true });
  const written: string[] = [];
  let title = '';
  terminal.onTitleChange((text) => (title = text));
  const flushed = () => new Promise<void>((resolve) => terminal.write('', resolve));
  const stream = {
    isTTY,
    columns,
    rows,
    write(text: string) {
      written.push(text);
      terminal.write(text);
      return true;
    },
  };
  return {
    stream: stream as unknown as NodeJS.WriteStream,
    written,
    async resize(width) {
      await flushed();
      stream.columns = width;
      terminal.resize(width, rows);
    },
    async screen() {
      await flushed();
      const { active } = terminal.buffer;
      const lines = Array.from({ length: active.length }, (_, y) => active.getLine(y)?.translateToString(true) ?? '');
      return lines.slice(0, lines.findLastIndex((line) => line !== '') + 1);
    },
    get title() {
      return title;
    },
  };
}
