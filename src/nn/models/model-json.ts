/**
 * A network of the user's own as JSON: the image that it takes and its layers in order.
 *
 *     {"input": {"height": 32, "width": 32, "channels": 3},
 *      "layers": [{"layer": "conv", "name": "conv1", "options": {"channels": 16, "bias": true}},
 *                 {"layer": "activation", "options": {"next": "fc"}}, {"layer": "flatten"},
 *                 {"layer": "dense", "name": "fc", "options": {"outputs": "classes"}}]}
 *
 * Layers that hold others: `sequential` with `layers`, `residual` with `body` and perhaps `shortcut`, `preActivated` with `activation`,
 * `body` and `shortcut`, `concat` with `branches`, a list of lists. The others stand in layer-table.ts. The first and the last layer
 * with weights stay float unless asked otherwise, as in every preset.
 *
 * The text is not trusted: what is unknown, missing or out of range is refused by its place, as `layers[3].options.stride`.
 */
import { sizeOf } from '../../core/tensor.js';
import { UsageError } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import { concat, preActivated, residual, sequential } from '../layers/index.js';
import type { Layer } from '../scope.js';
import { layerKinds } from './layer-table.js';
import { ownTraining, type Preset } from './preset.js';

const maxDepth = 16;
const maxLayers = 2000;
/** Of images, each way. */
const maxExtent = 4096;
/** Numbers in all parameters. */
const maxParameters = 2 ** 28;
const namePattern = /^[\w.-]+(\/[\w.-]+)*$/;
const maxNameLength = 100;

type Builder = (classes: number) => Layer;
type Fields = Readonly<Record<string, unknown>>;

/** `name` stands for the network in errors and tables. Throws a UsageError for what is no such network. */
export function presetOfJson(name: string, json: unknown): Preset {
  const reader = new ModelReader(name);
  const { input, layers } = reader.fields(json, '', ['input', 'layers']);
  const shape = reader.input(input);
  const build = reader.list(layers, 'layers', 0);
  const [first, last] = reader.ends();
  return {
    ...{ name, description: 'a network in JSON', input: shape, first, last },
    build: ({ classes }) => withinLimits(name, build(classes)),
    training: ownTraining,
  };
}

/** Before anybody takes memory for them. */
function withinLimits(name: string, layers: Layer): Layer {
  return (scope, x) => {
    const y = layers(scope, x);
    const sizes = [...scope.graph.variables.values()].map(({ value }) => sizeOf(value.type.shape));
    const parameters = sizes.reduce((sum, size) => sum + size, 0);
    if (parameters > maxParameters)
      throw new UsageError(`model ${name}: it has ${parameters} parameters; ${maxParameters} are the most`);
    return y;
  };
}

class ModelReader {
  readonly #model: string;
  readonly #names = new Set<string>();
  /** Layers with weights, in order. */
  readonly #weighted: string[] = [];
  /** Places where layers are said to come next, with their names. */
  readonly #next: (readonly [place: string, name: string])[] = [];
  #layers = 0;

  constructor(model: string) {
    this.#model = model;
  }

  #refuse(place: string, rule: string): UsageError {
    return new UsageError(`model ${this.#model}: ${place === '' ? 'it' : place} ${rule}`);
  }

  /** An object with no keys but these. */
  fields(value: unknown, place: string, keys: readonly string[]): Fields {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.#refuse(place, `must be an object, not ${show(value)}`);
    for (const key of Object.keys(value)) {
      if (keys.includes(key)) continue;
      const near = nearest(key, keys);
      const hint = near === undefined ? '' : `; did you mean '${near}'?`;
      throw this.#refuse(place, `has the unknown key ${show(key)}${hint} (known: ${keys.join(', ') || 'none'})`);
    }
    return value as Fields;
  }

  input(value: unknown): Preset['input'] {
    const fields = this.fields(value, 'input', ['height', 'width', 'channels']);
    const extent = (key: string, most: number): number => {
      const found = fields[key];
      if (Number.isInteger(found) && (found as number) >= 1 && (found as number) <= most) return found as number;
      throw this.#refuse(`input.${key}`, `must be an integer in 1..${most}, not ${show(found)}`);
    };
    return { height: extent('height', maxExtent), width: extent('width', maxExtent), channels: extent('channels', 4) };
  }

  /** Layers one after the other. */
  list(value: unknown, place: string, depth: number): Builder {
    if (!Array.isArray(value) || value.length === 0)
      throw this.#refuse(place, `must be a list of at least one layer, not ${show(value)}`);
    const builders = value.map((each, i) => this.#layer(each, `${place}[${i}]`, depth));
    return (classes) => sequential(...builders.map((build) => build(classes)));
  }

  /** The first and the last layer with weights. */
  ends(): readonly [string, string] {
    const [first] = this.#weighted;
    if (first === undefined) throw this.#refuse('layers', 'must have a conv or a dense layer');
    for (const [place, name] of this.#next)
      if (!this.#weighted.includes(name))
        throw this.#refuse(place, `names ${show(name)}, which is no layer with weights (${this.#weighted.join(', ')})`);
    return [first, this.#weighted.at(-1)!];
  }

  #layer(value: unknown, place: string, depth: number): Builder {
    if (depth > maxDepth) throw this.#refuse(place, `lies ${depth} layers deep; ${maxDepth} are the most`);
    if (++this.#layers > maxLayers) throw this.#refuse(place, `is one layer too many; ${maxLayers} are the most`);
    const kind = (Object(value) as Fields).layer;
    if (typeof kind === 'string' && Object.hasOwn(layerKinds, kind)) return this.#simple(kind, value, place);
    if (typeof kind === 'string' && Object.hasOwn(this.#containers, kind))
      return this.#containers[kind]!(value, place, depth + 1);
    this.fields(value, place, Object.keys(Object(value)));
    const known = [...Object.keys(layerKinds), ...Object.keys(this.#containers)];
    const near = typeof kind === 'string' ? nearest(kind, known) : undefined;
    const hint = near === undefined ? '' : `; did you mean '${near}'?`;
    throw this.#refuse(`${place}.layer`, `is ${show(kind)}, no layer${hint} (known: ${known.join(', ')})`);
  }

  /** Layers that hold others. */
  readonly #containers: Readonly<Record<string, (value: unknown, place: string, depth: number) => Builder>> = {
    sequential: (value, place, depth) => {
      const { layers } = this.fields(value, place, ['layer', 'layers']);
      return this.list(layers, `${place}.layers`, depth);
    },
    residual: (value, place, depth) => {
      const fields = this.fields(value, place, ['layer', 'name', 'body', 'shortcut']);
      const name = this.#name(fields, place);
      const body = this.list(fields.body, `${place}.body`, depth);
      if (fields.shortcut === undefined) return (classes) => residual(name, { body: body(classes) });
      const shortcut = this.list(fields.shortcut, `${place}.shortcut`, depth);
      return (classes) => residual(name, { body: body(classes), shortcut: shortcut(classes) });
    },
    preActivated: (value, place, depth) => {
      const fields = this.fields(value, place, ['layer', 'name', 'activation', 'body', 'shortcut']);
      const name = this.#name(fields, place);
      const activation = this.list(fields.activation, `${place}.activation`, depth);
      const body = this.list(fields.body, `${place}.body`, depth);
      const shortcut = this.list(fields.shortcut, `${place}.shortcut`, depth);
      return (classes) =>
        preActivated(name, { activation: activation(classes), body: body(classes), shortcut: shortcut(classes) });
    },
    concat: (value, place, depth) => {
      const fields = this.fields(value, place, ['layer', 'name', 'branches']);
      const name = this.#name(fields, place);
      const { branches } = fields;
      if (!Array.isArray(branches) || branches.length < 2)
        throw this.#refuse(
          `${place}.branches`,
          `must be a list of at least two lists of layers, not ${show(branches)}`,
        );
      const [first, ...others] = branches.map((each, i) =>
        // What comes in itself, as in DenseNets.
        Array.isArray(each) && each.length === 0
          ? () => sequential()
          : this.list(each, `${place}.branches[${i}]`, depth),
      );
      return (classes) => concat(name, [first!(classes), ...others.map((build) => build(classes))]);
    },
  };

  #simple(kindName: string, value: unknown, place: string): Builder {
    const kind = layerKinds[kindName]!;
    const fields = this.fields(value, place, ['layer', ...(kind.isNamed ? ['name'] : []), 'options']);
    const name = kind.isNamed ? this.#name(fields, place) : '';
    const at = `${place}.options`;
    const options = this.fields(fields.options ?? {}, at, Object.keys(kind.options));
    for (const [key, { says, holds, isRequired }] of Object.entries(kind.options)) {
      const option = options[key];
      if (option === undefined && isRequired) throw this.#refuse(`${at}.${key}`, `is missing; it must be ${says}`);
      if (option !== undefined && !holds(option))
        throw this.#refuse(`${at}.${key}`, `must be ${says}, not ${show(option)}`);
    }
    if (kind.hasWeights) this.#weighted.push(name);
    for (const each of [options.next ?? []].flat()) this.#next.push([`${at}.next`, each as string]);
    return (classes) => kind.build(name, options, classes);
  }

  #name({ name }: Fields, place: string): string {
    if (typeof name !== 'string' || name.length > maxNameLength || !namePattern.test(name))
      throw this.#refuse(
        `${place}.name`,
        `must be a name of letters, digits and _ . - / of at most ${maxNameLength} characters, not ${show(name)}`,
      );
    if (this.#names.has(name)) throw this.#refuse(`${place}.name`, `is ${show(name)} again; names must differ`);
    this.#names.add(name);
    return name;
  }
}

/** A value as one short line; `show` of src/formats lies below this folder. */
function show(value: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    // JSON.parse reads any depth, JSON.stringify runs out of stack.
    return 'a deeply nested value';
  }
  return text.length > 60 ? `${text.slice(0, 60)}..` : text;
}
