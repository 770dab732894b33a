/** Files from the network, in browsers and in Node. */
import { FormatError } from '../util/errors.js';

/** How far a download is, in bytes. */
export interface DownloadProgress {
  readonly loaded: number;
  /** Undefined where the server does not say it, or says that of a compressed file. */
  readonly total: number | undefined;
}

/** The bytes at an address. Throws a FormatError that names it. */
export async function fetchBytes(
  address: string | URL,
  onProgress?: (progress: DownloadProgress) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  let response: Response;
  try {
    response = await fetch(address);
  } catch (error) {
    throw new FormatError(`cannot fetch '${address}': ${(error as Error).message}`, { cause: error });
  }
  if (!response.ok) throw new FormatError(`cannot fetch '${address}': ${response.status} ${response.statusText}`);
  try {
    return onProgress === undefined || response.body === null
      ? new Uint8Array(await response.arrayBuffer())
      : await withProgress(response, onProgress);
  } catch (error) {
    throw new FormatError(`the download of '${address}' broke off: ${(error as Error).message}`, { cause: error });
  }
}

async function withProgress(
  { headers, body }: Response,
  onProgress: (progress: DownloadProgress) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const length = Number(headers.get('content-length') ?? Number.NaN);
  const total = headers.get('content-encoding') === null && Number.isSafeInteger(length) ? length : undefined;
  const pieces: Uint8Array[] = [];
  let loaded = 0;
  onProgress({ loaded, total });
  const reader = body!.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    pieces.push(next.value);
    loaded += next.value.length;
    onProgress({ loaded, total });
  }
  const bytes = new Uint8Array(loaded);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** What messages call the source of a model. */
export function nameOf(source: string | URL | Uint8Array | ArrayBuffer): string {
  return typeof source === 'string' || source instanceof URL ? String(source) : 'the given bytes';
}
