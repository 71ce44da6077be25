// @ts-check

/**
 * Collects what a program prints, stdout and stderr in the order written. Beyond the limit the middle is dropped as it
 * arises, so printing costs no memory.
 *
 * @param {number} limitBytes of the beginning, and as much of the end
 */
export function createOutput(limitBytes) {
  const head = Buffer.alloc(limitBytes);
  const tail = Buffer.alloc(limitBytes);
  let total = 0;
  return {
    reset() {
      total = 0;
    },
    /** @param {Uint8Array} bytes */
    write(bytes) {
      const inHead = Math.max(0, Math.min(bytes.length, limitBytes - total));
      if (inHead) head.set(bytes.subarray(0, inHead), total);
      let rest = bytes.subarray(inHead);
      let position = Math.max(0, total - limitBytes);
      // the tail is a ring: only the last turn matters
      if (rest.length > limitBytes) {
        position += rest.length - limitBytes;
        rest = rest.subarray(rest.length - limitBytes);
      }
      const start = position % limitBytes;
      const first = rest.subarray(0, limitBytes - start);
      tail.set(first, start);
      tail.set(rest.subarray(first.length), 0);
      total += bytes.length;
    },
    /** Invalid UTF-8 becomes U+FFFD. */
    text() {
      if (total <= limitBytes) return head.toString('utf8', 0, total);
      const inTail = total - limitBytes;
      if (inTail <= limitBytes) return Buffer.concat([head, tail.subarray(0, inTail)]).toString();
      const start = inTail % limitBytes;
      return Buffer.concat([head, tail.subarray(start), tail.subarray(0, start)]).toString();
    },
  };
}
