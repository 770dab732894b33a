/**
 * NumPy's array file (numpy.lib.format): one array.
 *
 *     bytes 0 .. 5   93 "NUMPY"
 *     6, 7           version: 1.0, 2.0 or 3.0
 *     8 ..           length of the header, 2 bytes in version 1, 4 bytes after it, little-endian
 *     then           {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   and spaces up to a line end
 *     then           the elements
 *
 * The header is a literal of Python. NumPy writes it in the one form above, and no other is read: nothing here evaluates anything.
 */
import { FormatError } from '../util/errors.js';
import { type StoredTensor, type StoredType, show, storedTensor } from './safetensors.js';

/** NumPy's names of element types, and ours. */
const elementTypes: Readonly<Record<string, StoredType>> = {
  ...{ '<f4': 'F32', '<f2': 'F16', '<f8': 'F64', '|b1': 'BOOL' },
  ...{ '|u1': 'U8', '<u2': 'U16', '<u4': 'U32', '<u8': 'U64' },
  ...{ '|i1': 'I8', '<i2': 'I16', '<i4': 'I32', '<i8': 'I64' },
};

const form = /^\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(((?:\d+, ?)*\d*)\),? ?\} *\n?$/;
const mostHeaderBytes = 65_536;
const mostAxes = 32;

/** The array in `bytes`. `where` names it in the FormatError that anything amiss throws. */
export function decodeNpy(bytes: Uint8Array, where: string): StoredTensor {
  const refuse = (rule: string) => new FormatError(`${where} is not a NumPy array: ${rule}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || view.getUint32(0) !== 0x934e554d || view.getUint16(4) !== 0x5059)
    throw refuse('it does not begin with the bytes 93 "NUMPY"');
  const version = bytes[6]!;
  if (version < 1 || version > 3) throw refuse(`its version is ${version}, and known are 1 to 3`);
  const start = version === 1 ? 10 : 12;
  const headerBytes = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (headerBytes > Math.min(mostHeaderBytes, bytes.length - start))
    throw refuse(`its header has ${headerBytes} bytes, and ${bytes.length - start} follow (truncated?)`);
  const header = new TextDecoder('latin1').decode(bytes.subarray(start, start + headerBytes));
  const [, type, order, extents] = form.exec(header) ?? [];
  if (type === undefined) throw refuse(`its header is ${show(header.trim())}`);
  const dtype = Object.hasOwn(elementTypes, type) ? elementTypes[type]! : undefined;
  if (dtype === undefined)
    throw refuse(`its elements are ${show(type)}; known types: ${Object.keys(elementTypes).join(', ')}`);
  if (order === 'True')
    throw refuse('its elements lie in the order of Fortran; save it as numpy.ascontiguousarray(array)');
  const shape = extents!.split(',').flatMap((extent) => (extent.trim() === '' ? [] : [Number(extent)]));
  if (shape.length > mostAxes) throw refuse(`it has ${shape.length} axes, more than ${mostAxes}`);
  const data = bytes.subarray(start + headerBytes);
  const tensor = storedTensor({ dtype, shape }, data);
  if (tensor === undefined)
    throw refuse(`${data.length} bytes follow its header, which are not ${type} of the shape (${shape.join(', ')})`);
  return tensor;
}
