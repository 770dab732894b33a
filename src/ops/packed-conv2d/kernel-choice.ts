/**
 * Which kernel family multiplies fastest, by bits, shape and instruction set: a short table with the measured reasons beside
 * it. `subbit bench --tune` measures again on the user's machine.
 */
import type { FamilyName } from './families.js';

/** 'plain' is `integer-conv2d` itself. */
export type KernelName = FamilyName | 'plain';

/** What a choice depends on. */
export interface ConvolutionKind {
  /** 1 .. 8, or 16 for i16 filters. */
  readonly weightBits: number;
  readonly activationBits: number;
  /** Channels of one group. */
  readonly groupInputs: number;
  readonly groupOutputs: number;
  readonly taps: number;
  /** Output pixels of the whole batch. */
  readonly pixels: number;
}

/** Weights per table index: 64-entry tables where a register holds them, 16-entry ones elsewhere. */
export function tableInputsOf(isa: string): number {
  return isa === 'avx512' ? 6 : 4;
}

export function chooseKernel(
  { weightBits, activationBits, groupInputs, groupOutputs }: ConvolutionKind,
  isa: string,
): KernelName {
  // One output channel per group leaves nothing to share between channels.
  if (groupOutputs === 1) return 'plain';
  if (weightBits === 16) return 'dot';
  const planes = weightBits * activationBits;
  if (groupInputs < 16) return 'dot';
  if (isa === 'avx512') {
    if (planes === 1) return 'planes';
    return (weightBits === 1 && activationBits <= 4) || planes <= 4 ? 'tables' : 'dot';
  }
  return weightBits === 1 && activationBits <= 4 ? 'tables' : planes <= 4 ? 'planes' : 'dot';
}

/** Choices that were measured on a machine, by `choiceKey`. */
export type TunedChoices = Readonly<Record<string, KernelName>>;

/** Lower ends of the classes of channels that are measured apart. */
export const channelClasses = [16, 64, 256] as const;

/** What tells measured choices apart: bits and class of channels; undefined for convolutions that are not measured. */
export function choiceKey({
  weightBits,
  activationBits,
  groupInputs,
  groupOutputs,
  taps,
}: ConvolutionKind): string | undefined {
  const channels = channelClasses.findLast((lowest) => lowest <= groupInputs);
  if (channels === undefined || groupOutputs < channelClasses[0] || weightBits > 8) return undefined;
  return `${weightBits}-${activationBits}/${channels}${taps === 1 ? '/1x1' : ''}`;
}

/** A measured choice where there is one, the table's elsewhere. */
export function chooserOf(choices: TunedChoices): typeof chooseKernel {
  return (kind, isa) => {
    const key = choiceKey(kind);
    return (key !== undefined && Object.hasOwn(choices, key) ? choices[key] : undefined) ?? chooseKernel(kind, isa);
  };
}
