/** RPReLU, the activation of ReActNet's residual streams; the formula stands at the op. */
import { channelsOf } from '../../ops/elementwise/elementwise.js';
import { rprelu as rpreluOp } from '../../ops/rprelu/rprelu.js';
import { type Initializer, type Layer, zeros } from '../scope.js';

/** As in the authors' code. */
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
