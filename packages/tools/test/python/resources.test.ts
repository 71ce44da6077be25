import { describe, expect, it, vi } from 'vitest';
import { attackTests, openSandbox } from './sandbox.js';

// the first call may have to build the image: seconds, and more on a busy machine
vi.setConfig({ testTimeout: 120_000 });

const quick = openSandbox({ timeLimitMs: 300 });
/** for what must reach another limit first, on however busy a machine */
const run = openSandbox({ timeLimitMs: 12_000, spares: 0 });
const TIME = /Time limit exceeded: the code ran longer than 0\.3 s\.$/;
const MEMORY = /Memory limit exceeded: the code needs more than 256 MB\.$/;
const STACK = /Recursion limit exceeded/;

describe('processor time', () => {
  attackTests(quick, [
    ['an endless loop', 'while True: pass', TIME],
    [
      'an endless loop that catches everything',
      'while True:\n    try:\n        while True: pass\n    except BaseException: pass',
      TIME,
    ],
    ['an endless loop inside a built-in', 'sum(iter(int, 1))', TIME],
    ['a long range summed in C', 'sum(range(10**12))', TIME],
    ['a count without an end', 'import itertools, collections\ncollections.deque(itertools.count(), maxlen=0)', TIME],
    ['a huge power', '3 ** 10**8', TIME],
    ['a huge factorial', 'import math\nmath.factorial(10**7)', TIME],
    ['a huge integer made into text', 'import sys\nsys.set_int_max_str_digits(0)\nstr(1 << 30_000_000)', TIME],
    ['a regular expression that blows up', 'import re\nre.match(r"(a+)+$", "a" * 60 + "b")', TIME],
    ['sleeping', 'import time\ntime.sleep(3600)', TIME],
    ['sleeping in select', 'import select\nselect.select([], [], [], 3600)', TIME],
    [
      'a destructor that never ends',
      'class A:\n    def __del__(self):\n        while True: pass\na = A()\ndel a',
      TIME,
    ],
    [
      'a comparison that never ends',
      'class A:\n    def __lt__(self, other):\n        while True: pass\nsorted([A(), A()])',
      TIME,
    ],
    [
      'a trace function that never ends',
      'import sys\ndef trace(*a):\n    while True: pass\nsys.settrace(trace)\n(lambda: 0)()',
      TIME,
    ],
    ['sorting what is too long', 'x = list(range(10**6))\nwhile True: x.sort(key=lambda v: -v)', TIME],
    [
      'a generator that will not close',
      'def g():\n    while True:\n        try: yield\n        except GeneratorExit: pass\nfor x in g(): pass',
      TIME,
    ],
    ['hashing without end', 'import hashlib\nh = hashlib.sha256()\nwhile True: h.update(bytes(10**6))', TIME],
    [
      'a list that grows without end, errors caught',
      'x = []\nwhile True:\n    try: x.append(bytes(10**7))\n    except MemoryError: pass',
      TIME,
    ],
    [
      'tasks without end',
      'import asyncio\nasync def f():\n    while True: await asyncio.sleep(0)\nasyncio.run(f())',
      TIME,
    ],
    [
      'a query without end',
      'import sqlite3\nsqlite3.connect(":memory:").execute("with recursive t(x) as (select 1 union all select x+1 from t) select count(*) from t").fetchone()',
      TIME,
    ],
    [
      'digits without end',
      'import decimal\ndecimal.getcontext().prec = 10**6\nprint(decimal.Decimal(2) ** decimal.Decimal("0.5"))',
      TIME,
    ],
    ['a class hierarchy too deep', 'class A: pass\nwhile True: A = type("A", (A,), {})', TIME],
    ['searching a long text', 'a = "a" * 10**7\nwhile True: a + "b" in a', TIME],
    ['digits read without end', 'import sys\nsys.set_int_max_str_digits(0)\nint("9" * 10**7)', TIME],
    ['a power within a modulus', 'pow(3, 10**10000, 10**10000)', TIME],
    ['choosing from a thousand million', 'import math\nmath.comb(10**9, 5 * 10**8)', TIME],
    ['permutations', 'import itertools\nsum(1 for _ in itertools.permutations(range(15)))', TIME],
    ['an iterator emptied into nothing', 'import collections\ncollections.deque(iter(int, 1), maxlen=0)', TIME],
    [
      'an output that never takes what is printed',
      'import sys\nclass S:\n    def write(self, text):\n        while True: pass\nsys.stdout = S()\nprint(1)',
      TIME,
    ],
    [
      'an output that is never flushed',
      'import sys\nclass S:\n    def write(self, text): return 1\n    def flush(self):\n        while True: pass\nsys.stdout = S()\nprint(1)',
      TIME,
    ],
    [
      'a traceback whose lines never come',
      'import linecache\nclass L(dict):\n    def __contains__(self, key): return True\n    def __getitem__(self, key):\n        while True: pass\nlinecache.cache = L()\n1 / 0',
      TIME,
    ],
    ['printing without end', 'while True: print("x" * 1000)', TIME],
    ['compressing without end', 'import lzma\nwhile True: lzma.compress(b"x" * 10**6)', TIME],
  ]);
});

describe('memory', () => {
  attackTests(run, [
    ['one huge list', '[0] * 10**9', MEMORY],
    ['one huge string', '"a" * (1 << 30)', MEMORY],
    ['a list that grows', 'x = []\nwhile True: x.append(bytes(10**6))', MEMORY],
    ['text that doubles', 'x = "a"\nwhile True: x += x', MEMORY],
    ['a shift', '1 << (1 << 34)', /too many digits/],
    ['a format width', 'f"{1:{2**30}}"', MEMORY],
    [
      'a zip bomb',
      'import zlib\nd = zlib.compressobj(9)\nx = b"".join([d.compress(bytes(10**6)) for _ in range(500)] + [d.flush()])\nzlib.decompress(x)',
      /limit exceeded/,
    ],
    ['text replaced by longer text', 'x = "a" * 10**6\nwhile True: x = x.replace("a", "aa")', MEMORY],
    [
      'entities within entities',
      'import xml.etree.ElementTree as E\nnames = [f"<!ENTITY a{i} \\"{f"&a{i - 1};" * 10}\\">" for i in range(1, 12)]\nE.fromstring("<!DOCTYPE a [<!ENTITY a0 \\"lol\\">" + "".join(names) + "]><a>&a11;</a>")',
      /amplification/,
    ],
    [
      'two iterators, one of them behind',
      'import itertools\na, b = itertools.tee(itertools.count())\nfor _ in a: pass',
      MEMORY,
    ],
    ['the memo of a pickle', 'import pickle\npickle.loads(b"Nr\\xff\\xff\\xff\\x7f.")', MEMORY],
    [
      'a length that is only a hint',
      'class L:\n    def __iter__(self): return iter([1])\n    def __length_hint__(self): return 2**31 - 1\nlist(L())',
      MEMORY,
    ],
    ['random bytes', 'import os\nos.urandom(10**9)', MEMORY],
    ['a memory map that grows', 'import mmap\nmmap.mmap(-1, 10).resize(10**9)', /Out of memory/],
    ['files', 'f = open("a", "wb")\nwhile True: f.write(bytes(10**6))', /No space left/],
    ['many files', 'for i in range(10**6): open(str(i), "w").close()', /No space left/],
    ['many open files', 'files = [open("/dev/null") for _ in range(10**4)]', /No file descriptors/],
    ['one sparse file', 'open("a", "wb").truncate(1 << 40)', /No space left/],
    ['deep directories', 'import os\nwhile True:\n    os.mkdir("d")\n    os.chdir("d")', /No space left/],
    [
      'anonymous memory maps',
      'import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 1 << 24))',
      /limit exceeded|Error/,
    ],
    ['pipes', 'import os\nos.pipe()', /PermissionError/],
    ['an array as large as memory', 'import array\narray.array("d", bytes(8)) * (1 << 28)', MEMORY],
  ]);
});

describe('output', () => {
  attackTests(run, [
    ['a single huge line', 'print("x" * 10**7)', /^x+\n… \[\d+ characters left out\] …\nx+$/],
    ['a huge exception text', 'raise ValueError("x" * 10**6)', /characters left out/],
    ['a huge value', '"x" * 10**6', /characters left out/],
    [
      'a huge traceback',
      'def f(n):\n    if n == 0: raise ValueError(n)\n    f(n - 1)\nf(900)',
      /^.{0,800}ValueError: 0$/s,
    ],
  ]);

  it('shows the beginning and the end in 2,000 characters', async () => {
    const { observation } = await run('print("begin", "x" * 10**6, "end")');
    expect(observation.length).toBe(2000);
    expect(observation).toMatch(/^begin x+\n….*…\nx+ end$/s);
  });
});

describe('recursion', () => {
  attackTests(run, [
    ['a function that calls itself', 'def f(x): return f(x ^ 1)\nf(1)', STACK],
    ['the same with a raised limit', 'import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()', /limit exceeded/],
    ['nested JSON', 'import json\njson.loads("[" * 10**5)', STACK],
    [
      'a syntax tree',
      'import ast\nn = ast.Constant(1)\nfor _ in range(10**5): n = ast.UnaryOp(ast.USub(), n)\ncompile(ast.fix_missing_locations(ast.Expression(n)), "a", "eval")',
      /Recursion limit exceeded/,
    ],
    [
      'a syntax tree within itself',
      'import ast\nn = ast.List([], ast.Load())\nn.elts.append(n)\nast.fix_missing_locations(n)',
      /Recursion limit exceeded/,
    ],
    [
      'groups of a regular expression',
      'import re\nre.compile("(?:" * 5000 + "a" + ")" * 5000)',
      /Recursion limit exceeded/,
    ],
    ['marshalled lists', 'import marshal\nmarshal.loads(b"[\\x01\\x00\\x00\\x00" * 10**5)', /recursion limit exceeded/],
    ['nested brackets in source', 'eval("(" * 10**4 + ")" * 10**4)', /too many nested|limit exceeded/],
    ['nested operators in source', 'eval("-" * 10**5 + "1")', /limit exceeded|too complex|Error/],
    ['the repr of a deep list', 'x = []\nfor _ in range(10**5): x = [x]\nrepr(x)', STACK],
    ['the end of a deep list', 'x = []\nfor _ in range(10**6): x = [x]\ndel x\nprint("gone")', /gone|limit exceeded/],
    ['a copy of itself', 'class A:\n    def __getattr__(self, name): return getattr(self, name)\nA().x', STACK],
    ['pickles in pickles', 'import pickle\nx = []\nfor _ in range(10**5): x = [x]\npickle.dumps(x)', STACK],
    [
      'an exception with a long chain',
      'e = None\nfor _ in range(10**4):\n    n = ValueError()\n    n.__cause__ = e\n    e = n\nraise e',
      /ValueError|limit/,
    ],
  ]);
});

describe('processes and threads', () => {
  attackTests(run, [
    ['a thread', 'import threading\nthreading.Thread(target=print).start()', /can't start new thread/],
    [
      'a thousand threads',
      'import _thread\nfor _ in range(1000): _thread.start_new_thread(print, ())',
      /can't start new thread/,
    ],
    ['a fork bomb', 'import os\nwhile True: os.fork()', /not implemented/],
    ['a timer', 'import threading\nthreading.Timer(0.01, print).start()', /can't start new thread/],
    ['a task in a thread', 'import asyncio\nasyncio.run(asyncio.to_thread(print))', /can't start new thread/],
    ['an alarm', 'import signal\nsignal.alarm(1)', /AttributeError/],
    [
      'a watchdog that ends the process',
      'import faulthandler\nfaulthandler.dump_traceback_later(0.01, exit=True)',
      /unable to start watchdog thread/,
    ],
    ['worker processes', 'import multiprocessing\nmultiprocessing.Pool(4)', /Error/],
    [
      'a pool of threads',
      'import concurrent.futures as c\nc.ThreadPoolExecutor(9).submit(print)',
      /can't start new thread/,
    ],
  ]);
});
