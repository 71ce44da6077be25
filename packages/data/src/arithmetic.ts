/** The four operations of generated questions, as they are written in Python. */
export type Operator = '+' | '-' | '*' | '/';

export function applyOperator(a: number, operator: Operator, b: number): number {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
  }
}

/** `str(x)` of a Python int, for safe integers. */
export function pythonInt(value: number): string {
  if (!Number.isSafeInteger(value)) throw new RangeError(`wanted an integer below 2^53, got ${value}`);
  return String(value);
}

/**
 * `str(round(x, 2))` of a Python float with |x| < 1e13: two decimals, an exact tie goes to the even digit, and there is
 * always a decimal point (`2.0`). JavaScript's `toFixed` sends ties upwards, hence the correction.
 */
export function pythonRound2(value: number): string {
  if (!(Math.abs(value) < 1e13)) throw new RangeError(`wanted a number below 1e13, got ${value}`);
  // A double is an exact tie between two hundredths only if eight times it is an odd integer (x.125, x.375, …).
  const tie = Math.abs((value * 8) % 2) === 1;
  const rounded = tie ? (2 * Math.round(value * 50)) / 100 : Number(value.toFixed(2));
  const text = Object.is(rounded, -0) ? '-0' : String(rounded);
  return text.includes('.') ? text : `${text}.0`;
}
