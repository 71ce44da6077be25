import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';

/**
 * A transport over a pipe that sends one message after the other. When the pipe is full the SDK waits for room with a
 * listener for each message, and Node warns of more than ten.
 */
export function oneAtATime<T extends Transport>(transport: T): T {
  const send = transport.send.bind(transport);
  let before: Promise<void> = Promise.resolve();
  transport.send = (...message) => {
    const sent = before.then(() => send(...message));
    before = sent.catch(() => {});
    return sent;
  };
  return transport;
}
