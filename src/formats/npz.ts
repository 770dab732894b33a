/**
 * NumPy's archive (numpy.savez, numpy.savez_compressed): a ZIP file of arrays by name, each NAME.npy.
 *
 * Sizes that the archive declares are its limits: what unpacks to more is cut there, and then the array in it does not fit; so memory is
 * bounded by `mostBytes`, whatever the file holds.
 */
import { unzipSync } from 'fflate';
import { FormatError } from '../util/errors.js';
import { decodeNpy } from './npy.js';
import { type StoredTensor, show } from './safetensors.js';

const suffix = '.npy';
/** Of all arrays: 268 million numbers of 32 bits, over four times the largest preset's. */
const mostBytes = 2 ** 30;
const mostArrays = 65_536;

/** The arrays of an archive by name, without '.npy'. Throws a FormatError of one line. */
export function decodeNpz(bytes: Uint8Array, fileName: string): Record<string, StoredTensor> {
  const refuse = (rule: string) => new FormatError(`'${fileName}' is not an archive of NumPy arrays: ${rule}`);
  const seen = new Set<string>();
  let total = 0;
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes, {
      filter({ name, size, originalSize, compression }) {
        if (!name.endsWith(suffix)) throw refuse(`it has ${show(name)}, which is no ${suffix} file`);
        if (seen.has(name)) throw refuse(`it has ${show(name)} twice`);
        if (compression === 0 && size !== originalSize)
          throw refuse(`${show(name)} has ${size} bytes stored for ${originalSize}`);
        if (size > bytes.length) throw refuse(`${show(name)} has ${size} bytes, more than the file`);
        total += originalSize;
        if (!(total <= mostBytes))
          throw refuse(`its arrays would take ${total} bytes or more; the limit is ${mostBytes}`);
        seen.add(name);
        if (seen.size > mostArrays) throw refuse(`it has more than ${mostArrays} arrays`);
        return true;
      },
    });
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw refuse(`${(error as Error).message} (truncated?)`);
  }
  const arrays: Record<string, StoredTensor> = {};
  for (const [file, content] of Object.entries(entries)) {
    const name = file.slice(0, -suffix.length);
    // Not an assignment, which would do something else for '__proto__'.
    const value = decodeNpy(content, `'${fileName}': ${show(name)}`);
    Object.defineProperty(arrays, name, { value, enumerable: true, writable: true, configurable: true });
  }
  return arrays;
}
