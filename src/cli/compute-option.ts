/** The option --compute of the commands that train. */
import type { Command as Parser } from 'commander';
import type { Backend } from '../core/backend.js';
import { type Compute, computes, defaultCompute } from '../train/compute.js';
import { lookUp } from '../util/nearest.js';

export interface ComputeOption {
  readonly compute?: string;
}

export function addComputeOption(parser: Parser): Parser {
  return parser.option(
    '--compute <how>',
    'low-bit (default): integer kernels for quantized products; simulated: floats that hold the same numbers',
  );
}

export function computeOf({ compute }: ComputeOption, backend: Backend): Compute {
  return compute === undefined ? defaultCompute(backend) : lookUp(computes, compute, 'way to compute');
}
