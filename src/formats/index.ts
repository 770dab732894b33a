/** subbit/formats: files in and out. */
export { decodeSafetensors, encodeSafetensors } from './safetensors.js';
export { type DecodedNetwork, type DeployedNetwork, decodeSubbit, encodeSubbit, predictBytes } from './subbit.js';
