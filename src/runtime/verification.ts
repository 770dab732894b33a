/** Verification vectors: what a network computes for random images, stored in its file. */
import type { Backend } from '../core/backend.js';
import { checked, type DeployedNetwork, verificationImages } from '../formats/subbit.js';
import { DeployedModel } from './model.js';

/** The network with what it computes on `backend` (the reference is the specification) for `count` images. */
export async function withVerification(
  network: DeployedNetwork,
  backend: Backend,
  { seed = 1, count = 2 }: { readonly seed?: number; readonly count?: number } = {},
): Promise<DeployedNetwork> {
  const model = new DeployedModel(backend, checked(network));
  try {
    const expected = await model.run(verificationImages(network.input, seed, count));
    return { ...network, verification: { seed, count, expected } };
  } finally {
    model.dispose();
  }
}

/** Above this many multiply-accumulates one verification image must do: the reference is slow. */
const manyMacs = 5e8;

/** How many images a network of so many multiply-accumulates is verified with. */
export function verificationCount(macs: number): number {
  return macs > manyMacs ? 1 : 4;
}
