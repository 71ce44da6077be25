import { describe, expect, it, vi } from 'vitest';
import { openSandbox } from './sandbox.js';

// the first call may have to build the image: seconds, and more on a busy machine
vi.setConfig({ testTimeout: 120_000 });

const run = openSandbox({ timeLimitMs: 12_000 });

describe('what a program shows', () => {
  it('is stdout and stderr in the order written', async () => {
    const source = 'import sys\nprint("a")\nprint("b", file=sys.stderr)\nprint("c")';
    expect(await run(source)).toMatchObject({ status: 'ok', observation: 'a\nb\nc' });
  });

  it('is the value of a last expression when nothing was printed', async () => {
    expect(await run('x = [1, 2]\nx + [3]')).toMatchObject({ status: 'ok', observation: '[1, 2, 3]' });
    expect((await run('print("a")\n5')).observation).toBe('a');
    expect((await run('5;')).observation).toBe('5');
    expect((await run('None')).observation).toMatch(/printed nothing/);
  });

  it('is a hint to print when there is neither', async () => {
    expect((await run('x = 5')).observation).toBe('The code ran but printed nothing. Use `print(x)` to see a result.');
  });

  it('keeps what was printed before an exception', async () => {
    expect((await run('print("before")\n1 / 0')).observation).toMatch(/^before\nTraceback/);
  });

  it.each([
    ['Unicode of every width', 'print("é ż 中 😀 \\u0301")', 'é ż 中 😀 \u0301'],
    ['names in Unicode', 'größe = 2\nprint(größe)', '2'],
    ['half of a surrogate pair', 'print("\\ud83d")', '\\ud83d'],
    ['bytes that are no UTF-8', 'import os\nos.write(1, b"a\\xffb")', 'a\ufffdb'],
    ['zero bytes', 'print("a\\0b")', 'a\0b'],
    ['Windows line ends', 'x = 1\r\nif x:\r\n    print("yes")\r\n', 'yes'],
    ['leave by exit()', 'print(1)\nexit()\nprint(2)', '1'],
    ['integers of more than 4300 digits', 'print(len(str(2 ** 20000)))', '6021'],
    [
      'asyncio',
      'import asyncio\nasync def f():\n    await asyncio.sleep(0.01)\n    return 7\nprint(asyncio.run(f()))',
      '7',
    ],
    [
      'dataclasses and pickle',
      'import dataclasses, pickle\n@dataclasses.dataclass\nclass P:\n    x: int\nprint(pickle.loads(pickle.dumps(P(3))))',
      'P(x=3)',
    ],
    [
      'files of its own',
      'open("a.txt", "w").write("é")\nprint(open("a.txt").read(), __import__("os").stat("a.txt").st_size)',
      'é 2',
    ],
    ['dates in UTC', 'import datetime\nprint(datetime.datetime.fromtimestamp(0))', '1970-01-01 00:00:00'],
    [
      'SQLite in a file',
      'import sqlite3\nfor _ in range(2):\n    with sqlite3.connect("a.db") as c:\n        c.execute("create table if not exists t(x)")\n        c.execute("insert into t values (1)")\nprint(c.execute("select count(*) from t").fetchone())',
      '(2,)',
    ],
    ['SQLite', 'import sqlite3\nprint(sqlite3.connect(":memory:").execute("select 6 * 7").fetchall())', '[(42,)]'],
  ])('%s', async (_name, source, observation) => {
    expect(await run(source)).toMatchObject({ status: 'ok', observation });
  });
});

describe('what went wrong is told', () => {
  it('with the lines of the program only', async () => {
    const { observation } = await run('import json\n\ndef f(text):\n    return json.loads(text)\n\nf("{")');
    expect(observation).toBe(
      [
        'Traceback (most recent call last):',
        '  line 6, in <module>',
        '    f("{")',
        '    ~^^^^^',
        '  line 4, in f',
        '    return json.loads(text)',
        '           ~~~~~~~~~~^^^^^^',
        'json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)',
      ].join('\n'),
    );
  });

  it('for a syntax error', async () => {
    const { status, observation } = await run('x = (1\nprint(x)');
    expect(status).toBe('error');
    expect(observation).toMatch(/^\s*line 1\n\s+x = \(1\n\s+\^\nSyntaxError: '\(' was never closed$/);
  });

  it('for input(), which cannot work', async () => {
    expect((await run('x = input("How many? ")')).observation).toMatch(
      /EOFError: input\(\) is not available here: write the values into the code$/,
    );
  });

  it('for a module that does not exist', async () => {
    expect((await run('import numpyy')).observation).toMatch(/ModuleNotFoundError: No module named 'numpyy'$/);
  });

  it('with the cause of an exception', async () => {
    expect(
      (await run('try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError("x") from e')).observation,
    ).toMatch(/ZeroDivisionError: division by zero.*direct cause.*ValueError: x$/s);
  });
});
