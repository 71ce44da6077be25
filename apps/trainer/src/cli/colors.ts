import picocolors from 'picocolors';

interface Surroundings {
  env?: NodeJS.ProcessEnv;
  isTTY?: boolean;
}

/** On a terminal only: pipes and CI get plain text. `NO_COLOR` turns colours off everywhere, `FORCE_COLOR` on. */
export function wantsColors({ env = process.env, isTTY = process.stdout.isTTY }: Surroundings = {}): boolean {
  if (env['NO_COLOR']) return false;
  if (env['FORCE_COLOR']) return env['FORCE_COLOR'] !== '0';
  return isTTY && env['TERM'] !== 'dumb' && env['CI'] === undefined;
}

export const colors = picocolors.createColors(wantsColors());
