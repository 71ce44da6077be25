// @ts-check
/**
 * Python's side of a call, part of the memory snapshot. It makes results pleasant to read; it is no part of the wall:
 * hostile code may take it apart, and only spoils its own call.
 */
export const PRELUDE = String.raw`
import sys

def prepare():
    import ast, builtins, collections, io, json, linecache, os, random, traceback, types
    # imported once, so that programs find them loaded
    import abc, array, asyncio, base64, binascii, bisect, calendar, cmath, contextlib, copy, csv, dataclasses, datetime, decimal
    import difflib, enum, errno, fractions, functools, hashlib, heapq, inspect, itertools, math, numbers, operator
    import pickle, pprint, re, secrets, shutil, statistics, string, struct, tempfile, textwrap, threading, time, typing
    import unicodedata, uuid, warnings, zlib

    FILE = "<code>"
    os.chdir("/home/user")
    write, position, compile_, exec_, eval_ = os.write, os.lseek, compile, exec, eval
    type_, isinstance_, len_, repr_, int_, AnyException = type, isinstance, len, repr, int, BaseException
    seed, loads, dumps, format_exception = random.seed, json.loads, json.dumps, traceback.TracebackException
    parse, Expression, Expr = ast.parse, ast.Expression, ast.Expr
    linecache_cache, substitute = linecache.cache, re.sub
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    main.__dict__["__annotations__"] = {}
    sys.modules["__main__"] = main
    namespace = main.__dict__
    sys.argv = [FILE]
    sys.set_int_max_str_digits(1_000_000)  # the time limit guards long conversions
    sys.path = [entry for entry in sys.path if entry] + ["/home/user"]
    warnings.filterwarnings("ignore", category=SyntaxWarning)
    real_import = builtins.__import__
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        del os.environ[name]
    for name in ("pyodide", "_pyodide"):
        sys.modules[name] = None
    # an event loop wakes itself through a socket: there is no one else here to wake it
    selector_loop = asyncio.selector_events.BaseSelectorEventLoop
    selector_loop._make_self_pipe = selector_loop._close_self_pipe = selector_loop._write_to_self = lambda self: None

    def no_input(prompt=""):
        raise EOFError("input() is not available here: write the values into the code")
    builtins.input = no_input
    for name in ("exit", "quit", "help", "copyright", "credits", "license"):
        builtins.__dict__.pop(name, None)
    def leave(code=None):
        raise SystemExit(code)
    builtins.exit = builtins.quit = leave

    def only(allowed):
        allowed = frozenset(allowed)
        def guarded(name, globals=None, locals=None, fromlist=(), level=0):
            # what an allowed module imports for itself is its own business
            asker = globals.get("__name__") if isinstance_(globals, dict) else None
            if asker == "__main__" and level == 0 and name.partition(".")[0] not in allowed:
                raise ImportError(f"the module {name!r} is not available; available are: {', '.join(sorted(allowed))}")
            return real_import(name, globals, locals, fromlist, level)
        builtins.__import__ = guarded

    def short_traceback(error, file):
        shown = format_exception(type_(error), error, error.__traceback__, limit=None, capture_locals=False)
        inspected = shown
        for _ in range(8):
            if inspected is None:
                break
            frames = [frame for frame in inspected.stack if frame.filename.startswith("<code")]
            if len_(frames) > 6:
                frames = frames[:2] + frames[-3:]
            inspected.stack = traceback.StackSummary.from_list(frames)
            inspected = inspected.__cause__ or (None if inspected.__suppress_context__ else inspected.__context__)
        text = "".join(shown.format(chain=True)).replace(f'  File "{file}", line', "  line")
        return substitute(r'  File "<code (\d+)>", line', r"  program \1, line", text)

    def run(source, settings):
        settings = loads(settings)
        call = settings["call"]
        if settings["fresh"]:  # later programs of a session go on with what the first one was given
            seed(settings["seed"])
            if "numpy.random" in sys.modules:
                sys.modules["numpy.random"].seed(int(settings["seed"][:8], 16))
            if settings["modules"] is not None:
                only(settings["modules"])
            if not settings["files"]:
                del builtins.open
        file = f"<code {call}>" if call else FILE
        outcome, value, error = "finished", None, None
        try:
            linecache_cache[file] = (len_(source), None, source.splitlines(True), file)
            tree = parse(source, file)
            last = tree.body.pop() if tree.body and isinstance_(tree.body[-1], Expr) else None
            exec_(compile_(tree, file, "exec"), namespace)
            if last is not None:
                result = eval_(compile_(Expression(last.value), file, "eval"), namespace)
                if result is not None and settings["showValue"] and position(1, 0, 1) == 0:
                    value = repr_(result)
        except SystemExit as stop:
            if stop.code is not None and not isinstance_(stop.code, int_):
                write(1, f"{stop.code}\n".encode("utf-8", "backslashreplace"))
        except MemoryError:
            outcome = "memory-limit"
        except AnyException as problem:
            if isinstance_(problem, RecursionError):
                outcome = "stack-limit"
            else:
                outcome = "exception"
            try:
                error = short_traceback(problem, file)
            except AnyException:
                error = type_(problem).__name__
        try:
            sys.stdout.flush()
        except AnyException:
            pass
        return dumps({"outcome": outcome, "value": value, "error": error})

    return run

sys._run = prepare()
`;
