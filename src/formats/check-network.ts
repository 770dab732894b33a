/**
 * Whether a deployed network is one that may run: the loader's trust ends where this begins. Names are defined before they are
 * used (so there are no cycles) and all are used; ops, attributes and the contents of constants keep the rules of
 * deployed-ops.ts; the ops' own `infer` accepts every type; and the work of one image is bounded, before any memory is taken.
 */
import type { InputTypes } from '../core/op.js';
import { bytesOf, describe, sizeOf, type TensorType, type TypedArray } from '../core/tensor.js';
import { SubbitError } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import {
  attributesFor,
  type DeployedNetwork,
  imagesName,
  imagesType,
  type NetworkConstant,
  type NetworkNode,
} from './deployed-network.js';
import { type DeployedOp, deployedOps, requiredInputs } from './deployed-ops.js';
import { type Refuse, requireZeroPoints } from './network-json.js';
import { isCount, show } from './safetensors.js';

/** What one image may cost at most. */
export interface NetworkLimits {
  /** Bytes of all values together, the image's and every node's. @default 2^30 */
  readonly valueBytes: number;
  /** Multiply-accumulates. @default 2^40 */
  readonly macs: number;
}

export const defaultLimits: NetworkLimits = { valueBytes: 2 ** 30, macs: 2 ** 40 };

export interface CheckedNetwork {
  /** The type of every value for one image, the images' included. */
  readonly types: ReadonlyMap<string, TensorType>;
  /** Multiply-accumulates of one image. */
  readonly macs: number;
}

/** Throws what `refuse` makes of the first broken rule. */
export function checkNetwork(network: DeployedNetwork, limits: NetworkLimits, refuse: Refuse): CheckedNetwork {
  const images = imagesType(network.input, 1);
  const { count = 0 } = network.verification ?? {};
  const verified = count * bytesOf(images);
  if (!(verified <= limits.valueBytes))
    throw refuse(`its ${count} verification images take ${verified} bytes; the limit is ${limits.valueBytes}`);
  requireZeroPoints(network.input.zeroPoints, network.input.channels, 'the input', refuse);
  const values = new Map<string, TensorType>([[imagesName, images]]);
  const constants = new Map(Object.entries(network.constants));
  for (const [name, constant] of constants) checkConstant(name, constant, refuse);
  const used = new Set<string>();
  let bytes = bytesOf(images);
  let macs = 0;
  for (const node of network.nodes) {
    if (values.has(node.name) || constants.has(node.name))
      throw refuse(`two values are named ${show(node.name)}; names must differ`);
    const refuseNode: Refuse = (rule) => refuse(`node ${show(node.name)} ${rule}`);
    const rules = ruleOf(node, refuseNode);
    const inputs = typesOfInputs(node, rules, { values, constants, used }, refuseNode);
    const type = inferType(node, rules, inputs, refuseNode);
    bytes += bytesOf(type);
    macs += rules.macs?.(inputs, type) ?? 0;
    if (!(bytes <= limits.valueBytes))
      throw refuseNode(`makes the values of one image ${bytes} bytes; the limit is ${limits.valueBytes}`);
    if (!(macs <= limits.macs))
      throw refuseNode(`makes ${macs} multiply-accumulates for one image; the limit is ${limits.macs}`);
    checkContents(node, rules, inputs, constants, refuseNode);
    values.set(node.name, type);
  }
  checkOutput(network, values, refuse);
  used.add(network.output);
  for (const name of [...constants.keys(), ...values.keys()])
    if (!used.has(name)) throw refuse(`the value ${show(name)} is used nowhere`);
  return { types: values, macs };
}

function checkConstant(name: string, { type, data }: NetworkConstant, refuse: Refuse): void {
  const max = type.encoding?.max;
  if (max === undefined) return;
  const low = type.encoding?.kind === 'integer' ? -max : 0;
  for (let i = 0; i < data.length; i++) {
    if (data[i]! < low || data[i]! > max)
      throw refuse(`constant ${show(name)} has the element ${data[i]}, outside ${low}..${max}`);
  }
}

function ruleOf({ op, attributes }: NetworkNode, refuse: Refuse): DeployedOp {
  if (!Object.hasOwn(deployedOps, op)) {
    const near = nearest(op, Object.keys(deployedOps));
    throw refuse(`has the unknown op ${show(op)}${near === undefined ? '' : ` (did you mean '${near}'?)`}`);
  }
  const rules = deployedOps[op]!;
  for (const [name, { isOptional, broken }] of Object.entries(rules.attributes)) {
    if (!Object.hasOwn(attributes, name)) {
      if (isOptional) continue;
      throw refuse(`(${op}) has no attribute '${name}'`);
    }
    const rule = broken(attributes[name]);
    if (rule !== undefined) throw refuse(`(${op}): attribute ${name} ${rule}`);
  }
  for (const name of Object.keys(attributes))
    if (!Object.hasOwn(rules.attributes, name)) throw refuse(`(${op}) has the unknown attribute ${show(name)}`);
  return rules;
}

interface Names {
  readonly values: ReadonlyMap<string, TensorType>;
  readonly constants: ReadonlyMap<string, NetworkConstant>;
  readonly used: Set<string>;
}

function typesOfInputs(
  { op, inputs }: NetworkNode,
  rules: DeployedOp,
  { values, constants, used }: Names,
  refuse: Refuse,
): InputTypes {
  const least = requiredInputs(rules);
  if (inputs.length < least || inputs.length > rules.slots.length)
    throw refuse(`(${op}) has ${inputs.length} inputs, not ${least}..${rules.slots.length}`);
  return inputs.map((name, i) => {
    used.add(name);
    const slot = rules.slots[i]!;
    if (slot === 'value') {
      const type = values.get(name);
      if (type === undefined) throw refuse(`(${op}) reads ${show(name)}, which no node before it computes`);
      return type;
    }
    const type = constants.get(name)?.type;
    if (type === undefined) throw refuse(`(${op}) reads ${show(name)}, which is no constant`);
    if (!slot.includes(type.dtype))
      throw refuse(`(${op}) reads ${show(name)} of type ${describe(type)}, not ${slot.join(' or ')}`);
    return type;
  });
}

function inferType(node: NetworkNode, rules: DeployedOp, inputs: InputTypes, refuse: Refuse): TensorType {
  const rule = rules.brokenByTypes?.(inputs);
  if (rule !== undefined) throw refuse(`(${node.op}) ${rule}`);
  let type: TensorType;
  try {
    type = rules.op.infer(inputs, attributesFor(node, 1) as never)[0]!;
  } catch (error) {
    if (error instanceof SubbitError) throw refuse(`(${node.op}) ${error.message}`);
    throw error;
  }
  if (!type.shape.every((extent) => isCount(extent) && extent >= 1) || type.shape[0] !== 1)
    throw refuse(`(${node.op}) has a result of shape ${show(type.shape)}; the first extent is the one image`);
  const { step } = type.encoding!;
  if (!(step > 0 && Number.isFinite(step))) throw refuse(`(${node.op}) has a result in steps of ${step}`);
  return type;
}

function checkContents(
  node: NetworkNode,
  rules: DeployedOp,
  inputs: InputTypes,
  constants: ReadonlyMap<string, NetworkConstant>,
  refuse: Refuse,
): void {
  const contents = node.inputs.map((name): TypedArray | undefined => constants.get(name)?.data);
  const rule = rules.brokenByContents?.(contents, inputs);
  if (rule !== undefined) throw refuse(`(${node.op}) ${rule}`);
}

function checkOutput(network: DeployedNetwork, values: ReadonlyMap<string, TensorType>, refuse: Refuse): void {
  const { output, classes } = network;
  const type = network.nodes.some(({ name }) => name === output) ? values.get(output) : undefined;
  if (type === undefined) throw refuse(`its output ${show(output)} is no node`);
  if (type.dtype !== 'i32' || sizeOf(type.shape) !== classes.length)
    throw refuse(`its output ${show(output)} is ${describe(type)}, not one i32 for each of ${classes.length} classes`);
}
