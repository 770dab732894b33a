/**
 * PyTorch's state_dicts: MODULE.weight, MODULE.bias, NORM.running_mean, NORM.running_var; filters [K, C / groups, KH, KW], dense layers
 * [K, C H W].
 *
 * The ResNets go by the names of the usual modules (torchvision; bearpaw/pytorch-classification's preresnet, whose order is ours; kuangliu/pytorch-cifar's
 * PreActResNet), the others by ours. Modules that have only numbers (Sequential) are taken in their order.
 */
import type { ForeignTensor, Naming, OwnTensor } from './naming.js';

const endings: Readonly<Record<string, string>> = {
  ...{ filter: 'weight', bias: 'bias', gamma: 'weight', beta: 'bias' },
  ...{ mean: 'running_mean', variance: 'running_var' },
};

/** Our layers' names, and what their modules are called, the usual first. */
const modules: readonly (readonly [RegExp, ...(readonly string[])])[] = [
  [/^stem$/, 'conv1'],
  [/^fc$/, 'fc', 'linear'],
  [/^conv(\d+)\/bn$/, 'bn$1'],
  [/^fc(\d+)\/bn$/, 'bnfc$1'],
];

function modulesOf(layer: string): readonly string[] {
  const block = /^stage(\d+)\/block(\d+)\/(\w+)$/.exec(layer);
  if (block !== null) {
    const [, stage, number, part] = block;
    const parts = part === 'shortcut' ? ['downsample.0', 'shortcut.0'] : [part];
    return parts.map((each) => `layer${stage}.${Number(number) - 1}.${each}`);
  }
  const [pattern, ...names] = modules.find(([each]) => each.test(layer)) ?? [/^.*$/, layer.replaceAll('/', '.')];
  return names.map((name) => layer.replace(pattern, name));
}

/** 'stage1/block1/conv1/filter' -> 'stage1/block1/conv1', 'filter' */
function split(name: string, by: string): readonly [string, string] {
  const at = name.lastIndexOf(by);
  return [name.slice(0, Math.max(at, 0)), name.slice(at + 1)];
}

function foreign({ name, shape }: OwnTensor): ForeignTensor {
  const [layer, part] = split(name, '/');
  // A quantizer's own, which no module of PyTorch's has, keep theirs.
  const ending = Object.hasOwn(endings, part) ? endings[part]! : part;
  const names = modulesOf(layer).map((module) => `${module}.${ending}`);
  return { names, axes: shape.map((_, axis) => [axis]) };
}

export const pytorch: Naming = {
  name: 'pytorch',
  recognizes: (names) => names.some((name) => name.endsWith('.weight') || name.endsWith('.running_mean')),
  isIgnored: (name) => name.endsWith('.num_batches_tracked'),
  foreign(own) {
    const tensor = foreign(own);
    if (!own.name.endsWith('/filter')) return tensor;
    return { ...tensor, axes: own.image === undefined ? [[3], [2], [0], [1]] : [[3], [2, 0, 1]] };
  },
  rename(names, own) {
    // What DataParallel puts in front.
    const bare = names.every((name) => name.startsWith('module.')) ? names.map((name) => name.slice(7)) : names;
    const ours = [...new Set(own.map((tensor) => split(foreign(tensor).names[0]!, '.')[0]))];
    const theirs = [...new Set(bare.map((name) => split(name, '.')[0]))].sort(byNumber);
    if (ours.length !== theirs.length || !theirs.every((module) => /(^|\.)\d+$/.test(module))) return bare;
    return bare.map((name) => {
      const [module, ending] = split(name, '.');
      return `${ours[theirs.indexOf(module)]}.${ending}`;
    });
  },
  explain(names, own) {
    const isPreActivated = own.some(({ name }) => name === 'stage1/block1/bn1/gamma');
    const isPostActivated = names.includes('bn1.weight') && names.includes('layer1.0.bn2.weight');
    if (!isPreActivated || !isPostActivated) return undefined;
    return 'its batch norms follow the convolutions, and those of this preset stand in front of them (He et al. 2016, pre-activation), so the same weights would compute something else';
  },
};

/** features.0, features.3, features.10, classifier.0: by name, with the classifier behind, then by number. */
function byNumber(a: string, b: string): number {
  const [[prefixA, numberA], [prefixB, numberB]] = [split(a, '.'), split(b, '.')];
  const isLast = (prefix: string): number => Number(prefix.startsWith('classifier'));
  const byPrefix = isLast(prefixA) - isLast(prefixB) || (prefixA < prefixB ? -1 : Number(prefixA > prefixB));
  return byPrefix || Number(numberA) - Number(numberB);
}
