// @ts-check
import * as errno from './errno.mjs';
import { ErrnoError } from './errno.mjs';

/**
 * The file system calls of the C library, answered by the files in `filesystem.mjs`.
 * Layouts (stat, dirent, iovec) are those of Emscripten's 32-bit musl.
 *
 * @param {import('./memory.mjs').MemoryView} memory
 * @param {import('./filesystem.mjs').FileSystem} files
 */
export function createFileSystemCalls(memory, files) {
  const at = memory.text;
  /** @type {(value: bigint) => number} a file offset as a number; beyond 2^53 there is nothing to read */
  const offsetOf = (value) => {
    if (value < 0n || value > 2n ** 53n) throw new ErrnoError(errno.EINVAL);
    return Number(value);
  };

  /** @type {(buffer: number, node: import('./filesystem.mjs').Node) => number} */
  function writeStat(buffer, node) {
    const { view } = memory;
    const base = buffer >>> 0;
    memory.slice(base, 96).fill(0);
    const size = node.kind === 'file' ? node.size : 0;
    const type = { directory: 0o040000, file: 0o100000, null: 0o020000, input: 0o010000, output: 0o010000 }[node.kind];
    const permissions = node.kind === 'directory' ? 0o755 : node.writable ? 0o644 : 0o444;
    view.setUint32(base, 1, true);
    view.setUint32(base + 4, type | permissions, true);
    view.setUint32(base + 8, 1, true);
    view.setUint32(base + 12, USER_ID, true);
    view.setUint32(base + 16, USER_ID, true);
    view.setBigInt64(base + 24, BigInt(size), true);
    view.setInt32(base + 32, 4096, true);
    view.setInt32(base + 36, Math.ceil(size / 512), true);
    for (const offset of [40, 56, 72]) {
      view.setBigInt64(base + offset, BigInt(Math.floor(node.mtimeMs / 1000)), true);
      view.setUint32(base + offset + 8, Math.floor(node.mtimeMs % 1000) * 1e6, true);
    }
    view.setBigInt64(base + 88, BigInt(node.inode), true);
    return 0;
  }

  /** @type {(pointer: number, count: number) => Uint8Array[]} */
  function vectors(pointer, count) {
    if (count < 0 || count > 1024) throw new ErrnoError(errno.EINVAL);
    const { view } = memory;
    return Array.from({ length: count }, (_, index) => {
      const base = (pointer >>> 0) + index * 8;
      return memory.slice(view.getUint32(base, true), view.getUint32(base + 4, true));
    });
  }
  /** @type {(fd: number, pointer: number, count: number, at?: number) => number} */
  function readVectors(fd, pointer, count, position) {
    let total = 0;
    for (const part of vectors(pointer, count)) {
      const got = files.read(fd, part, position === undefined ? undefined : position + total);
      total += got;
      if (got < part.length) break;
    }
    return total;
  }
  /** @type {(fd: number, pointer: number, count: number, at?: number) => number} */
  function writeVectors(fd, pointer, count, position) {
    let total = 0;
    for (const part of vectors(pointer, count)) {
      total += files.write(fd, part, position === undefined ? undefined : position + total);
    }
    return total;
  }
  /** @type {(pointer: number, value: number) => number} */
  const store = (pointer, value) => (memory.view.setUint32(pointer >>> 0, value, true), 0);

  /** Return 0 or a result; a failure is the negative error number. @type {Record<string, (...args: any[]) => number>} */
  const syscalls = {
    __syscall_openat: (dirfd, path, flags) => files.open(dirfd, at(path), flags),
    __syscall_newfstatat: (dirfd, path, buffer, flags) =>
      writeStat(
        buffer,
        flags & AT_EMPTY_PATH && at(path) === '' ? files.file(dirfd).node : files.find(dirfd, at(path)),
      ),
    __syscall_stat64: (path, buffer) => writeStat(buffer, files.find(AT_CWD, at(path))),
    __syscall_lstat64: (path, buffer) => writeStat(buffer, files.find(AT_CWD, at(path))),
    __syscall_fstat64: (fd, buffer) => writeStat(buffer, files.file(fd).node),
    __syscall_faccessat: (dirfd, path, mode) => {
      const node = files.find(dirfd, at(path));
      return mode & 2 && !node.writable ? -errno.EROFS : 0;
    },
    __syscall_readlinkat: (dirfd, path) => (files.find(dirfd, at(path)), -errno.EINVAL),
    __syscall_getdents64: (fd, buffer, size) => {
      const entry = files.file(fd);
      if (entry.node.kind !== 'directory') return -errno.ENOTDIR;
      const names = ['.', '..', ...entry.node.entries.keys()];
      let written = 0;
      for (; entry.position < names.length && written + DIRENT_SIZE <= size; entry.position += 1) {
        const name = /** @type {string} */ (names[entry.position]);
        const node = entry.node.entries.get(name) ?? entry.node;
        const base = (buffer >>> 0) + written;
        const { view } = memory;
        view.setBigInt64(base, BigInt(node.inode), true);
        view.setBigInt64(base + 8, BigInt(entry.position + 1), true);
        view.setInt16(base + 16, DIRENT_SIZE, true);
        view.setUint8(base + 18, node.kind === 'directory' ? 4 : node.kind === 'file' ? 8 : 2);
        memory.writeText(name, base + 19, 256);
        written += DIRENT_SIZE;
      }
      return written;
    },
    __syscall_mkdirat: (dirfd, path) => (files.makeDirectory(dirfd, at(path)), 0),
    __syscall_unlinkat: (dirfd, path, flags) => (files.remove(dirfd, at(path), (flags & AT_REMOVEDIR) !== 0), 0),
    __syscall_rmdir: (path) => (files.remove(AT_CWD, at(path), true), 0),
    __syscall_renameat: (fromDirfd, from, toDirfd, to) => (files.rename(fromDirfd, at(from), toDirfd, at(to)), 0),
    __syscall_truncate64: (path, size) => (files.truncate(files.find(AT_CWD, at(path)), offsetOf(size)), 0),
    __syscall_ftruncate64: (fd, size) => {
      const { node, flags } = files.file(fd);
      if ((flags & 3) === 0) return -errno.EINVAL;
      files.truncate(node, offsetOf(size));
      return 0;
    },
    __syscall_getcwd: (buffer, size) => {
      const path = files.currentDirectory();
      return Buffer.byteLength(path) + 1 > size >>> 0 ? -errno.ERANGE : memory.writeText(path, buffer, size >>> 0);
    },
    __syscall_chdir: (path) => (files.changeDirectory(files.find(AT_CWD, at(path))), 0),
    __syscall_fchdir: (fd) => (files.changeDirectory(files.file(fd).node), 0),
    __syscall_dup: (fd) => files.duplicate(fd, 0),
    __syscall_dup3: (fd, target) => (fd === target ? -errno.EINVAL : files.duplicateTo(fd, target)),
    __syscall_fcntl64: (fd, command, varargs) => {
      const { flags } = files.file(fd);
      if (command === F_DUPFD || command === F_DUPFD_CLOEXEC) {
        return files.duplicate(fd, memory.view.getInt32(varargs >>> 0, true));
      }
      if (command === F_GETFL) return flags;
      // nobody else is there to hold a lock
      if (command === F_GETLK) memory.view.setInt16(memory.view.getUint32(varargs >>> 0, true), F_UNLCK, true);
      if (command === F_GETLK || command === F_SETLK || command === F_SETLKW) return 0;
      return command === F_GETFD || command === F_SETFD || command === F_SETFL ? 0 : -errno.EINVAL;
    },
    __syscall_ioctl: (fd) => (files.file(fd), -errno.ENOTTY),
    // times, modes and owners are accepted and forgotten, as on many file systems
    __syscall_utimensat: (dirfd, path) => (path ? files.find(dirfd, at(path)) : files.file(dirfd), 0),
    __syscall_chmod: (path) => (files.find(AT_CWD, at(path)), 0),
    __syscall_fchmod: (fd) => (files.file(fd), 0),
    __syscall_fchmodat2: (dirfd, path) => (files.find(dirfd, at(path)), 0),
    __syscall_fdatasync: (fd) => (files.file(fd), 0),
    __syscall_fadvise64: () => 0,
  };

  /** Return 0 or the positive error number; results go through a pointer. @type {Record<string, (...args: any[]) => number>} */
  const wasi = {
    fd_read: (fd, pointer, count, result) => store(result, readVectors(fd, pointer, count)),
    fd_write: (fd, pointer, count, result) => store(result, writeVectors(fd, pointer, count)),
    fd_pread: (fd, pointer, count, offset, result) => store(result, readVectors(fd, pointer, count, offsetOf(offset))),
    fd_pwrite: (fd, pointer, count, offset, result) =>
      store(result, writeVectors(fd, pointer, count, offsetOf(offset))),
    fd_seek: (fd, offset, whence, result) => {
      const position = files.seek(fd, Number(offset), whence);
      memory.view.setBigInt64(result >>> 0, BigInt(position), true);
      return 0;
    },
    fd_close: (fd) => (files.close(fd), 0),
    fd_sync: (fd) => (files.file(fd), 0),
    fd_fdstat_get: (fd, buffer) => {
      const { node } = files.file(fd);
      memory.slice(buffer, 24).fill(0);
      memory.view.setUint8(buffer >>> 0, node.kind === 'directory' ? 3 : 4);
      return 0;
    },
  };

  return {
    syscalls: mapValues(syscalls, (call) => guard(call, -1)),
    wasi: mapValues(wasi, (call) => guard(call, 1)),
  };
}

export const USER_ID = 1000;
const AT_CWD = -100;
const AT_EMPTY_PATH = 0x1000;
const AT_REMOVEDIR = 0x200;
const DIRENT_SIZE = 280;
const F_DUPFD = 0;
const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const F_GETLK = 12;
const F_SETLK = 13;
const F_SETLKW = 14;
const F_UNLCK = 2;
const F_DUPFD_CLOEXEC = 1030;

/** @type {(call: (...args: any[]) => number, sign: 1 | -1) => (...args: any[]) => number} */
function guard(call, sign) {
  return (...args) => {
    try {
      return call(...args);
    } catch (error) {
      if (error instanceof ErrnoError) return sign * error.errno;
      throw error;
    }
  };
}

/** @template A, B @param {Record<string, A>} record @param {(value: A) => B} change @returns {Record<string, B>} */
function mapValues(record, change) {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
