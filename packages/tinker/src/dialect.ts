/** How one server differs from the others. Everything that depends on the server stands here. */
export interface Dialect {
  name: string;
  /**
   * What the server does with per-token losses. `sum` is the protocol's contract. `datum-mean`: SkyRL on JAX averages
   * over each datum's Σweights, then over the datums accumulated until `optim_step`.
   */
  reduction: 'sum' | 'datum-mean';
  /** send `weights` beside `advantages` (1 on trained tokens): SkyRL reads its mask from them, the hosted service rejects them */
  sendWeights: boolean;
  /** `prompt_logprobs` start with a null for the first token */
  promptLogprobsLeadingNull: boolean;
  /** a future's result can be fetched only once, so a lost reply means submitting again */
  resultOnce: boolean;
  /** honours `grad_clip_norm` */
  gradientClip: boolean;
  /** compiles its sampler anew for every `max_tokens`: few different ones are asked for, and what is too much is cut here */
  roundMaxTokens: boolean;
}

const base: Dialect = {
  name: 'tinker',
  reduction: 'sum',
  sendWeights: false,
  promptLogprobsLeadingNull: true,
  resultOnce: false,
  gradientClip: true,
  roundMaxTokens: false,
};

/** Known servers. Pass a name, or an own record for a server that is not listed. */
export const dialects = {
  /** Thinking Machines' hosted service */
  tinker: base,
  /** SkyRL with FSDP or Megatron on Ray */
  skyrl: { ...base, name: 'skyrl', sendWeights: true, gradientClip: false },
  /** SkyRL with its JAX backend */
  'skyrl-jax': {
    ...base,
    name: 'skyrl-jax',
    reduction: 'datum-mean',
    sendWeights: true,
    promptLogprobsLeadingNull: false,
    gradientClip: false,
    roundMaxTokens: true,
  },
  /** verl-recipe's `verl_tinker` */
  verl: { ...base, name: 'verl', resultOnce: true },
  tuft: { ...base, name: 'tuft' },
} as const satisfies Record<string, Dialect>;

export type DialectName = keyof typeof dialects;

export function resolveDialect(dialect: DialectName | Dialect): Dialect {
  if (typeof dialect === 'object') return dialect;
  const known = dialects[dialect];
  if (!known) {
    throw new Error(
      `Unknown Tinker dialect "${dialect}". Known: ${Object.keys(dialects).join(', ')}; or pass a record.`,
    );
  }
  return known;
}
