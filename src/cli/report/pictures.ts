/** Small pictures inside a page: PNG files (ISO/IEC 15948) as data addresses. */
import { deflateSync } from 'node:zlib';
import type { ImageShape } from '../../image/shape.js';
import { crc32 } from '../../util/crc32.js';
import { escaped } from './page.js';

/** A PNG of bytes [height, width, channels] with 1 (grey) or 3 channels. */
export function encodePng(pixels: Uint8Array, { height, width, channels }: ImageShape): Uint8Array {
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8);
  header.setUint8(9, channels === 3 ? 2 : 0);
  // Each row begins with its filter: none.
  const rows = new Uint8Array(height * (1 + width * channels));
  for (let y = 0; y < height; y++)
    rows.set(pixels.subarray(y * width * channels, (y + 1) * width * channels), y * (1 + width * channels) + 1);
  return Buffer.concat([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk('IHDR', new Uint8Array(header.buffer)),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', new Uint8Array()),
  ]);
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(12 + data.length);
  bytes.writeUInt32BE(data.length);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}

export interface Picture {
  readonly pixels: Uint8Array;
  readonly shape: ImageShape;
  readonly description: string;
}

/** An img element, `size` pixels of the page wide. */
export function picture({ pixels, shape, description }: Picture, size: number): string {
  const address = `data:image/png;base64,${Buffer.from(encodePng(pixels, shape)).toString('base64')}`;
  const height = Math.round((size * shape.height) / shape.width);
  return `<img width="${size}" height="${height}" alt="${escaped(description)}" src="${address}">`;
}

/**
 * Filters [height, width, channels, count] of pictures, one by one: the largest weight of all is white or a full colour, 0 grey. Empty
 * when they have no channels that are colours.
 */
export function filterPictures(filters: ArrayLike<number>, shape: readonly number[]): Picture[] {
  const [height, width, channels, count] = shape as [number, number, number, number];
  if (channels !== 1 && channels !== 3) return [];
  let largest = 0;
  for (let i = 0; i < filters.length; i++) largest = Math.max(largest, Math.abs(filters[i]!));
  const perUnit = largest > 0 ? 127.5 / largest : 0;
  return Array.from({ length: count }, (_, k) => ({
    pixels: Uint8Array.from({ length: height * width * channels }, (_, i) => 127.5 + perUnit * filters[i * count + k]!),
    shape: { height, width, channels },
    description: `filter ${k}`,
  }));
}
