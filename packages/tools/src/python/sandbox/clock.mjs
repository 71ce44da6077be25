// @ts-check

/** Loop turns between two looks at the clock: a few milliseconds of the fastest loop. */
const TURNS_PER_TICK = 1_000_000;

/**
 * Time as Python sees it: whole milliseconds, counted from the start of the call (monotonic and CPU clocks) or the
 * host's date (wall clock), always UTC. Nothing tells how long the worker has run or what ran before.
 *
 * Every reading also checks the deadline, and a loop that only reads clocks (`time.sleep` is one) is put to sleep.
 *
 * @param {import('./memory.mjs').MemoryView} memory
 * @param {Stop} stop
 */
export function createClock(memory, stop) {
  let startedMs = performance.now();
  let deadlineMs = Infinity;
  let readings = 0;
  let lastReadingMs = 0;
  /** @type {WebAssembly.Global[]} */
  const fuels = [];
  const refuel = (/** @type {number} */ turns) => {
    for (const fuel of fuels) fuel.value = turns;
  };
  const nothing = new Int32Array(new SharedArrayBuffer(4));

  /** @type {(durationMs: number) => void} blocks without using the processor, at most until the deadline */
  function sleep(durationMs) {
    const waitMs = Math.min(durationMs, deadlineMs - performance.now(), 60_000);
    if (waitMs > 0) Atomics.wait(nothing, 0, 0, waitMs);
    checkDeadline();
  }

  function checkDeadline() {
    if (performance.now() >= deadlineMs) stop('time-limit');
  }

  /** Milliseconds since the call started. */
  function elapsed() {
    const now = performance.now();
    if (now >= deadlineMs) stop('time-limit');
    // thousands of readings within a millisecond: a busy wait
    readings = now - lastReadingMs < 1 ? readings + 1 : 0;
    lastReadingMs = now;
    if (readings > 2000) {
      readings = 1500;
      sleep(1);
    }
    return Math.floor(now - startedMs);
  }
  /** @type {(pointer: number, time: bigint) => void} fills a `struct tm` in UTC */
  function writeCalendar(pointer, time) {
    const date = new Date(Number(time) * 1000);
    const { view } = memory;
    const year = date.getUTCFullYear();
    const dayOfYear = Math.floor((date.getTime() - Date.UTC(year, 0, 1)) / 86_400_000);
    const fields = [
      date.getUTCSeconds(),
      date.getUTCMinutes(),
      date.getUTCHours(),
      date.getUTCDate(),
      date.getUTCMonth(),
      year - 1900,
      date.getUTCDay(),
      dayOfYear,
      0, // no daylight saving time
      0, // offset from UTC
    ];
    fields.forEach((field, index) => view.setInt32((pointer >>> 0) + index * 4, field, true));
  }
  /** @type {(pointer: number) => bigint} reads a `struct tm`, normalises it, gives seconds since 1970 */
  function readCalendar(pointer) {
    const field = (/** @type {number} */ index) => memory.view.getInt32((pointer >>> 0) + index * 4, true);
    const timeMs = Date.UTC(field(5) + 1900, field(4), field(3), field(2), field(1), field(0));
    if (Number.isNaN(timeMs)) return -1n;
    const time = BigInt(Math.floor(timeMs / 1000));
    writeCalendar(pointer, time);
    return time;
  }

  return {
    sleep,
    checkDeadline,
    /** Called by loops when their turns are used up. */
    tick() {
      refuel(1); // past the deadline the very next loop comes back here
      checkDeadline();
      refuel(TURNS_PER_TICK);
    },
    /** @param {WebAssembly.Global} counter the exported counter of loop turns, of Python or a library */
    attachFuel(counter) {
      fuels.push(counter);
      counter.value = TURNS_PER_TICK;
    },
    /** @param {number} timeLimitMs */
    start(timeLimitMs) {
      startedMs = performance.now();
      deadlineMs = startedMs + timeLimitMs;
      readings = 0;
      refuel(TURNS_PER_TICK);
    },
    stop() {
      deadlineMs = Infinity;
      return performance.now() - startedMs;
    },
    /** @type {Record<string, (...args: any[]) => unknown>} */
    imports: {
      emscripten_get_now: () => elapsed(),
      emscripten_date_now: () => (elapsed(), Date.now()),
      clock_time_get: (id, _precision, result) => {
        const nowMs = id === 0 ? (elapsed(), Date.now()) : elapsed();
        memory.view.setBigInt64(result >>> 0, BigInt(nowMs) * 1_000_000n, true);
        return 0;
      },
      clock_res_get: (_id, result) => {
        memory.view.setBigInt64(result >>> 0, 1_000_000n, true);
        return 0;
      },
      _gmtime_js: (time, pointer) => writeCalendar(pointer, time),
      _localtime_js: (time, pointer) => writeCalendar(pointer, time),
      _mktime_js: readCalendar,
      _timegm_js: readCalendar,
      _tzset_js: (timezone, daylight, standardName, daylightName) => {
        memory.view.setInt32(timezone >>> 0, 0, true);
        memory.view.setInt32(daylight >>> 0, 0, true);
        memory.writeText('UTC', standardName, 17);
        memory.writeText('UTC', daylightName, 17);
      },
    },
  };
}
/** @typedef {ReturnType<typeof createClock>} Clock */

/**
 * Thrown through all WebAssembly frames: Python cannot catch it. A C++ library can (`catch (...)`), but not make it
 * undone: whoever ran the program asks for it afterwards. What is left behind is undone by the reset.
 */
export class SandboxStop extends Error {
  /** @param {'time-limit' | 'exit' | 'denied'} reason @param {string} [detail] */
  constructor(reason, detail) {
    super(detail ?? reason);
    this.reason = reason;
  }
}
/** @typedef {(reason: SandboxStop['reason'], detail?: string) => never} Stop throws */
