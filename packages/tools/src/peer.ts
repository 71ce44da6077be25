/**
 * Loads an optional peer for the subpath that is made for it.
 * @throws where it is not installed, with the remedy; Node's error is the `cause` and its code the same
 */
export async function loadPeer<Peer>(subpath: string, libraries: string, load: () => Promise<Peer>): Promise<Peer> {
  try {
    return await load();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isMissing = libraries.split(' ').some((library) => message.includes(`Cannot find package '${library}'`));
    // something else may be missing: a part of the library
    if (code !== 'ERR_MODULE_NOT_FOUND' || !isMissing) throw error;
    const told = new Error(`${subpath} needs ${libraries}: npm install ${libraries}`, { cause: error });
    throw Object.assign(told, { code });
  }
}
