import * as tf from '@tensorflow/tfjs-core';
import { barrier, barrierOfGradient } from './barrier.js';

/**
 * Gradient checkpointing (Chen et al. 2016, arXiv:1604.06174): `f` computes its output without keeping what lies between,
 * and the backward pass computes that again. Memory for one more forward pass; the result is the same to the bit.
 *
 * Everything that needs a gradient must be an argument of `f`; what `f` takes from outside is a constant to it, and must
 * not be disposed before the backward pass (compiled, nothing is).
 * @returns a function of the same arguments, all float32
 */
export function checkpoint<Inputs extends tf.Tensor[], Output extends tf.Tensor>(
  f: (...inputs: Inputs) => Output,
): (...inputs: Inputs) => Output {
  return (...given) => {
    const op = tf.customGrad((...args) => {
      const inputs = args.slice(0, given.length) as Inputs;
      const save = args[given.length] as unknown as tf.GradSaveFunc;
      save(inputs);
      const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const again = saved.map((input) => barrier(input, dy));
        const gradients = withOwnTape(() =>
          tf.grads((...replaced: tf.Tensor[]) => f(...(replaced as Inputs)))(again, dy),
        );
        // ONNX Runtime would leave the gradients of weights for last, and keep what they need of every block until then.
        return gradients.map((gradient, position) => barrierOfGradient(gradient, saved[position]!, gradients));
      };
      return { value: f(...inputs), gradFunc };
    });
    return op(...given) as Output;
  };
}

/** tfjs drops its tape after a gradient, also after one that is taken while it goes backwards along that tape. */
function withOwnTape<Result>(gradient: () => Result): Result {
  const { state } = tf.engine();
  const outer = state.activeTape;
  try {
    return gradient();
  } finally {
    state.activeTape = outer;
  }
}
