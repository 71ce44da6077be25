// @ts-check
/** Error numbers of the WebAssembly C library (WASI's numbering, not the host's). */
export const EAFNOSUPPORT = 5;
export const EBADF = 8;
export const EEXIST = 20;
export const EINVAL = 28;
export const EISDIR = 31;
export const EMFILE = 33;
export const ENAMETOOLONG = 37;
export const ENOENT = 44;
export const ENOSPC = 51;
export const ENOSYS = 52;
export const ENOTDIR = 54;
export const ENOTEMPTY = 55;
export const ENOTTY = 59;
export const EPERM = 63;
export const ERANGE = 68;
export const EROFS = 69;
export const ESPIPE = 70;

/** Thrown by the file system, turned into a return value where the call came in. */
export class ErrnoError extends Error {
  /** @param {number} errno one of the constants above */
  constructor(errno) {
    super(`errno ${errno}`);
    this.errno = errno;
  }
}
