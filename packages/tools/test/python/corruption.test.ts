import { describe, expect, it, vi } from 'vitest';
import { attackTests, openSandbox, TAKE_MEMORY } from './sandbox.js';

const run = openSandbox({ timeLimitMs: 3000 });
const TIME = /Time limit exceeded/;
const RAISED = /The code raised an exception|Error/;
const FAILED = /The interpreter failed and was restarted|limit exceeded|Error|exit status|The code raised an exception/;

describe('Python taken apart', () => {
  attackTests(run, [
    ['every dict cleared', 'import gc\n[o.clear() for o in gc.get_objects() if type(o) is dict]', RAISED],
    [
      'every list cleared',
      'import gc\n[o.clear() for o in gc.get_objects() if type(o) is list]\nprint("done")',
      /done|Error|printed nothing/,
    ],
    ['modules deleted', 'import sys\nsys.modules.clear()\nprint("done")', /done/],
    ['built-ins deleted', 'import builtins\nbuiltins.__dict__.clear()\nx', RAISED],
    [
      'exceptions replaced',
      'import builtins\nbuiltins.BaseException = builtins.Exception = int\n1 / 0',
      /ZeroDivisionError/,
    ],
    ['import replaced', 'import builtins\nbuiltins.__import__ = None\nimport math', /TypeError/],
    ['a trace function that raises', 'import sys\ndef trace(*a): raise ValueError\nsys.settrace(trace)', RAISED],
    [
      'a profile function that raises',
      'import sys\ndef profile(*a): raise ValueError\nsys.setprofile(profile)',
      RAISED,
    ],
    [
      'the frame that runs it',
      'import sys\nframe = sys._getframe(1)\nframe.f_locals["outcome"] = None\nframe.f_globals.clear()\nprint("done")',
      /done/,
    ],
    [
      'code objects replaced',
      'import sys\nsys._getframe(1).f_code\nimport json\njson.dumps.__code__ = (lambda *a, **k: 1 / 0).__code__\nprint("done")',
      /done|Error|printed nothing/,
    ],
    ['defaults replaced', 'import json\njson.loads.__kwdefaults__ = {"cls": int}\nprint("done")', /done/],
    [
      'exceptions from destructors',
      'class A:\n    def __del__(self): raise ValueError("x")\nfor _ in range(100): A()\nprint("done")',
      /done$/,
    ],
    [
      'a destructor that revives itself',
      'kept = []\nclass A:\n    def __del__(self): kept.append(self)\nA()\nkept.clear()\nprint("done")',
      /^done$/,
    ],
    [
      'an exception that cannot be shown',
      'class E(Exception):\n    def __str__(self): raise E\n    __repr__ = __str__\nraise E',
      /exception str\(\) failed/,
    ],
    [
      'an exception whose class lies',
      'class E(BaseException):\n    __class__ = property(lambda self: 1 / 0)\nraise E',
      RAISED,
    ],
    ['a value that cannot be shown', 'class A:\n    def __repr__(self): return 5\nA()', /TypeError/],
    ['a value that never ends', 'class A:\n    def __repr__(self):\n        while True: pass\nA()', TIME],
    [
      'a list cleared while it is searched',
      'class E:\n    def __eq__(self, other): l.clear()\nl = [E() for _ in range(1000)]\nprint(5 in l, l)',
      /^False \[\]$/,
    ],
    [
      'a dict cleared while it is filled',
      'class H:\n    def __hash__(self): return 1\n    def __eq__(self, other): d.clear()\nd = {}\nfor _ in range(100): d[H()] = 1\nprint("done")',
      /^done$/,
    ],
    [
      'bytes cleared by the index into them',
      'b = bytearray(100)\nclass I:\n    def __index__(self):\n        b.clear()\n        return 1\nb[50] = I()',
      /IndexError/,
    ],
    [
      'a view released by the index into it',
      'm = memoryview(bytearray(100))\nclass I:\n    def __index__(self):\n        m.release()\n        return 5\nm[I()] = 1',
      /ValueError/,
    ],
    [
      'a list emptied while it is sorted',
      'class K:\n    def __lt__(self, other): l.clear()\nl = [K() for _ in range(100)]\nl.sort()',
      /ValueError: list modified|printed nothing/,
    ],
    ['code read from noise', 'import marshal\nmarshal.loads(b"\\xe3" + b"\\xff" * 1000)', /bad marshal data/],
    [
      'a syntax tree with places that are not there',
      'import ast\nn = ast.Name("x", ast.Load(), lineno=2**31 - 1, col_offset=-5, end_lineno=-1, end_col_offset=2**31 - 1)\ncompile(ast.Expression(n), "a", "eval")',
      /ValueError/,
    ],
    ['aborting in a destructor', 'import os\nclass A:\n    def __del__(self): os.abort()\nA()', /exit status 134/],
    ['a class that inherits from itself', 'class A: pass\nclass B(A): pass\nA.__bases__ = (B,)', /inheritance cycle/],
    [
      'output closed before an exception',
      'import sys\nsys.stdout.close()\nsys.stderr.close()\n1 / 0',
      /^Traceback[^]*ZeroDivisionError/,
    ],
    ['leaving by SystemExit', 'import sys\nsys.exit("done")', /^done$/],
    ['leaving by os._exit', 'import os\nos._exit(3)', /exit status 3/],
    ['aborting', 'import os\nos.abort()', /exit status 134/],
    ['an interrupt', 'import signal\nsignal.raise_signal(signal.SIGINT)', /KeyboardInterrupt/],
    ['a fatal signal', 'import signal\nsignal.raise_signal(signal.SIGSEGV)', /exit status 134/],
    ['a segmentation fault', 'import faulthandler\nfaulthandler._sigsegv()', /exit status/],
    ['a fatal error', 'import faulthandler\nfaulthandler._fatal_error_c_thread()', /unable to start the thread/],
    [
      'exit handlers without end',
      'import atexit\ndef again():\n    while True: pass\natexit.register(again)\natexit._run_exitfuncs()',
      TIME,
    ],
    ['a forged result', 'import os, json\nos.write(1, json.dumps({"ready": True}).encode())', /^\{"ready": true\}$/],
  ]);
});

describe('memory taken over', () => {
  attackTests(run, [
    [
      'bytecode with a constant out of range',
      'f = lambda: 0\nimport opcode\nc = f.__code__.replace(co_code=bytes([opcode.opmap["EXTENDED_ARG"], 255, opcode.opmap["LOAD_CONST"], 255, opcode.opmap["RETURN_VALUE"], 0]))\nimport types\ntypes.FunctionType(c, {})().x',
      FAILED,
    ],
    [
      'bytecode that empties the stack',
      'import opcode, types\nc = (lambda: 0).__code__.replace(co_code=bytes([opcode.opmap["POP_TOP"], 0] * 200))\ntypes.FunctionType(c, {})()',
      FAILED,
    ],
    [
      'bytecode that jumps away',
      'import opcode, types\nc = (lambda: 0).__code__.replace(co_code=bytes([opcode.opmap["EXTENDED_ARG"], 255, opcode.opmap["JUMP_FORWARD"], 255]))\ntypes.FunctionType(c, {})()',
      FAILED,
    ],
    ['memory filled with zeros', `${TAKE_MEMORY}memory[0:20 << 20] = bytes(20 << 20)`, FAILED],
    ['memory filled with ones', `${TAKE_MEMORY}memory[1 << 20:20 << 20] = b"\\xff" * (19 << 20)`, FAILED],
    [
      'memory filled with noise',
      `${TAKE_MEMORY}
import random
for _ in range(10**5): memory[random.randrange(24 << 20)] = random.randrange(256)
print([].__len__(), {}.keys())`,
      FAILED,
    ],
    [
      'a method that points at every function of the table',
      `${TAKE_MEMORY}
# the PyMethodDef of len: m_ml stands at offset 8 of the function object, its ml_meth at offset 4
definition = struct.unpack_from("<I", memory, id(len) + 8)[0]
for index in range(1, 8733, 37):
    struct.pack_into("<I", memory, definition + 4, index)
    try: len([])
    except BaseException: pass`,
      FAILED,
    ],
    ['reading beyond the memory', `${TAKE_MEMORY}print(memory[0x7ffffff0])`, FAILED],
    [
      'a length beyond the memory given to a system call',
      `${TAKE_MEMORY}
import os
os.write(1, memory)`,
      /characters left out/,
    ],
    [
      'a pointer beyond the memory given to a system call',
      `${TAKE_MEMORY}
import os
f = open("a", "wb")
f.write(memory)`,
      /must not be NULL/,
    ],
  ]);

  // the first call may have to build the image: seconds, and more on a busy machine
  vi.setConfig({ testTimeout: 120_000 });

  it('the worker that trapped is replaced, its neighbour is not', async () => {
    const outcomes = await Promise.all([run(`${TAKE_MEMORY}memory[0:20 << 20] = bytes(20 << 20)`), run('print(5)')]);
    expect(outcomes.map(({ status }) => status)).toEqual(['error', 'ok']);
  });
});
