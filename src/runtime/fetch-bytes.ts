/** Files from the network, in browsers and in Node. */
import { FormatError } from '../util/errors.js';

/** The bytes at an address. Throws a FormatError that names it. */
export async function fetchBytes(address: string | URL): Promise<Uint8Array<ArrayBuffer>> {
  let response: Response;
  try {
    response = await fetch(address);
  } catch (error) {
    throw new FormatError(`cannot fetch '${address}': ${(error as Error).message}`, { cause: error });
  }
  if (!response.ok) throw new FormatError(`cannot fetch '${address}': ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** What messages call the source of a model. */
export function nameOf(source: string | URL | Uint8Array | ArrayBuffer): string {
  return typeof source === 'string' || source instanceof URL ? String(source) : 'the given bytes';
}
