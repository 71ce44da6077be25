import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { attackTests, openSandbox, TAKE_MEMORY } from './sandbox.js';

// the first call may have to build the image: seconds, and more on a busy machine
vi.setConfig({ testTimeout: 120_000 });

const run = openSandbox({ timeLimitMs: 12_000 });
const SECRET = 'tapo-secret-4711';
process.env['TAPO_TEST_SECRET'] = SECRET;
const hostDirectory = mkdtempSync(join(tmpdir(), 'tapo-host-'));
writeFileSync(join(hostDirectory, 'secret.txt'), SECRET);
let connections = 0;
const server = createServer((_request, response) => response.end(SECRET)).on('connection', () => (connections += 1));
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as AddressInfo;
afterAll(() => void server.close());

describe('escapes to JavaScript', () => {
  attackTests(run, [
    ['importing js', 'from js import process', /ModuleNotFoundError/],
    ['importing pyodide_js', 'import pyodide_js', /ModuleNotFoundError/],
    ['importing pyodide and run_js', 'from pyodide.code import run_js', /ModuleNotFoundError/],
    ['importing _pyodide_core', 'import _pyodide_core', /ModuleNotFoundError/],
    [
      'making the built-in module _pyodide_core by hand',
      'import _imp\nclass Spec: name = "_pyodide_core"\nprint(_imp.create_builtin(Spec))',
      /^None$/,
    ],
    [
      'looking for proxies of JavaScript objects with gc',
      'import gc\nprint([o for o in gc.get_objects() if "Js" in type(o).__name__ or "Js" in repr(type(o))])',
      /^\[\]$/,
    ],
    [
      'looking for a class of the bridge among all subclasses',
      'print([c for c in object.__subclasses__() if c.__module__ in ("js", "pyodide_js") or "pyodide" in c.__module__])',
      /^\[\]$/,
    ],
    ['a C function by name', 'import ctypes\nprint(ctypes.CDLL(None).system(b"id"))', /function 'system' not found/],
    ['a C function by its place', 'import ctypes\nprint(ctypes.CFUNCTYPE(ctypes.c_int)(5)())', /interpreter failed/],
    ['a callback from C', 'import ctypes\nctypes.CFUNCTYPE(ctypes.c_int)(lambda: 7)()', /interpreter failed/],
    [
      'a foreign function call by ctypes itself',
      'import ctypes\nprint(ctypes.string_at(1024, 4))',
      /interpreter failed/,
    ],
    [
      'emscripten_run_script',
      'import _ctypes\nprint(_ctypes.dlsym(_ctypes.dlopen(None, 0), "emscripten_run_script"))',
      /symbol 'emscripten_run_script' not found/,
    ],
    [
      'a WebAssembly library of its own',
      'import _imp, importlib.util\nopen("x.so", "wb").write(b"\\0asm\\1\\0\\0\\0")\n' +
        'spec = importlib.util.spec_from_file_location("x", "/home/user/x.so")\nprint(_imp.create_dynamic(spec))',
      /ImportError: unknown dlopen\(\) error/,
    ],
    [
      'source in a URL of JavaScript',
      'import webbrowser\nprint(webbrowser.open("javascript:1"))',
      /No module named 'js'/,
    ],
  ]);

  it('gives no more than its own memory to forged bytecode', async () => {
    const { observation } = await run(`${TAKE_MEMORY}
print(memory.find(b"${SECRET.slice(0, 5)}" + b"${SECRET.slice(5)}", 0, 1 << 24), memory.find(b"/usr/", 0, 1 << 24) >= 0)`);
    expect(observation).toMatch(/^-1 (True|False)$/);
  });
});

describe('escapes to the host', () => {
  attackTests(run, [
    ['a shell by os.system', `import os\nprint(os.system("touch ${hostDirectory}/pwned"))`, /^-1$/],
    [
      'a shell by os.popen',
      `import os\nprint(os.popen("cat ${hostDirectory}/secret.txt").read())`,
      /does not support processes/,
    ],
    ['a process by subprocess', 'import subprocess\nsubprocess.run(["id"])', /does not support processes/],
    ['a process by posix_spawn', 'import os\nos.posix_spawn("/bin/sh", ["sh"], {})', /has no attribute 'posix_spawn'/],
    ['fork', 'import os\nprint(os.fork())', /not implemented/],
    ['exec', 'import os\nos.execv("/bin/sh", ["sh"])', /OSError/],
    ['a fresh posix module', 'import sys\ndel sys.modules["posix"]\nimport posix\nprint(posix.system("id"))', /^-1$/],
    [
      'the built-in system of another interpreter',
      'import _interpreters\nprint(_interpreters.create())',
      /ModuleNotFoundError/,
    ],
    ['killing its parent', `import os\nos.kill(${process.pid}, 9)`, /PermissionError/],
    ['killing every process', 'import os\nos.kill(-1, 9)', /PermissionError/],
    [
      'a process by asyncio',
      'import asyncio\nasync def f(): await asyncio.create_subprocess_exec("id")\nasyncio.run(f())',
      /OSError|Error/,
    ],
    [
      'a shell inside a pickle',
      'import pickle, os\nclass A:\n    def __reduce__(self): return (os.system, ("id",))\nprint(pickle.loads(pickle.dumps(A())))',
      /^-1$/,
    ],
    ['a script for another process', `import sys\nsys.remote_exec(${process.pid}, "/tmp/a.py")`, /FileNotFoundError/],
    ['another interpreter', 'import concurrent.interpreters as c\nc.create()', /ModuleNotFoundError/],
    ['the debugger', 'breakpoint()\nprint("on")', /<code>\(1\)/],
    ['what the worker reads from its standard input', 'import sys\nprint(repr(sys.stdin.read()))', /^''$/],
  ]);
});

describe('the host file system', () => {
  attackTests(run, [
    ['a file by its path', `print(open("${hostDirectory}/secret.txt").read())`, /FileNotFoundError/],
    ['a file by .. from home', `print(open("../..${hostDirectory}/secret.txt").read())`, /FileNotFoundError/],
    ['/proc', 'print(open("/proc/self/environ").read())', /FileNotFoundError/],
    ['/dev', 'import os\nprint(os.listdir("/dev"))', /^\['null'\]$/],
    ['/dev/stdin and /dev/tty', 'open("/dev/tty", "w").write("x")', /Read-only/],
    [
      'the descriptors of the process',
      'import os\nprint([fd for fd in range(3, 256) if not os.fstat(fd)])',
      /Bad file/,
    ],
    ['writing to the channel of the worker', 'import os\nos.write(3, b"\\x00" * 64)', /Bad file/],
    ['a link out of its files', `import os\nos.symlink("${hostDirectory}", "out")`, /PermissionError/],
    ['a device node', 'import os\nprint(hasattr(os, "mknod"), hasattr(os, "mkfifo"))', /^False False$/],
    [
      'a file by a URL',
      `import urllib.request\nurllib.request.urlopen("file://${hostDirectory}/secret.txt")`,
      /No such file/,
    ],
    [
      'a file as a database',
      `import sqlite3\nsqlite3.connect("${hostDirectory}/secret.txt")`,
      /unable to open database file/,
    ],
    [
      'an extension of the database',
      'import sqlite3\nsqlite3.connect(":memory:").enable_load_extension(True)',
      /AttributeError/,
    ],
    [
      'all that there is',
      'import os\nprint(sorted(os.listdir("/")), os.listdir("/home"))',
      /^\['dev', 'home', 'lib', 'tmp'\] \['user'\]$/,
    ],
    ['a link to itself', 'import os\nos.symlink("a", "a")', /PermissionError/],
    ['a directory moved into itself', 'import os\nos.mkdir("a")\nos.rename("a", "a/b")', /Invalid argument/],
    ['a descriptor beyond all others', 'import os\nos.dup2(1, 2**31 - 1)', /Bad file descriptor/],
    ['cutting its output', 'import os\nos.ftruncate(1, 0)', /Invalid argument/],
    [
      'names that JavaScript knows',
      'import os\nfor n in ["constructor", "__proto__", "toString"]: open(n, "w").write(n)\nprint(sorted(os.listdir()), open("__proto__").read())',
      /^\['__proto__', 'constructor', 'toString'\] __proto__$/,
    ],
    ['mounting', 'import os\nprint(hasattr(os, "mount"))', /^False$/],
    ['changing the standard library', 'open("/lib/python314.zip", "ab").write(b"x")', /Read-only/],
    ['replacing the standard library', 'import os\nos.rename("/lib/python314.zip", "/tmp/a")', /Read-only/],
  ]);
});

describe('the network', () => {
  attackTests(run, [
    ['a TCP connection', `import socket\nsocket.create_connection(("127.0.0.1", ${port}), 1)`, /gaierror/],
    ['a socket', 'import socket\nsocket.socket(socket.AF_INET, socket.SOCK_STREAM)', /not supported/],
    ['UDP', 'import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM)', /not supported/],
    ['a pair of sockets', 'import socket\nsocket.socketpair()', /not supported/],
    ['a socket from a descriptor', 'import socket\nsocket.socket(fileno=3)', /Bad file descriptor/],
    ['HTTP', `import urllib.request\nprint(urllib.request.urlopen("http://127.0.0.1:${port}/").read())`, /URLError/],
    ['name resolution', 'import socket\nprint(socket.gethostbyname("localhost"))', /gaierror/],
    ['listening', 'import socketserver, http.server\nhttp.server.HTTPServer(("", 0), None)', /not supported/],
  ]);
});

describe('environment and secrets', () => {
  attackTests(run, [
    ['environment variables', 'import os\nprint(sorted(os.environ))', /^\['HOME', 'LANG', 'PATH', 'TZ'\]$/],
    ['the name and user of the host', 'import platform, os\nprint(platform.node(), os.getuid())', /^emscripten 1000$/],
    ['the process id', 'import os\nprint(os.getpid())', /^42$/],
    ['the arguments', 'import sys\nprint(sys.argv, sys.executable, sys.orig_argv)', /^\['<code>'\]/],
    ['setting the clock', 'import time\ntime.clock_settime(time.CLOCK_REALTIME, 0)', /PermissionError/],
    ['the load of the host', 'import os\nprint(os.getloadavg())', /^\(0\.1, 0\.1, 0\.1\)$/],
    ['the users of the host', 'import pwd', /ModuleNotFoundError/],
    ['the number of processors', 'import os\nprint(os.cpu_count())', /^1$/],
    ['how long the worker has run', 'import time\nprint(time.monotonic() < 5, time.process_time() < 5)', /^True True$/],
    [
      'a clock finer than a millisecond',
      'import time\nt = [time.perf_counter_ns() for _ in range(5000)]\nprint(all(x % 10**6 == 0 for x in t))',
      /^True$/,
    ],
    [
      'the time zone',
      'import time, datetime\nprint(time.tzname, datetime.datetime.now().astimezone().utcoffset())',
      /UTC.*0:00:00/,
    ],
  ]);
});

describe('after all of these', () => {
  it('no connection was made and no file was written', () => {
    expect(connections).toBe(0);
    expect(readdirSync(hostDirectory)).toEqual(['secret.txt']);
  });

  it('the host was never named in an error', async () => {
    const { observation } = await run('import nothing_of_this_name');
    expect(observation).not.toMatch(/work|home\/(?!user)|node|sandbox/);
  });
});
