/** RPReLU, the activation of ReActNet's residual streams, and PReLU, its case without shifts; the formula stands at the op. */
import { real } from '../../core/tensor.js';
import { channelsOf } from '../../ops/elementwise/elementwise.js';
import { rprelu as rpreluOp } from '../../ops/rprelu/rprelu.js';
import { type Initializer, type Layer, zeros } from '../scope.js';

/** As in the authors' code (He et al. 2015 and ReActNet alike). */
const firstSlope: Initializer = (data) => {
  data.fill(0.25);
};

/** x [.., C] -> [.., C], both real. Parameters per channel: NAME/gamma (kink), NAME/beta (slope below it), NAME/zeta (offset). */
export function rprelu(name: string): Layer {
  return (scope, x) => {
    const shape = [channelsOf(x.type.shape)];
    const gamma = scope.parameter(`${name}/gamma`, shape, zeros);
    const beta = scope.parameter(`${name}/beta`, shape, firstSlope);
    const zeta = scope.parameter(`${name}/zeta`, shape, zeros);
    return scope.graph.apply(rpreluOp, name, [x, gamma, beta, zeta], {});
  };
}

/** x where it is positive, slope x elsewhere: [.., C] -> [.., C], both real. Parameter per channel: NAME/slope. */
export function prelu(name: string): Layer {
  return (scope, x) => {
    const shape = [channelsOf(x.type.shape)];
    const slope = scope.parameter(`${name}/slope`, shape, firstSlope);
    const zero = scope.graph.constant(`${name}/zero`, real(shape), new Float32Array(shape[0]!));
    return scope.graph.apply(rpreluOp, name, [x, zero, slope, zero], {});
  };
}
