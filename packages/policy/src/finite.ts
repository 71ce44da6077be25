import type { HostTensor } from './parameters.js';

/**
 * The tensor, if all its numbers are finite: a model with a NaN answers nothing, and says so nowhere.
 * @throws naming file, tensor and position
 */
export function requireFinite(tensor: HostTensor, name: string, source: string): HostTensor {
  const { data } = tensor;
  for (let i = 0; i < data.length; i++) {
    // x − x is 0 for every finite number, and NaN otherwise
    if ((data[i] as number) - (data[i] as number) === 0) continue;
    throw new Error(
      `${source}: tensor "${name}" holds ${data[i]} at index ${i}: the file is damaged, or the training that wrote it broke down; ` +
        `download it again, or take an earlier checkpoint`,
    );
  }
  return tensor;
}
