/**
 * The binary files of CIFAR-10 and CIFAR-100: a run of records
 *
 *     1 or 2 label bytes | 1024 red bytes | 1024 green bytes | 1024 blue bytes      planes of 32x32, row by row
 */
import { imageBytes } from '../image/shape.js';
import { FormatError } from '../util/errors.js';
import { DamagedRecords } from './damaged-records.js';
import { type ImageSet, type LoadOptions, newJoinedSet } from './dataset.js';
import { existingFile, readExactly, readingFile } from './places.js';

export const cifarShape = { height: 32, width: 32, channels: 3 };
const planeBytes = 32 * 32;

export interface CifarRecords {
  /** Images in each file. Fixed rather than taken from a file's length: a file cut between two records is damaged too. */
  readonly perFile: number;
  /** Label bytes of a record, and which of them counts. */
  readonly labelBytes: number;
  readonly label: number;
  readonly numClasses: number;
}

/** The records of the files `names` in `directory`, one file behind the other. */
export async function loadCifarSplit(
  directory: string,
  names: readonly string[],
  layout: CifarRecords,
  options: LoadOptions,
): Promise<ImageSet> {
  const files = names.map((name) => existingFile(directory, [name]));
  const { set, parts } = newJoinedSet(
    files.map(() => layout.perFile),
    cifarShape,
  );
  const records = new Uint8Array(layout.perFile * (layout.labelBytes + imageBytes(cifarShape)));
  const damaged = new DamagedRecords(files.length === 1 ? files[0]! : directory, set.count, options);
  for (const [i, file] of files.entries()) {
    await readingFile(file, async (handle, bytes) => {
      if (bytes !== records.length) {
        throw new FormatError(`'${file}' is damaged: expected ${records.length} bytes, found ${bytes}`);
      }
      await readExactly(handle, file, records, 0);
    });
    unpackRecords(records, layout, parts[i]!);
    for (const [record, label] of parts[i]!.labels.entries()) {
      if (label < layout.numClasses) continue;
      const problem = `the label of record ${record}${files.length === 1 ? '' : ` in ${names[i]}`} is ${label}, not in 0..${layout.numClasses - 1}`;
      damaged.add(i * layout.perFile + record, problem);
    }
  }
  return damaged.leaveOut(set);
}

function unpackRecords(records: Uint8Array, { labelBytes, label }: CifarRecords, set: ImageSet): void {
  const { images, labels } = set;
  let at = 0;
  let to = 0;
  for (let i = 0; i < set.count; i++) {
    labels[i] = records[at + label] as number;
    const red = at + labelBytes;
    for (let pixel = red; pixel < red + planeBytes; pixel++) {
      images[to] = records[pixel] as number;
      images[to + 1] = records[pixel + planeBytes] as number;
      images[to + 2] = records[pixel + 2 * planeBytes] as number;
      to += 3;
    }
    at = red + 3 * planeBytes;
  }
}
