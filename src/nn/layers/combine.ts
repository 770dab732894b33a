/** How layers are put together. */
import { concat as concatOp, isJoinable } from '../../ops/concat/concat.js';
import { add } from '../../ops/elementwise/elementwise.js';
import { realOf } from '../../ops/quantize/real.js';
import { strideShortcut } from '../../ops/shortcut/shortcut.js';
import type { Layer } from '../scope.js';
import { rprelu } from './rprelu.js';

export function sequential(...layers: readonly Layer[]): Layer {
  return (scope, x) => layers.reduce((value, layer) => layer(scope, value), x);
}

/** body(x) + shortcut(x), both real; RPReLU of the sum (NAME/rprelu) in networks with that shortcut activation. */
export function residual(name: string, options: { readonly body: Layer; readonly shortcut?: Layer }): Layer {
  return (scope, x) => {
    const direct = options.shortcut === undefined ? x : options.shortcut(scope, x);
    const sum = scope.graph.apply(add, name, [direct, options.body(scope, x)], {});
    return scope.shortcutActivation === 'rprelu' ? rprelu(`${name}/rprelu`)(scope, sum) : sum;
  };
}

/**
 * What each branch makes of x, side by side along the channels in their order. Levels of one encoding stay levels; otherwise all are real.
 */
export function concat(name: string, branches: readonly [Layer, ...Layer[]]): Layer {
  return (scope, x) => {
    const { graph } = scope;
    const parts = branches.map((branch) => branch(scope, x));
    const areLevels = parts.every((part) => part.scale === undefined && isJoinable(part.type, parts[0]!.type));
    const [first, ...others] = areLevels ? parts : parts.map((part) => realOf(graph, part));
    return others.reduce(
      (joined, part, i) => graph.apply(concatOp, i === others.length - 1 ? name : `${name}/${i}`, [joined, part], {}),
      first!,
    );
  };
}

/** body(a) + shortcut(a) of one pre-activated input a = activation(x): what comes in goes on only through the two. */
export function preActivated(
  name: string,
  options: { readonly activation: Layer; readonly body: Layer; readonly shortcut: Layer },
): Layer {
  return sequential(options.activation, residual(name, { body: options.body, shortcut: options.shortcut }));
}

/** Every stride-th pixel, and zeros for the channels that are new (He et al. 2016, option A). */
export function stridedShortcut(name: string, options: { readonly stride: number; readonly channels: number }): Layer {
  return ({ graph }, x) => graph.apply(strideShortcut, name, [x], options);
}
