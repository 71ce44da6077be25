import * as tf from '@tensorflow/tfjs-core';

/**
 * `f(inputs, constants)` without keeping its intermediate results for the backward pass, which computes them again: gradient
 * checkpointing (Chen et al. 2016, arXiv 1604.06174). Costs one more forward pass of `f`. Gradients reach `inputs` only; any
 * other tensor that `f` needs must be among `constants`.
 */
export function recomputed(
  f: (inputs: tf.Tensor[], constants: tf.Tensor[]) => tf.Tensor,
  inputs: tf.Tensor[],
  constants: tf.Tensor[],
): tf.Tensor {
  const count = inputs.length;
  const operation = tf.customGrad((...given) => {
    const tensors = given.slice(0, -1) as tf.Tensor[];
    const save = given.at(-1) as unknown as tf.GradSaveFunc;
    save(tensors);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [first, ...others] = saved.slice(0, count) as [tf.Tensor, ...tf.Tensor[]];
      const kept = saved.slice(count);
      const again = (...values: tf.Tensor[]) => f(values, kept);
      // Computed again only when dy is known, and earlier parts of the model go on only when all gradients of this one are:
      // else a compiler that orders operations by itself would keep what this is meant to free.
      const gradients = onItsOwnTape(() => tf.grads(again)([after(first, [dy]), ...others], dy));
      const [dFirst, ...dOthers] = gradients as [tf.Tensor, ...tf.Tensor[]];
      return [after(dFirst, dOthers), ...dOthers, ...kept.map((constant) => tf.zerosLike(constant))];
    };
    return { value: f(tensors.slice(0, count), tensors.slice(count)), gradFunc };
  });
  return operation(...inputs, ...constants);
}

/** `tensor`, made to depend on `others`: plus zero times their first entries (so NaN stays NaN). */
function after(tensor: tf.Tensor, others: tf.Tensor[]): tf.Tensor {
  const entries = others.map((other) =>
    tf.reshape(
      tf.slice(
        other,
        other.shape.map(() => 0),
        other.shape.map(() => 1),
      ),
      [],
    ),
  );
  return entries.length === 0 ? tensor : tf.add(tensor, tf.minimum(tf.abs(tf.addN(entries)), 0));
}

/** tfjs keeps one tape and clears it after each gradient, so a gradient inside a backward pass must put the outer tape back. */
function onItsOwnTape<T>(gradient: () => T): T {
  const { state } = tf.engine();
  const { activeTape } = state;
  try {
    return gradient();
  } finally {
    state.activeTape = activeTape;
  }
}
