interface ResponseLengths {
  rollout: { maxTokens: number };
  data: { maxPromptTokens: number };
  reward: { overlong: { maxLength?: number } | null };
}

/** Response length, in tokens, at which the overlong penalty is full. */
export function overlongLimit({ rollout, data, reward }: ResponseLengths): number {
  return reward.overlong?.maxLength ?? rollout.maxTokens - data.maxPromptTokens;
}
