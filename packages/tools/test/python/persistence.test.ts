import { describe, expect, it, vi } from 'vitest';
import { openSandbox, TAKE_MEMORY } from './sandbox.js';

const run = openSandbox({ spares: 0, timeLimitMs: 12_000 });

/** What the first program leaves behind, and a second one that would see it. */
const leftovers: [name: string, first: string, second: string, seen: RegExp][] = [
  ['a variable', 'secret = 1', 'print("secret" in globals())', /^False$/],
  ['an attribute of a module', 'import math\nmath.pi = 3', 'import math\nprint(math.pi)', /^3\.14159/],
  ['a patched built-in', 'import builtins\nbuiltins.len = lambda x: 7', 'print(len("ab"))', /^2$/],
  ['a removed built-in', 'import builtins\ndel builtins.print', 'print("here")', /^here$/],
  ['a patched method', 'import json\njson.dumps = print', 'import json\nprint(json.dumps([1]))', /^\[1\]$/],
  ['a module of its own', 'import sys\nsys.modules["math"] = 5', 'import math\nprint(math.sqrt(4))', /^2\.0$/],
  ['a removed module', 'import sys\nsys.modules.clear()', 'import os, math\nprint(os.sep)', /^\/$/],
  ['sys.path', 'import sys\nsys.path.insert(0, "/tmp")', 'import sys\nprint("/tmp" in sys.path)', /^False$/],
  ['an import hook', 'import sys\nsys.meta_path.insert(0, 5)', 'import colorsys\nprint("ok")', /^ok$/],
  ['a path hook', 'import sys\nsys.path_hooks.clear()', 'import colorsys\nprint("ok")', /^ok$/],
  ['the environment', 'import os\nos.environ["A"] = "1"', 'import os\nprint(os.environ.get("A"))', /^None$/],
  ['the working directory', 'import os\nos.chdir("/tmp")', 'import os\nprint(os.getcwd())', /^\/home\/user$/],
  ['a file in the working directory', 'open("a", "w").write("x")', 'import os\nprint(os.listdir())', /^\[\]$/],
  ['a file in /tmp', 'open("/tmp/a", "w").write("x")', 'import os\nprint(os.listdir("/tmp"))', /^\[\]$/],
  [
    'a directory named __proto__',
    'import os\nos.mkdir("__proto__")\nopen("__proto__/constructor", "w")',
    'import os\nprint(os.path.exists("__proto__"), os.listdir())',
    /^False \[\]$/,
  ],
  ['an open file', 'f = open("/tmp/a", "w")\nprint(f.fileno())', 'import os\nos.fstat(3)', /Bad file descriptor/],
  ['a closed standard output', 'import os\nos.close(1)\nos.close(2)', 'print("here")', /^here$/],
  ['a replaced standard output', 'import sys, io\nsys.stdout = io.StringIO()', 'print("here")', /^here$/],
  [
    'the random seed',
    'import random\nrandom.seed(1)',
    'import random\nprint(random.getstate()[1][0] == 2147483648 and random.random())',
    /^0\.\d+$/,
  ],
  [
    'the recursion limit',
    'import sys\nsys.setrecursionlimit(50)',
    'import sys\nprint(sys.getrecursionlimit())',
    /^1000$/,
  ],
  ['a trace function', 'import sys\nsys.settrace(lambda *a: 1/0)', 'print((lambda: 5)())', /^5$/],
  ['a profile function', 'import sys\nsys.setprofile(lambda *a: print("spy"))', 'print(5)', /^5$/],
  ['an audit hook', 'import sys\nsys.addaudithook(lambda *a: print("spy"))', 'open("/tmp/a", "w")\nprint(5)', /^5$/],
  [
    'a monitor of every line',
    'import sys\nm = sys.monitoring\nm.use_tool_id(1, "x")\nm.register_callback(1, m.events.LINE, lambda *a: 1 / 0)\nm.set_events(1, m.events.LINE)',
    'print(5)',
    /^5$/,
  ],
  ['a codec', 'import codecs\ncodecs.register(lambda name: 1 / 0)', '"a".encode("weird")', /LookupError/],
  [
    'an event loop',
    'import asyncio\nasyncio.set_event_loop(5)',
    'import asyncio\nprint(asyncio.run(asyncio.sleep(0, 5)))',
    /^5$/,
  ],
  [
    'a log handler',
    'import logging\nlogging.root.addHandler(logging.StreamHandler())',
    'import logging\nprint(logging.root.handlers)',
    /^\[\]$/,
  ],
  ['a display hook', 'import sys\nsys.excepthook = sys.displayhook = lambda *a: print("spy")', '1 / 0', /^Traceback/],
  [
    'an unraisable hook',
    'import sys\nsys.unraisablehook = lambda *a: print("spy")',
    'class A:\n    def __del__(self): 1 / 0\nA()',
    /ZeroDivisionError/,
  ],
  [
    'hooks of asynchronous generators',
    'import sys\nsys.set_asyncgen_hooks(firstiter=lambda a: 1 / 0)',
    'import sys\nprint(sys.get_asyncgen_hooks().firstiter)',
    /^None$/,
  ],
  [
    'a traced allocation',
    'import tracemalloc\ntracemalloc.start()',
    'import tracemalloc\nprint(tracemalloc.is_tracing())',
    /^False$/,
  ],
  [
    'the switch interval',
    'import sys\nsys.setswitchinterval(1e-9)',
    'import sys\nprint(sys.getswitchinterval())',
    /^0\.005$/,
  ],
  [
    'the limit of digits',
    'import sys\nsys.set_int_max_str_digits(0)',
    'import sys\nprint(sys.get_int_max_str_digits())',
    /^1000000$/,
  ],
  [
    'lines for tracebacks',
    'import linecache\nlinecache.cache["<code>"] = (1, None, ["secret"], "<code>")',
    '1 / 0',
    /^Traceback[^]*1 \/ 0\n/,
  ],
  ['a patched traceback', 'import traceback\ntraceback.TracebackException = None', '1 / 0', /^Traceback/],
  [
    'the directory of the standard library',
    'import zipimport\nfor k in zipimport._zip_directory_cache: zipimport._zip_directory_cache[k] = {}',
    'import colorsys\nprint("ok")',
    /^ok$/,
  ],
  [
    'a module in place of another',
    'open("json.py", "w").write("x = 1")\nimport sys\nsys.modules.pop("json")\nsys.path.insert(0, "")\nimport json',
    'import json\nprint(json.dumps([1]))',
    /^\[1\]$/,
  ],
  [
    'a module in an archive',
    'import sys, zipfile\nwith zipfile.ZipFile("/tmp/a.zip", "w") as z: z.writestr("json.py", "x = 1")\nsys.path.insert(0, "/tmp/a.zip")\nsys.modules.pop("json")\nimport json',
    'import json\nprint(json.dumps([1]))',
    /^\[1\]$/,
  ],
  [
    'no main module',
    'import sys\ndel sys.modules["__main__"]',
    'import sys\nprint("__main__" in sys.modules)',
    /^True$/,
  ],
  [
    'a task that goes on',
    'import asyncio\nasync def g():\n    while True: await asyncio.sleep(0)\nasync def f(): asyncio.create_task(g())\nasyncio.run(f())',
    'print(5)',
    /^5$/,
  ],
  [
    'a callback for later',
    'import asyncio\nasyncio.new_event_loop().call_later(0.01, print, "late")',
    'import time\ntime.sleep(0.05)\nprint(5)',
    /^5$/,
  ],
  [
    'a file written on the way out',
    'import sys\nclass A:\n    def __del__(self): open("left", "w").write("x")\nsys.kept = A()\nsys.exit(0)',
    'import os\nprint(os.listdir())',
    /^\[\]$/,
  ],
  [
    'all files removed',
    'import shutil\nshutil.rmtree("/", ignore_errors=True)',
    'import os, colorsys\nprint(os.getcwd(), os.listdir("/tmp"))',
    /^\/home\/user \[\]$/,
  ],
  ['an exit handler', 'import atexit\natexit.register(print, "bye")', 'print(5)', /^5$/],
  [
    'a destructor',
    'class A:\n    def __del__(self): print("bye")\na = A()',
    'import gc\ngc.collect()\nprint(5)',
    /^5$/,
  ],
  [
    'a weak reference callback',
    'import weakref, math\nclass A: pass\na = A()\nweakref.finalize(a, print, "bye")',
    'print(5)',
    /^5$/,
  ],
  [
    'a signal handler',
    'import signal\nsignal.signal(signal.SIGINT, lambda *a: print("spy"))',
    'import signal\nsignal.raise_signal(signal.SIGINT)',
    /^Traceback.*KeyboardInterrupt$/s,
  ],
  [
    'garbage collection switched off',
    'import gc\ngc.disable()\ngc.set_threshold(1)',
    'import gc\nprint(gc.isenabled(), gc.get_threshold()[0] > 1)',
    /^True True$/,
  ],
  [
    'the decimal precision',
    'import decimal\ndecimal.getcontext().prec = 3',
    'import decimal\nprint(decimal.getcontext().prec)',
    /^28$/,
  ],
  [
    'a context variable',
    'import contextvars\nv = contextvars.ContextVar("v")\nv.set(1)',
    'import contextvars\nprint(len(contextvars.copy_context()))',
    /^0$/,
  ],
  [
    'a cached regular expression',
    'import re\nre.compile("x")\nre._cache.clear()\nre._cache = 5',
    'import re\nprint(re.findall("a.", "abac"))',
    /^\['ab', 'ac'\]$/,
  ],
  [
    'the warnings filter',
    'import warnings\nwarnings.simplefilter("error")',
    'import warnings\nwarnings.warn("careful")\nprint("on")',
    /careful.*on$/s,
  ],
  ['an interned string', 'import sys\ns = sys.intern("left" + "over")', 'import gc\nprint(5)', /^5$/],
  [
    'numbers changed in memory',
    `${TAKE_MEMORY}
import sys
memory[id(7) + 12] = 9
print("changed")`,
    'print(7 + 0, 6 + 1)',
    /^7 7$/,
  ],
  [
    'all of memory overwritten',
    `${TAKE_MEMORY}
memory[0:1 << 24] = bytes(1 << 24)`,
    'print(5)',
    /^5$/,
  ],
  ['memory grown to the limit', 'x = bytes(200 << 20)\nprint(len(x))', 'print(5)', /^5$/],
];

// the first call may have to build the image: seconds, and more on a busy machine
vi.setConfig({ testTimeout: 120_000 });

describe('nothing is left of', () => {
  it.each(leftovers)('%s', async (_name, first, second, seen) => {
    await run(first);
    expect((await run(second)).observation).toMatch(seen);
  });
});

describe('calls', () => {
  it('give the same addresses each time: the memory is the same to the byte', async () => {
    const program = 'x = [object() for _ in range(100)]\nprint([id(o) for o in x])';
    expect((await run(program)).observation).toBe((await run(program)).observation);
  });

  it('give different random numbers each time', async () => {
    const program = 'import random, os, uuid\nprint(random.random(), os.urandom(8), uuid.uuid4())';
    const [first, second] = [await run(program), await run(program)];
    for (const [index, part] of first.observation.split(' ').entries()) {
      expect(part).not.toBe(second.observation.split(' ')[index]);
    }
  });
});
