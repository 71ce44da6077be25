import { verifyPolicyLoss } from '@tapo/core';
import { verifyScoring } from '@tapo/eval';
import { verifyModel } from '@tapo/policy';
import type { VerifyModelOptions } from '@tapo/policy';
import { readFile } from 'node:fs/promises';
import { colors } from '../cli/colors.js';
import type { Command } from '../cli/command.js';
import { textOption, UsageError } from '../cli/command.js';
import { findModel } from '../find-model.js';

export const verifyCommand: Omit<Command, 'summary'> = {
  positionals: {
    WHAT: 'policy-loss, scoring or model',
    'PATHS...': 'FILE of golden numbers; for a model: MODEL FILE',
  },
  options: { backend: { type: 'string', value: 'NAME', description: 'model: compute engine (default auto)' } },
  details: 'Prints the largest deviations. Exit code 0 within the tolerance, 1 beyond it.',
  examples: [
    'tapo verify policy-loss policy-loss.json',
    'tapo verify scoring scoring.json',
    'tapo verify model models/tiny numbers.json',
  ],
  async run(input) {
    const [what = '', ...paths] = input.positionals;
    const verification = verifications[what];
    if (verification === undefined) {
      throw new UsageError(`cannot verify "${what}"`, `known: ${Object.keys(verifications).join(', ')}`);
    }
    const passed = await verification(paths, textOption(input, 'backend') ?? 'auto');
    console.log(passed ? colors.green('passed') : colors.red('FAILED'));
    return passed ? 0 : 1;
  },
};

const verifications: Record<string, (paths: string[], backend: string) => Promise<boolean>> = {
  async 'policy-loss'(paths) {
    const [file] = wanted(paths, 'FILE');
    const tf = await import('@tensorflow/tfjs'); // a backend and the gradients
    tf.enableProdMode(); // no banner
    const { cases, quantities, passed } = verifyPolicyLoss(await readText(file));
    console.log(`${file}: ${cases} cases`);
    for (const { name, precision, deviation, tolerance, caseIndex } of quantities) {
      printDeviation(`${name} (${precision})`, deviation, tolerance, `case ${caseIndex}`);
    }
    return passed;
  },
  async scoring(paths) {
    const [file] = wanted(paths, 'FILE');
    const { cases, deviation, tolerance, mismatches, passed } = verifyScoring(await readText(file));
    console.log(`${file}: ${cases.format} format cases, ${cases.answers} answers`);
    printDeviation('score', deviation, tolerance);
    for (const { section, index, message } of mismatches.slice(0, 20)) console.log(`  ${section} ${index}: ${message}`);
    if (mismatches.length > 20) console.log(`  and ${mismatches.length - 20} more`);
    return passed;
  },
  async model(paths, backend) {
    const [model, file] = wanted(paths, 'MODEL', 'FILE');
    const { path } = await findModel(model);
    const { logits, lossDeviation, worstGradient, gradients, passed } = await verifyModel(path, file, {
      backend: backend as NonNullable<VerifyModelOptions['backend']>,
    });
    console.log(`${model} against ${file}: ${gradients.length} gradients`);
    printDeviation('logits', logits.deviation, logits.tolerance);
    printDeviation('gradients', worstGradient.deviation, worstGradient.tolerance, worstGradient.name);
    console.log(`  loss differs by ${lossDeviation.toExponential(2)}`);
    return passed;
  },
};

function printDeviation(name: string, deviation: number, tolerance: number, where?: string): void {
  const mark = deviation <= tolerance ? colors.green('ok') : colors.red('beyond');
  const place = where === undefined || deviation === 0 ? '' : colors.dim(`  largest at ${where}`);
  console.log(`  ${name.padEnd(32)} ${deviation.toExponential(2)}  tolerance ${tolerance}  ${mark}${place}`);
}

/** As many paths as names. */
function wanted<Names extends string[]>(paths: string[], ...names: Names): { [K in keyof Names]: string } {
  if (paths.length !== names.length) {
    throw new UsageError(`wanted ${names.join(' and ')}, got ${paths.length} paths`, 'see tapo verify --help');
  }
  return paths as { [K in keyof Names]: string };
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`);
  }
}
