/**
 * The WGSL around a kernel's pass: bindings, params and the functions of its slots (core/wgsl.ts).
 *
 * Every buffer that a call touches is one binding, an array of words; a slot is an offset into one, which stands beside the params in a
 * uniform. So two slots may lie in the same buffer, which bindings of their own may not, and there are never more
 * of them than buffers.
 */
import { type AnyOp, isOptional, type ParamKind, slotName } from '../../core/op.js';
import type { Operand, TensorType } from '../../core/tensor.js';
import type { WgslCall, WgslPass } from '../../core/wgsl.js';

/** Where a slot is: the binding's number, and the byte in it. */
export interface SlotPlace {
  readonly binding: number;
  readonly byteOffset: number;
}

/** Invocations of a group where a pass does not say. */
const defaultLanes = 64;

interface Word {
  readonly name: string;
  readonly kind: 'i32' | 'u32' | 'f32';
  readonly value: number;
}

/** Slots of a call in the order of its buffers. */
export function slotsOf(op: AnyOp): string[] {
  return [...op.inputs.map(slotName), ...op.outputs, 'scratch'];
}

export interface Shader {
  readonly source: string;
  /** Contents of the uniform that goes with it. */
  readonly uniform: ArrayBuffer;
  /** Groups in each of two dimensions. */
  readonly groups: readonly [number, number];
}

/** `places` are those of the slots that are there; `numBindings` counts the buffers behind them, which the uniform follows. */
export function shaderOf(
  op: AnyOp,
  call: WgslCall,
  pass: WgslPass,
  places: Readonly<Record<string, SlotPlace>>,
  { numBindings, mostGroups }: { readonly numBindings: number; readonly mostGroups: number },
): Shader {
  const lanes = pass.lanes ?? Math.min(defaultLanes, call.limits.lanes);
  const numGroups = Math.max(1, pass.lanes === undefined ? Math.ceil(pass.count / lanes) : pass.count);
  const columns = Math.min(numGroups, mostGroups);
  const words: Word[] = [
    { name: 'pass_count', kind: 'u32', value: pass.count },
    ...Object.entries(pass.values ?? {}).map(([name, value]): Word => ({ name, kind: 'u32', value })),
    ...Object.entries(places).map(
      ([slot, { byteOffset }]): Word => ({ name: `${slot}_at`, kind: 'u32', value: byteOffset / 4 }),
    ),
    ...Object.entries(op.params as Record<string, ParamKind>).flatMap(([name, kind]) =>
      wordsOf(name, kind, call.params[name]!),
    ),
  ];
  const slots = slotsOf(op).map((slot) => accessorsOf(slot, slotTypeOf(slot, call), places[slot], op));
  const main =
    pass.lanes === undefined
      ? `let i = group * ${lanes}u + lane; if (i < p.pass_count) { run(i); }`
      : 'if (group < p.pass_count) { run(group, lane); }';
  const source = `
${Array.from({ length: numBindings }, (_, i) => `@group(0) @binding(${i}) var<storage, read_write> m${i}: array<u32>;`).join('\n')}
struct Params { ${words.map(({ name, kind }) => `${name}: ${kind}`).join(', ')} }
@group(0) @binding(${numBindings}) var<uniform> p: Params;
${slots.join('\n')}
${pass.code}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = id.x + id.y * groups.x;
  ${main}
}`;
  return { source, uniform: uniformOf(words), groups: [columns, Math.ceil(numGroups / columns)] };
}

function slotTypeOf(slot: string, call: WgslCall): TensorType | undefined {
  return slot === 'scratch' ? { dtype: 'f32', shape: [] } : call.types[slot];
}

function wordsOf(name: string, kind: ParamKind, value: number | Operand): Word[] {
  if (typeof value === 'number') return [{ name, kind: kind as 'i32' | 'f32', value }];
  return [
    { name: `${name}_multiplier`, kind: 'i32', value: value.multiplier },
    ...value.offset.map((each, i): Word => ({ name: `${name}_offset${i}`, kind: 'i32', value: each })),
  ];
}

function uniformOf(words: readonly Word[]): ArrayBuffer {
  const uniform = new ArrayBuffer(Math.ceil(words.length / 4) * 16);
  const view = new DataView(uniform);
  for (const [i, { kind, value }] of words.entries()) {
    if (kind === 'f32') view.setFloat32(4 * i, value, true);
    else if (kind === 'i32') view.setInt32(4 * i, value, true);
    else view.setUint32(4 * i, value, true);
  }
  return uniform;
}

/** How an element is read from the word `w` of its memory, with i its index. */
const readers = {
  f32: { type: 'f32', perWord: 1, read: 'bitcast<f32>(w)', write: 'bitcast<u32>(v)' },
  i32: { type: 'i32', perWord: 1, read: 'bitcast<i32>(w)', write: 'bitcast<u32>(v)' },
  i16: { type: 'i32', perWord: 2, read: 'extractBits(bitcast<i32>(w), 16u * (i & 1u), 16u)' },
  u8: { type: 'u32', perWord: 4, read: 'extractBits(w, 8u * (i & 3u), 8u)' },
} as const;

function accessorsOf(slot: string, type: TensorType | undefined, place: SlotPlace | undefined, op: AnyOp): string {
  const isThere = type !== undefined && place !== undefined;
  const { type: element, perWord, ...reader } = readers[type?.dtype ?? 'f32'];
  const memory = `m${place?.binding ?? 0}`;
  const at = `p.${slot}_at`;
  const lines: string[] = [];
  if (op.inputs.some((each) => isOptional(each) && slotName(each) === slot))
    lines.push(`const has_${slot} = ${isThere};`);
  if (!isThere) {
    lines.push(
      `fn get_${slot}(i: u32) -> ${element} { return ${element}(0); }`,
      `fn word_${slot}(w: u32) -> u32 { return 0u; }`,
    );
  } else {
    lines.push(
      `fn word_${slot}(w: u32) -> u32 { return ${memory}[${at} + w]; }`,
      `fn set_word_${slot}(w: u32, v: u32) { ${memory}[${at} + w] = v; }`,
      `fn get_${slot}(i: u32) -> ${element} { let w = ${memory}[${at} + ${perWord === 1 ? 'i' : `i / ${perWord}u`}]; return ${reader.read}; }`,
    );
    if ('write' in reader)
      lines.push(`fn set_${slot}(i: u32, v: ${element}) { ${memory}[${at} + i] = ${reader.write}; }`);
  }
  if (op.params[slot] === 'operand') lines.push(operandOf(slot, type));
  return lines.join('\n');
}

/** What an element of channel c means: real numbers as they are, multiplier * q - offset of others. */
function operandOf(slot: string, type: TensorType | undefined): string {
  if (type?.encoding === undefined) return `fn real_${slot}(i: u32, c: u32) -> f32 { return f32(get_${slot}(i)); }`;
  return `
fn integer_${slot}(i: u32, c: u32) -> i32 {
  let offset = select(select(p.${slot}_offset0, p.${slot}_offset1, c == 1u), select(p.${slot}_offset2, p.${slot}_offset3, c == 3u), c == 2u || c == 3u);
  return p.${slot}_multiplier * i32(get_${slot}(i)) - offset;
}
fn real_${slot}(i: u32, c: u32) -> f32 { return f32(integer_${slot}(i, c)); }`;
}
