// @ts-check
import * as errno from './errno.mjs';
import { ErrnoError } from './errno.mjs';
import { loadFiles, saveFiles } from './saved-files.mjs';

/**
 * The files Python sees: a tree of JavaScript objects, nothing of the host.
 *
 * `/lib` holds the standard library and packages, read-only. `/tmp` and `/home/user` (the working directory) can be
 * written until the total size or the number of files reaches its limit; `reset` empties them and closes every file.
 * No links, pipes, devices (but `/dev/null`), permissions or owners: those calls answer with an error number.
 *
 * @typedef {{ kind: 'directory', inode: number, entries: Map<string, Node>, parent: Directory | undefined, name: string, writable: boolean, mtimeMs: number }} Directory
 * @typedef {{ kind: 'file', inode: number, data: Uint8Array, size: number, writable: boolean, mtimeMs: number }} File
 * @typedef {{ kind: 'null', inode: number, writable: boolean, mtimeMs: number }} NullDevice
 * @typedef {{ kind: 'input' | 'output', inode: number, writable: boolean, mtimeMs: number }} Terminal
 * @typedef {Directory | File | NullDevice | Terminal} Node
 * @typedef {{ node: Node, position: number, flags: number }} OpenFile
 * @typedef {import('./saved-files.mjs').SavedFiles} SavedFiles
 */

const O_WRONLY = 1;
const O_ACCMODE = 3;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;
const O_DIRECTORY = 0o200000;

const NO_BYTES = new Uint8Array(0);
const MAX_OPEN_FILES = 256;
const MAX_NODES = 10_000;
const MAX_NAME_LENGTH = 255;
const MAX_PATH_LENGTH = 4096;

/**
 * @param {object} options
 * @param {number} options.fileLimitBytes total size of the files in `/tmp` and the home directory
 * @param {() => number} options.now milliseconds since 1970
 * @param {(bytes: Uint8Array) => void} options.onOutput receives what is written to descriptors 1 and 2
 */
export function createFileSystem({ fileLimitBytes, now, onOutput }) {
  let nextInode = 1;
  let usedBytes = 0;
  let nodeCount = 0;
  let outputLength = 0;

  /** @type {(parent: Directory | undefined, name: string, writable: boolean) => Directory} */
  const newDirectory = (parent, name, writable) => {
    /** @type {Directory} */
    const node = { kind: 'directory', inode: nextInode++, entries: new Map(), parent, name, writable, mtimeMs: now() };
    parent?.entries.set(name, node);
    return node;
  };
  /** @type {(parent: Directory, name: string, data: Uint8Array, writable: boolean) => File} */
  const newFile = (parent, name, data, writable) => {
    /** @type {File} */
    const node = { kind: 'file', inode: nextInode++, data, size: data.length, writable, mtimeMs: now() };
    parent.entries.set(name, node);
    return node;
  };

  const root = newDirectory(undefined, '', false);
  const home = newDirectory(root, 'home', false);
  const dev = newDirectory(root, 'dev', false);
  dev.entries.set('null', { kind: 'null', inode: nextInode++, writable: true, mtimeMs: 0 });
  /** @type {Terminal} */
  const input = { kind: 'input', inode: nextInode++, writable: false, mtimeMs: 0 };
  /** @type {Terminal} */
  const output = { kind: 'output', inode: nextInode++, writable: true, mtimeMs: 0 };
  /** @type {(OpenFile | undefined)[]} */
  let open = [];
  let cwd = root;

  /** @type {Directory[]} what can be written: `/tmp` and the working directory */
  let roots = [];

  /** Empties what can be written, closes every file but the three standard ones. */
  function reset() {
    roots = [newDirectory(root, 'tmp', true), newDirectory(home, 'user', true)];
    cwd = /** @type {Directory} */ (roots[1]);
    usedBytes = 0;
    nodeCount = 0;
    outputLength = 0;
    open = [input, output, output].map((node, index) => ({ node, position: 0, flags: index ? O_WRONLY : 0 }));
  }
  reset();

  /**
   * Adds a read-only file, directories included; its bytes are asked for at the first reading. Before the first program only.
   * @type {(path: string, size: number, read: () => Uint8Array) => void}
   */
  function install(path, size, read) {
    const names = path.split('/').filter(Boolean);
    const last = names.pop() ?? '';
    let directory = root;
    for (const name of names) {
      const next = directory.entries.get(name) ?? newDirectory(directory, name, false);
      if (next.kind !== 'directory') throw new ErrnoError(errno.ENOTDIR);
      directory = next;
    }
    /** @type {Uint8Array | undefined} */
    let data;
    const node = newFile(directory, last, NO_BYTES, false);
    node.size = size;
    Object.defineProperty(node, 'data', { get: () => (data ??= read()) });
  }

  /** @type {(dirfd: number) => Directory} */
  function startOf(dirfd) {
    if (dirfd === -100) return cwd;
    const { node } = file(dirfd);
    if (node.kind !== 'directory') throw new ErrnoError(errno.ENOTDIR);
    return node;
  }

  /**
   * The directory a path ends in and the name within it; `node` is what is there now.
   * @type {(dirfd: number, path: string) => { directory: Directory, name: string, node: Node | undefined }}
   */
  function lookup(dirfd, path) {
    if (path === '') throw new ErrnoError(errno.ENOENT);
    if (path.length > MAX_PATH_LENGTH) throw new ErrnoError(errno.ENAMETOOLONG);
    let directory = path.startsWith('/') ? root : startOf(dirfd);
    let name = '';
    /** @type {Node | undefined} */
    let node = directory;
    for (const part of path.split('/')) {
      if (part === '' || part === '.') continue;
      if (node === undefined) throw new ErrnoError(errno.ENOENT);
      if (node.kind !== 'directory') throw new ErrnoError(errno.ENOTDIR);
      if (part.length > MAX_NAME_LENGTH) throw new ErrnoError(errno.ENAMETOOLONG);
      if (part === '..') {
        node = node.parent ?? node;
        directory = node.parent ?? node;
        name = node.name;
      } else {
        directory = node;
        name = part;
        node = directory.entries.get(part);
      }
    }
    if (path.endsWith('/') && node && node.kind !== 'directory') throw new ErrnoError(errno.ENOTDIR);
    return { directory, name, node };
  }

  /** @type {(dirfd: number, path: string) => Node} */
  function find(dirfd, path) {
    const { node } = lookup(dirfd, path);
    if (!node) throw new ErrnoError(errno.ENOENT);
    return node;
  }

  /** @type {(directory: Directory) => void} */
  function claimEntry(directory) {
    if (!directory.writable) throw new ErrnoError(errno.EROFS);
    if (nodeCount >= MAX_NODES) throw new ErrnoError(errno.ENOSPC);
    nodeCount += 1;
    directory.mtimeMs = now();
  }

  /** @type {(fd: number) => OpenFile} */
  function file(fd) {
    const found = open[fd];
    if (!found) throw new ErrnoError(errno.EBADF);
    return found;
  }

  /** @type {(entry: OpenFile, from?: number) => number} */
  function addDescriptor(entry, from = 0) {
    let fd = from;
    while (open[fd]) fd += 1;
    if (fd >= MAX_OPEN_FILES) throw new ErrnoError(errno.EMFILE);
    open[fd] = entry;
    return fd;
  }

  /** @type {(node: File, size: number) => void} */
  function resize(node, size) {
    if (!node.writable) throw new ErrnoError(errno.EROFS);
    if (!(size >= 0)) throw new ErrnoError(errno.EINVAL);
    const more = size - node.data.length;
    if (usedBytes + more > fileLimitBytes) throw new ErrnoError(errno.ENOSPC);
    if (more > 0) {
      // twice the room where the limit allows it, so that appending stays linear
      const room = Math.min(Math.max(size, node.data.length * 2), node.data.length + fileLimitBytes - usedBytes);
      const data = new Uint8Array(room);
      data.set(node.data.subarray(0, node.size));
      usedBytes += room - node.data.length;
      node.data = data;
    }
    if (size < node.size) node.data.fill(0, size, node.size);
    node.size = size;
    node.mtimeMs = now();
  }
  /** @type {(node: Node) => void} the space of a file that is still open counts until the reset */
  function release(node) {
    if (node.kind === 'file' && !open.some((entry) => entry?.node === node)) {
      usedBytes -= node.data.length;
      nodeCount -= 1;
    } else if (node.kind === 'directory') nodeCount -= 1;
  }

  return {
    reset,
    install,
    find,
    file,
    get outputLength() {
      return outputLength;
    },

    /** @type {(dirfd: number, path: string, flags: number) => number} */
    open(dirfd, path, flags) {
      const { directory, name, node: found } = lookup(dirfd, path);
      let node = found;
      const writing = (flags & O_ACCMODE) !== 0;
      if (!node) {
        if (!(flags & O_CREAT) || path.endsWith('/')) throw new ErrnoError(errno.ENOENT);
        claimEntry(directory);
        node = newFile(directory, name, new Uint8Array(0), true);
      } else if (flags & O_CREAT && flags & O_EXCL) throw new ErrnoError(errno.EEXIST);
      else if (node.kind === 'directory' && writing) throw new ErrnoError(errno.EISDIR);
      else if (flags & O_DIRECTORY && node.kind !== 'directory') throw new ErrnoError(errno.ENOTDIR);
      else if (writing && !node.writable) throw new ErrnoError(errno.EROFS);
      const fd = addDescriptor({ node, position: 0, flags });
      if (flags & O_TRUNC && writing && node.kind === 'file') resize(node, 0);
      return fd;
    },

    /** @type {(fd: number) => void} */
    close(fd) {
      file(fd);
      open[fd] = undefined;
    },

    /** Both descriptors share one position, as POSIX wants. @type {(fd: number, from: number) => number} */
    duplicate(fd, from) {
      return addDescriptor(file(fd), Math.max(0, from));
    },

    /** @type {(fd: number, target: number) => number} */
    duplicateTo(fd, target) {
      if (!(target >= 0 && target < MAX_OPEN_FILES)) throw new ErrnoError(errno.EBADF);
      open[target] = file(fd);
      return target;
    },

    /** Reads at `at`, or at the position, which then moves. @type {(fd: number, into: Uint8Array, at?: number) => number} */
    read(fd, into, at) {
      const entry = file(fd);
      const { node } = entry;
      if ((entry.flags & O_ACCMODE) === O_WRONLY) throw new ErrnoError(errno.EBADF);
      if (node.kind === 'directory') throw new ErrnoError(errno.EISDIR);
      if (node.kind !== 'file') return 0;
      const from = at ?? entry.position;
      const part = node.data.subarray(Math.min(from, node.size), Math.min(node.size, from + into.length));
      into.set(part);
      if (at === undefined) entry.position += part.length;
      return part.length;
    },

    /** @type {(fd: number, bytes: Uint8Array, at?: number) => number} */
    write(fd, bytes, at) {
      const entry = file(fd);
      const { node } = entry;
      if ((entry.flags & O_ACCMODE) === 0) throw new ErrnoError(errno.EBADF);
      if (node.kind === 'output') {
        onOutput(bytes);
        outputLength += bytes.length;
      } else if (node.kind === 'file') {
        const from = at ?? (entry.flags & O_APPEND ? node.size : entry.position);
        if (from + bytes.length > node.size) resize(node, from + bytes.length);
        node.data.set(bytes, from);
        node.mtimeMs = now();
        if (at === undefined) entry.position = from + bytes.length;
      }
      return bytes.length;
    },

    /** `whence` 0 from the start, 1 from the position, 2 from the end. The "position" of the output is its length. @type {(fd: number, offset: number, whence: number) => number} */
    seek(fd, offset, whence) {
      const entry = file(fd);
      const { node } = entry;
      if (node.kind === 'output' && whence === 1 && offset === 0) return outputLength;
      if (node.kind === 'input' || node.kind === 'output') throw new ErrnoError(errno.ESPIPE);
      const size = node.kind === 'file' ? node.size : 0;
      const position = offset + (whence === 0 ? 0 : whence === 1 ? entry.position : whence === 2 ? size : NaN);
      if (!(position >= 0) || position > Number.MAX_SAFE_INTEGER) throw new ErrnoError(errno.EINVAL);
      return (entry.position = position);
    },

    /** @type {(node: Node, size: number) => void} */
    truncate(node, size) {
      if (node.kind === 'directory') throw new ErrnoError(errno.EISDIR);
      if (node.kind !== 'file') throw new ErrnoError(errno.EINVAL);
      resize(node, size);
    },

    /** @type {(dirfd: number, path: string) => void} */
    makeDirectory(dirfd, path) {
      const { directory, name, node } = lookup(dirfd, path);
      if (node) throw new ErrnoError(errno.EEXIST);
      claimEntry(directory);
      newDirectory(directory, name, true);
    },

    /** @type {(dirfd: number, path: string, wantDirectory: boolean) => void} */
    remove(dirfd, path, wantDirectory) {
      const { directory, name, node } = lookup(dirfd, path);
      if (!node) throw new ErrnoError(errno.ENOENT);
      if (!directory.writable) throw new ErrnoError(errno.EROFS);
      if (wantDirectory && node.kind !== 'directory') throw new ErrnoError(errno.ENOTDIR);
      if (!wantDirectory && node.kind === 'directory') throw new ErrnoError(errno.EISDIR);
      if (node.kind === 'directory' && node.entries.size) throw new ErrnoError(errno.ENOTEMPTY);
      directory.entries.delete(name);
      release(node);
    },

    /** @type {(fromDirfd: number, from: string, toDirfd: number, to: string) => void} */
    rename(fromDirfd, from, toDirfd, to) {
      const source = lookup(fromDirfd, from);
      const target = lookup(toDirfd, to);
      if (!source.node) throw new ErrnoError(errno.ENOENT);
      if (!source.directory.writable || !target.directory.writable || !source.node.writable) {
        throw new ErrnoError(errno.EROFS);
      }
      if (source.node === target.node) return;
      for (let up = /** @type {Directory | undefined} */ (target.directory); up; up = up.parent) {
        if (up === source.node) throw new ErrnoError(errno.EINVAL);
      }
      if (target.node?.kind === 'directory') {
        if (source.node.kind !== 'directory') throw new ErrnoError(errno.EISDIR);
        if (target.node.entries.size) throw new ErrnoError(errno.ENOTEMPTY);
      } else if (target.node && source.node.kind === 'directory') throw new ErrnoError(errno.ENOTDIR);
      if (target.node) release(target.node);
      source.directory.entries.delete(source.name);
      target.directory.entries.set(target.name, source.node);
      if (source.node.kind === 'directory') {
        source.node.parent = target.directory;
        source.node.name = target.name;
      }
    },

    /** @type {(node: Node) => void} */
    changeDirectory(node) {
      if (node.kind !== 'directory') throw new ErrnoError(errno.ENOTDIR);
      cwd = node;
    },

    currentDirectory,

    /** All that was written, and what is open. */
    save: () => ({ ...saveFiles(roots, open), workingDirectory: currentDirectory() }),

    /** @type {(saved: SavedFiles & { workingDirectory: string }) => void} */
    load(saved) {
      reset();
      const disk = { newInode: () => nextInode++, imageNode };
      const loaded = loadFiles(saved, roots, disk);
      open = loaded.open;
      usedBytes = loaded.bytes;
      nodeCount = loaded.count;
      const { node } = lookup(-100, saved.workingDirectory);
      if (node?.kind === 'directory') cwd = node; // it may have been removed
    },
  };

  function currentDirectory() {
    const names = [];
    for (let node = cwd; node.parent; node = node.parent) names.unshift(node.name);
    const path = `/${names.join('/')}`;
    if (path.length > MAX_PATH_LENGTH) throw new ErrnoError(errno.ENAMETOOLONG);
    return path;
  }

  /** @type {(inode: number) => Node | undefined} what every process of an image has under the same number */
  function imageNode(inode) {
    /** @type {Node[]} */
    const left = [input, output, root];
    for (let node = left.pop(); node; node = left.pop()) {
      if (node.inode === inode) return node;
      if (node.kind === 'directory' && !roots.includes(node)) left.push(...node.entries.values());
    }
    return undefined;
  }
}
/** @typedef {ReturnType<typeof createFileSystem>} FileSystem */
