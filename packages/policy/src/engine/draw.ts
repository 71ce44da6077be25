/** Drawing a token by top-k and top-p from one row of logits, in float64 on the host. All other draws are made in the graph. */

export interface DrawOptions {
  /** more than 0 */
  temperature: number;
  /** nucleus sampling (Holtzman et al. 2019, arXiv 1904.09751): the smallest set of tokens with at least this mass; 1 = off */
  topP: number;
  /** the k most probable tokens only; 0 = off. Applied before `topP`. */
  topK: number;
}

export interface Draw {
  token: number;
  /** natural logarithm, temperature applied, before top-k and top-p */
  logprob: number;
}

/** A drawer with its scratch memory for a vocabulary of `vocabSize`. */
export function tokenDrawer(vocabSize: number): (logits: Float32Array, random: number, options: DrawOptions) => Draw {
  const mass = new Float64Array(vocabSize);

  return (logits, random, { temperature, topP, topK }) => {
    let max = -Infinity;
    for (const value of logits) max = Math.max(max, value);
    if (!Number.isFinite(max)) throw new Error(divergedMessage(max));
    let total = 0;
    for (let id = 0; id < vocabSize; id++) {
      total += mass[id] = Math.exp(((logits[id] as number) - max) / temperature);
    }
    const token = drawFrom(candidates(mass, total, topK, topP), mass, random);
    return { token, logprob: ((logits[token] as number) - max) / temperature - Math.log(total) };
  };
}

/** @param number the largest logit, or a log-probability */
export function divergedMessage(number: number): string {
  return `the model's logits hold no finite maximum (${number}): its weights or activations have diverged`;
}

function drawFrom(ids: number[], mass: Float64Array, random: number): number {
  let total = 0;
  for (const id of ids) total += mass[id] as number;
  let rest = random * total;
  for (const id of ids) {
    rest -= mass[id] as number;
    if (rest < 0) return id;
  }
  return ids.at(-1) as number;
}

/** Ids left by top-k, then top-p, most probable first, the lower id first among equals. */
function candidates(mass: Float64Array, total: number, topK: number, topP: number): number[] {
  // A token of a nucleus of mass p cannot have less than (1 − p) / V unless it is the first.
  const floor = topP < 1 ? (total * (1 - topP)) / mass.length : 0;
  let ids: number[] = [];
  for (let id = 0; id < mass.length; id++) if ((mass[id] as number) > 0 && (mass[id] as number) >= floor) ids.push(id);
  ids.sort((a, b) => (mass[b] as number) - (mass[a] as number) || a - b);
  if (topK > 0) ids = ids.slice(0, topK);
  if (topP < 1) {
    let kept = 0;
    for (const id of ids) kept += mass[id] as number;
    const wanted = topP * (topK > 0 ? kept : total);
    let sum = 0;
    const end = ids.findIndex((id) => (sum += mass[id] as number) >= wanted);
    if (end >= 0) ids = ids.slice(0, end + 1);
  }
  return ids;
}
