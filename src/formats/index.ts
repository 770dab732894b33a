/** subbit/formats: files in and out. */
export { decodeSafetensors, encodeSafetensors } from './safetensors.js';
