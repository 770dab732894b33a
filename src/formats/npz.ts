/**
 * NumPy's archive (numpy.savez, numpy.savez_compressed): a ZIP file of arrays by name, each NAME.npy.
 *
 * Sizes that the archive declares are its limits: what unpacks to more is cut there, and then the array in it does not fit; so memory is
 * bounded by `mostBytes`, whatever the file holds.
 */
import { unzipSync } from 'fflate';
import { crc32 } from '../util/crc32.js';
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
  const checksums = checksumsOf(bytes, refuse);
  const arrays: Record<string, StoredTensor> = {};
  // In the directory's order: no name that ends with '.npy' is an index, which would come first.
  for (const [i, [file, content]] of Object.entries(entries).entries()) {
    if (crc32(content) !== checksums[i]) throw refuse(`its ${show(file)} does not match its CRC-32 (damaged)`);
    const name = file.slice(0, -suffix.length);
    // Not an assignment, which would do something else for '__proto__'.
    const value = decodeNpy(content, `'${fileName}': ${show(name)}`);
    Object.defineProperty(arrays, name, { value, enumerable: true, writable: true, configurable: true });
  }
  return arrays;
}

/**
 * The CRC-32 of every file of an archive that fflate has unpacked, which compares none, in the order of the directory
 * (PKWARE, APPNOTE.TXT, sections 4.3.12 to 4.3.16; the directory is found as fflate finds it).
 */
function checksumsOf(bytes: Uint8Array, refuse: (rule: string) => FormatError): readonly number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u16 = (at: number): number => view.getUint16(at, true);
  const u32 = (at: number): number => view.getUint32(at, true);
  const checksums: number[] = [];
  try {
    let end = bytes.length - 22;
    while (u32(end) !== 0x06054b50) end--;
    let [count, at] = [u16(end + 8), u32(end + 16)];
    // Of more than 65535 files, or 4 GB (ZIP64).
    if (end >= 20 && u32(end - 20) === 0x07064b50) {
      const record = u32(end - 12);
      if (u32(record) === 0x06064b50) [count, at] = [u32(record + 32), u32(record + 48)];
    }
    while (checksums.length < count) {
      if (u32(at) !== 0x02014b50) throw refuse(`its directory has no entry at byte ${at} (damaged)`);
      checksums.push(u32(at + 16));
      at += 46 + u16(at + 28) + u16(at + 30) + u16(at + 32);
    }
  } catch (error) {
    // A DataView refuses to read what lies outside of it.
    if (error instanceof RangeError) throw refuse('its directory ends behind the file (truncated?)');
    throw error;
  }
  return checksums;
}
