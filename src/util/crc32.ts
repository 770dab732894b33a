/** Cyclic redundancy checks of 32 bits, reflected, as PNG (polynomial of IEEE 802.3) and TFRecord (Castagnoli's) have them. */

function createCrc(polynomial: number): (bytes: Uint8Array) => number {
  const table = Int32Array.from({ length: 256 }, (_, byte) => {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ polynomial : remainder >>> 1;
    return remainder;
  });
  return (bytes) => {
    let crc = -1;
    for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 255]!;
    return ~crc >>> 0;
  };
}

export const crc32: (bytes: Uint8Array) => number = createCrc(0xedb88320);
export const crc32c: (bytes: Uint8Array) => number = createCrc(0x82f63b78);
