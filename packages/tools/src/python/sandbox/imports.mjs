// @ts-check
import * as errno from './errno.mjs';
import { createFileSystemCalls, USER_ID } from './syscalls.mjs';
import { TICK_IMPORT } from './wasm-binary.mjs';

/**
 * Everything the WebAssembly code can call. The functions here are all there is: none starts a process, opens a host
 * file or socket, or hands out a JavaScript value. Imports are of three kinds:
 *
 * - answered: files (in memory), clocks, random bytes, memory growth, exit
 * - refused with an error number, which Python turns into an `OSError`: sockets, pipes, links, `os.system`
 * - denied: Pyodide's bridge to JavaScript, foreign function calls, promises. No ordinary program calls them; the run ends.
 *
 * @param {object} host
 * @param {import('./memory.mjs').MemoryView} host.memory
 * @param {import('./filesystem.mjs').FileSystem} host.files
 * @param {import('./clock.mjs').Clock} host.clock
 * @param {import('./clock.mjs').Stop} host.stop
 * @param {(bytes: Uint8Array) => void} host.fillRandom
 * @param {(index: number) => Function} host.tableFunction
 * @param {{ malloc(size: number): number, free(pointer: number): void }} host.heap Python's own allocator
 * @param {() => number} host.memoryLimit in bytes
 * @param {() => void} host.onMemoryRefused
 * @param {{ has(path: string): boolean, symbol(path: string, name: string): number }} host.libraries those linked when the image was built
 */
export function createImports({
  memory,
  files,
  clock,
  stop,
  fillRandom,
  tableFunction,
  heap,
  memoryLimit,
  onMemoryRefused,
  libraries,
}) {
  const { syscalls, wasi } = createFileSystemCalls(memory, files);
  const environment = ['PYTHONHOME=/', 'PYTHONHASHSEED=0', 'PYTHONDONTWRITEBYTECODE=1', 'PYTHONUNBUFFERED=1'];
  environment.push(
    'PYTHONUTF8=1',
    'PYTHONIOENCODING=utf-8:backslashreplace',
    'PYTHONINSPECT=1',
    'HOME=/home/user',
    'PATH=/',
    'LANG=C.UTF-8',
    'TZ=UTC',
  );
  const exit = (/** @type {number} */ status) => stop('exit', String(status));

  /** the path in a `struct dso` of the C library */
  const libraryName = (/** @type {number} */ handle) => memory.text((handle >>> 0) + 36);

  /** @type {Record<string, Function>} */
  const answered = {
    ...syscalls,
    ...wasi,
    ...clock.imports,
    random_get: (/** @type {number} */ pointer, /** @type {number} */ length) => {
      fillRandom(memory.slice(pointer, length));
      return 0;
    },
    environ_sizes_get: (/** @type {number} */ count, /** @type {number} */ size) => {
      memory.view.setUint32(count >>> 0, environment.length, true);
      memory.view.setUint32(size >>> 0, environment.join(' ').length + 1, true);
      return 0;
    },
    environ_get: (/** @type {number} */ pointers, /** @type {number} */ buffer) => {
      let next = buffer >>> 0;
      environment.forEach((text, index) => {
        memory.view.setUint32((pointers >>> 0) + index * 4, next, true);
        next += memory.writeText(text, next, text.length + 1);
      });
      return 0;
    },
    emscripten_get_heap_max: memoryLimit,
    emscripten_resize_heap: (/** @type {number} */ size) => {
      // a little more than asked, so that a growing list does not grow the memory each time
      const wanted = size >>> 0;
      const roomy = Math.min(memoryLimit(), Math.ceil(wanted * 1.1));
      if (wanted <= memoryLimit() && memory.grow(Math.max(wanted, roomy))) return 1;
      onMemoryRefused();
      return 0;
    },
    // the eval loop asks now and then whether a signal has come
    _Py_CheckEmscriptenSignals_Helper: () => (clock.checkDeadline(), 0),
    _PyEM_TrampolineCall_JS: (
      /** @type {number} */ fn,
      /** @type {number} */ a,
      /** @type {number} */ b,
      /** @type {number} */ c,
    ) => tableFunction(fn)(a, b, c),
    __call_sighandler: (/** @type {number} */ fn, /** @type {number} */ signal) => tableFunction(fn)(signal),
    __syscall_poll: (/** @type {number} */ _fds, /** @type {number} */ _count, /** @type {number} */ timeoutMs) => (
      clock.sleep(timeoutMs < 0 ? Infinity : timeoutMs),
      0
    ),
    __syscall_getuid32_js: () => USER_ID,
    __syscall_umask_js: () => 0o022,
    _emscripten_get_progname: (/** @type {number} */ pointer, /** @type {number} */ room) => {
      memory.writeText('python', pointer, room);
    },
    // ctypes makes a closure when it is imported, to see whether it can; filling or calling one is denied
    ffi_closure_alloc_js: (/** @type {number} */ size, /** @type {number} */ code) => {
      const pointer = heap.malloc(size);
      memory.view.setUint32(code >>> 0, pointer, true);
      return pointer;
    },
    ffi_closure_free_js: (/** @type {number} */ pointer) => heap.free(pointer),
    // a library is found when it was linked with the image; a program cannot bring its own
    _dlopen_js: (/** @type {number} */ handle) => Number(libraries.has(libraryName(handle))),
    _dlsym_js: (/** @type {number} */ handle, /** @type {number} */ symbol) =>
      libraries.symbol(libraryName(handle), memory.text(symbol)),
    exit,
    proc_exit: exit,
    _abort_js: () => exit(134),
    __assert_fail: () => exit(134),
    [TICK_IMPORT]: clock.tick,
    emscripten_runtime_keepalive_pop() {},
    _emscripten_runtime_keepalive_clear() {},
    _Py_emscripten_runtime: () => 0,
  };

  /** @type {Record<string, number>} */
  const refused = {
    __syscall_socket: -errno.EAFNOSUPPORT,
    __syscall_accept4: -errno.EBADF,
    __syscall_bind: -errno.EBADF,
    __syscall_connect: -errno.EBADF,
    __syscall_getpeername: -errno.EBADF,
    __syscall_getsockname: -errno.EBADF,
    __syscall_getsockopt: -errno.EBADF,
    __syscall_listen: -errno.EBADF,
    __syscall_recvfrom: -errno.EBADF,
    __syscall_recvmsg: -errno.EBADF,
    __syscall_sendmsg: -errno.EBADF,
    __syscall_sendto: -errno.EBADF,
    _try_shutdown: 0,
    _try_fcntl64: 0, // not a socket: the ordinary call follows
    getaddrinfo: -4, // EAI_FAIL
    getnameinfo: -4,
    getprotobyname: 0,
    __syscall_pipe: -errno.EPERM,
    __syscall_symlinkat: -errno.EPERM,
    __syscall_mknodat: -errno.EPERM,
    __syscall_fchownat: -errno.EPERM,
    __syscall_fchown32: -errno.EPERM,
    __syscall_fallocate: -errno.ENOSYS,
    __syscall_statfs64: -errno.ENOSYS,
    __syscall_fstatfs64: -errno.ENOSYS,
    _mmap_js: -errno.ENOSYS,
    _munmap_js: -errno.ENOSYS,
    _msync_js: -errno.ENOSYS,
    _setitimer_js: -errno.ENOSYS,
    _emscripten_system: -errno.ENOSYS,
  };

  /** @type {Set<string>} */
  const reference = new Set([
    '__hiwire_deduplicate_new',
    '_maybe_connect_async',
    '_maybe_recvfrom_async',
    '_maybe_sendto_async',
    '_maybe_poll_async',
  ]);

  /** @type {(name: string) => Function} */
  return (name) => {
    const answer = Object.hasOwn(answered, name) ? answered[name] : undefined;
    if (answer) return answer;
    if (reference.has(name)) return () => null;
    const result = Object.hasOwn(refused, name) ? refused[name] : undefined;
    if (result !== undefined) return () => result;
    return () => stop('denied', name);
  };
}
