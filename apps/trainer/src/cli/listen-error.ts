import { UsageError } from './command.js';

/** For the `catch` of what begins to listen. @throws UsageError where the port or the address cannot be had, else `error` */
export function asListenError(error: unknown, { port, host = '127.0.0.1' }: { port: number; host?: string }): never {
  const { code } = error as NodeJS.ErrnoException;
  const cause = { cause: error };
  if (code === 'EADDRINUSE') throw new UsageError(`port ${port} is taken`, 'choose another: --port N', cause);
  if (code === 'EACCES') throw new UsageError(`port ${port} is not for this user`, 'choose one above 1023', cause);
  if (code === 'ENOTFOUND' || code === 'EADDRNOTAVAIL') {
    throw new UsageError(
      `${host} is no address of this machine`,
      '--host 127.0.0.1, or 0.0.0.0 for all of them',
      cause,
    );
  }
  throw error;
}
