/**
 * Reads ONNX models (onnx-model.ts) and trusts nothing: lengths are checked against what is left of their message (protobuf-fields.ts), a
 * tensor's data against its shape, and everything that is read lies in the file or in the files that `readExternal` gives. Messages nest no
 * deeper than the format's own; graphs inside of attributes are named and skipped.
 */
import { halfFloat } from './half-float.js';
import {
  elementTypes,
  type OnnxArray,
  type OnnxAttribute,
  type OnnxElementType,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValue,
} from './onnx-model.js';
import { FieldReader, type Fields, wire } from './protobuf-fields.js';

export interface OnnxReaderOptions {
  /** For messages. */
  readonly name: string;
  /** The bytes of a file beside the model that holds data of its tensors. @default such models are refused */
  readonly readExternal?: (location: string) => Uint8Array;
}

/** More axes than any network's tensors have; what is done per pair of axes stays small. */
export const maxRank = 8;

/** Throws a FormatError for what is no ONNX model, is damaged, or holds types that subbit does not know. */
export function decodeOnnx(bytes: Uint8Array, options: OnnxReaderOptions): OnnxModel {
  return new Decoder(bytes, options).model();
}

class Decoder {
  readonly #from: FieldReader;
  readonly #options: OnnxReaderOptions;

  constructor(bytes: Uint8Array, options: OnnxReaderOptions) {
    this.#from = new FieldReader(bytes, options.name);
    this.#options = options;
  }

  model(): OnnxModel {
    let graph: Pick<OnnxModel, 'name' | 'inputs' | 'outputs' | 'initializers' | 'nodes'> | undefined;
    let irVersion = 0;
    const domains: Record<string, number> = {};
    const metadata: Record<string, string> = {};
    this.#from.message(this.#from.length, {
      1: () => {
        irVersion = this.#from.integer();
      },
      7: (end) => {
        graph = this.#graph(this.#from.inside(end));
      },
      8: (end) => {
        const { domain, version } = this.#version(this.#from.inside(end));
        domains[domain === 'ai.onnx' ? '' : domain] = version;
      },
      14: (end) => {
        const [key, value] = this.#entry(this.#from.inside(end));
        metadata[key] = value;
      },
    });
    const { '': opset, ...others } = domains;
    if (graph === undefined || opset === undefined)
      throw this.#from.error('it is no ONNX model (no graph or no version of the operators)');
    return { ...graph, opset, domains: others, irVersion, metadata };
  }

  #graph(end: number): Pick<OnnxModel, 'name' | 'inputs' | 'outputs' | 'initializers' | 'nodes'> {
    let name = '';
    const nodes: OnnxNode[] = [];
    const inputs: OnnxValue[] = [];
    const outputs: OnnxValue[] = [];
    const initializers = new Map<string, OnnxTensor>();
    this.#from.message(end, {
      1: (own) => nodes.push(this.#node(this.#from.inside(own))),
      2: (own) => {
        name = this.#from.name(own);
      },
      5: (own) => {
        const [tensorName, tensor] = this.#tensor(this.#from.inside(own));
        initializers.set(tensorName, tensor);
      },
      11: (own) => inputs.push(this.#value(this.#from.inside(own))),
      12: (own) => outputs.push(this.#value(this.#from.inside(own))),
      15: () => {
        throw this.#from.error('sparse tensors are not supported');
      },
    });
    // Older files list the stored tensors among the inputs, too.
    const free = inputs.filter((value) => !initializers.has(value.name));
    return { name, nodes, inputs: free, outputs, initializers: Object.fromEntries(initializers) };
  }

  #node(end: number): OnnxNode {
    const inputs: string[] = [];
    const outputs: string[] = [];
    const attributes: [string, OnnxAttribute][] = [];
    let [op, name, domain] = ['', '', ''];
    this.#from.message(end, {
      1: (own) => inputs.push(this.#from.name(own)),
      2: (own) => outputs.push(this.#from.name(own)),
      3: (own) => {
        name = this.#from.name(own);
      },
      4: (own) => {
        op = this.#from.name(own);
      },
      5: (own) => attributes.push(this.#attribute(this.#from.inside(own))),
      7: (own) => {
        domain = this.#from.name(own);
      },
    });
    const where = domain === '' || domain === 'ai.onnx' ? {} : { domain };
    return { op, name, ...where, inputs, outputs, attributes: Object.fromEntries(attributes) };
  }

  #attribute(end: number): [string, OnnxAttribute] {
    let name = '';
    let single: OnnxAttribute | undefined;
    const ints: number[] = [];
    const floats: number[] = [];
    const texts: string[] = [];
    const other = (what: string) => (): void => {
      single = { other: what };
      this.#from.skip(end);
    };
    this.#from.message(end, {
      1: (own) => {
        name = this.#from.name(own);
      },
      2: () => {
        single = { float: this.#from.float() };
      },
      3: () => {
        single = { int: this.#from.integer() };
      },
      4: (own) => {
        single = { text: this.#from.string(own) };
      },
      5: (own) => {
        single = { tensor: this.#tensor(this.#from.inside(own))[1] };
      },
      6: other('a graph'),
      7: (own) => this.#from.repeated(own, wire.fixed32, () => floats.push(this.#from.float())),
      8: (own) => this.#from.repeated(own, wire.varint, () => ints.push(this.#from.integer())),
      9: (own) => texts.push(this.#from.string(own)),
      10: other('a list of tensors'),
      11: other('a list of graphs'),
      14: other('a type'),
      21: other('an attribute of a function'),
      22: other('a sparse tensor'),
    });
    if (single !== undefined) return [name, single];
    if (texts.length > 0) return [name, { texts }];
    return [name, floats.length > 0 ? { floats } : { ints }];
  }

  #tensor(end: number): [string, OnnxTensor] {
    let name = '';
    let code = 0;
    let raw: Uint8Array | undefined;
    let isExternal = false;
    const shape: number[] = [];
    const numbers: number[] = [];
    const external: Record<string, string> = {};
    this.#from.message(end, {
      1: (own) => this.#from.repeated(own, wire.varint, () => shape.push(this.#from.integer())),
      2: () => {
        code = this.#from.integer();
      },
      4: (own) => this.#from.repeated(own, wire.fixed32, () => numbers.push(this.#from.float())),
      5: (own) => this.#from.repeated(own, wire.varint, () => numbers.push(this.#from.integer())),
      7: (own) => this.#from.repeated(own, wire.varint, () => numbers.push(this.#from.integer())),
      8: (own) => {
        name = this.#from.name(own);
      },
      9: (own) => {
        raw = this.#from.raw(own);
      },
      10: (own) => this.#from.repeated(own, wire.fixed64, () => numbers.push(this.#from.double())),
      11: (own) => this.#from.repeated(own, wire.varint, () => numbers.push(this.#from.integer())),
      13: (own) => {
        const [key, value] = this.#entry(this.#from.inside(own));
        external[key] = value;
      },
      14: () => {
        isExternal = this.#from.integer() === 1;
      },
    });
    const half = code === 10;
    const found = Object.entries(elementTypes).find((entry) => entry[1].code === (half ? 4 : code));
    if (found === undefined)
      throw this.#from.error(`the tensor '${name}' has elements of type ${code}, which subbit does not know`);
    const type = found[0] as OnnxElementType;
    const elements = this.#elementsOf(name, shape);
    const bytes = isExternal ? this.#externalBytes(name, external) : raw;
    const odd = bytes === undefined && type === 'int64' ? numbers.find((each) => !Number.isInteger(each)) : undefined;
    if (odd !== undefined) throw this.#from.error(`the tensor '${name}' (int64) has the element ${odd}`);
    const data = bytes === undefined ? fromNumbers(type, numbers, elements) : fromBytes(type, bytes, elements);
    if (data === undefined) {
      const given = bytes === undefined ? `${numbers.length} numbers` : `${bytes.length} bytes`;
      throw this.#from.error(`the tensor '${name}' of ${elements} elements (${type}) has ${given}`);
    }
    return [
      name,
      half
        ? { shape, type: 'float32', data: Float32Array.from(data as Uint16Array, halfFloat) }
        : { shape, type, data },
    ];
  }

  #elementsOf(name: string, shape: readonly number[]): number {
    if (shape.length > maxRank)
      throw this.#from.error(`the tensor '${name}' has ${shape.length} axes; ${maxRank} are the most`);
    const elements = shape.reduce((product, extent) => product * extent, 1);
    if (shape.some((extent) => extent < 0) || !(elements <= 2 ** 31))
      throw this.#from.error(`the tensor '${name}' has the impossible shape [${shape.join(', ')}]`);
    return elements;
  }

  #externalBytes(name: string, { location, offset = '0', length }: Record<string, string>): Uint8Array {
    const { readExternal } = this.#options;
    if (location === undefined || readExternal === undefined)
      throw this.#from.error(`the data of the tensor '${name}' lies in another file, '${location}'`);
    const bytes = readExternal(location);
    const first = Number(offset);
    const end = length === undefined ? bytes.length : first + Number(length);
    if (
      !(Number.isSafeInteger(first) && Number.isSafeInteger(end) && first >= 0 && first <= end && end <= bytes.length)
    )
      throw this.#from.error(
        `the tensor '${name}' wants bytes ${first} to ${end} of '${location}', which has ${bytes.length}`,
      );
    return bytes.subarray(first, end);
  }

  #value(end: number): OnnxValue {
    let name = '';
    let code = 0;
    const shape: (number | string)[] = [];
    const extent: Fields = {
      1: () => shape.push(this.#from.integer()),
      2: (own) => shape.push(this.#from.name(own)),
    };
    const tensorType: Fields = {
      1: () => {
        code = this.#from.integer();
      },
      2: (own) =>
        this.#from.message(this.#from.inside(own), {
          1: (inner) => {
            const before = shape.length;
            this.#from.message(this.#from.inside(inner), extent);
            // An extent that the file does not tell.
            if (shape.length === before) shape.push('?');
          },
        }),
    };
    this.#from.message(end, {
      1: (own) => {
        name = this.#from.name(own);
      },
      2: (own) =>
        this.#from.message(this.#from.inside(own), {
          1: (inner) => this.#from.message(this.#from.inside(inner), tensorType),
        }),
    });
    const found = Object.entries(elementTypes).find((entry) => entry[1].code === code);
    if (found === undefined)
      throw this.#from.error(`'${name}' has elements of type ${code}, which subbit does not know`);
    return { name, type: found[0] as OnnxElementType, shape };
  }

  #version(end: number): { domain: string; version: number } {
    let [domain, version] = ['', 0];
    this.#from.message(end, {
      1: (own) => {
        domain = this.#from.name(own);
      },
      2: () => {
        version = this.#from.integer();
      },
    });
    return { domain, version };
  }

  #entry(end: number): [string, string] {
    let [key, value] = ['', ''];
    this.#from.message(end, {
      1: (own) => {
        key = this.#from.string(own);
      },
      2: (own) => {
        value = this.#from.string(own);
      },
    });
    return [key, value];
  }
}

/** Undefined when there are not as many as elements. Four and two bits come as bytes, packed. */
function fromNumbers(type: OnnxElementType, numbers: readonly number[], elements: number): OnnxArray | undefined {
  const { array, bits } = elementTypes[type];
  if (bits < 8) return fromBytes(type, Uint8Array.from(numbers), elements);
  if (numbers.length !== elements) return undefined;
  if (array === BigInt64Array) return BigInt64Array.from(numbers, BigInt);
  return (array as typeof Float32Array).from(numbers) as OnnxArray;
}

/** Undefined when the bytes are not those of so many elements. */
function fromBytes(type: OnnxElementType, bytes: Uint8Array, elements: number): OnnxArray | undefined {
  const { array, bits } = elementTypes[type];
  if (bytes.length !== Math.ceil((elements * bits) / 8)) return undefined;
  if (bits < 8) return unpackedElements(bytes, elements, { bits, isSigned: array === Int8Array });
  // A copy, because the file's bytes are not aligned. (A Buffer's slice would be none.)
  return new array(new Uint8Array(bytes).buffer) as OnnxArray;
}

function unpackedElements(
  bytes: Uint8Array,
  elements: number,
  { bits, isSigned }: { readonly bits: number; readonly isSigned: boolean },
): OnnxArray {
  const perByte = 8 / bits;
  const unpacked = new (isSigned ? Int8Array : Uint8Array)(elements);
  for (let i = 0; i < elements; i++) {
    const level = (bytes[Math.floor(i / perByte)]! >> (bits * (i % perByte))) & (2 ** bits - 1);
    unpacked[i] = isSigned && level >= 2 ** (bits - 1) ? level - 2 ** bits : level;
  }
  return unpacked;
}
