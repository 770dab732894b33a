/** A network that is read already, on a backend of its own, with the kernels that were measured on this machine (Node). */
import { type OpenBackendOptions, openFrom } from '../backends/open.js';
import type { DecodedNetwork } from '../formats/subbit.js';
import { runtimeBackends } from './backends.js';
import { DeployedModel, type ModelOptions } from './model.js';
import { tunedChooser } from './tuning.js';

/** The model's `dispose` ends the backend, too. */
export async function openModel(
  decoded: DecodedNetwork,
  options: OpenBackendOptions & ModelOptions = {},
): Promise<DeployedModel> {
  const backend = await openFrom(runtimeBackends, options);
  const { batch, kernelOf = tunedChooser(backend) } = options;
  try {
    return new DeployedModel(backend, decoded, { batch, kernelOf }, () => backend.dispose());
  } catch (error) {
    backend.dispose();
    throw error;
  }
}
