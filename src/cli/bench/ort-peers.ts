/** The ONNX Runtime peers that a benchmark was asked for: option, loading, one session per package and precision. */
import type { Command as Parser } from 'commander';
import { lookUp } from '../../util/nearest.js';
import { Ort, type OrtName, type OrtRunner, ortPackages } from './ort.js';
import type { PeerModel, PeerPrecision } from './peer-model.js';

export interface PeerOptions {
  readonly peers?: string;
  readonly peersFolder?: string;
}

export function addPeerOptions(parser: Parser): Parser {
  return parser
    .option('--peers <names>', `peers to time beside ours: ${Object.keys(ortPackages).join(', ')}, separated by commas`)
    .option('--peers-folder <dir>', 'folder whose node_modules has the peers; the working directory by default');
}

export interface PeerRunner {
  /** ortFp32, ortInt8, ortWebFp32, ortWebInt8; ortOnnx, ortWebOnnx of a file */
  readonly name: string;
  readonly runner: OrtRunner;
}

/** Whether a timed function is a peer with several threads: they spin for long. */
export const spinsAfter =
  (threads: number) =>
  (name: string): boolean =>
    threads > 1 && name.startsWith(keys.ort);

export interface Peers {
  readonly versions: Readonly<Record<string, string>>;
  /** A session of each model on each peer. */
  prepare(models: readonly NamedModel[]): Promise<PeerRunner[]>;
}

export interface NamedModel {
  /** What the peer's name ends in. */
  readonly suffix: string;
  readonly model: () => PeerModel;
}

/** A model in every precision. */
export const inPrecisions = (modelOf: (precision: PeerPrecision) => PeerModel): readonly NamedModel[] => [
  { suffix: 'Fp32', model: () => modelOf('fp32') },
  { suffix: 'Int8', model: () => modelOf('int8') },
];

const keys: Readonly<Record<OrtName, string>> = { ort: 'ort', 'ort-web': 'ortWeb' };

export async function openPeers(options: PeerOptions, threads: number): Promise<Peers> {
  const names = (options.peers?.split(',') ?? []) as OrtName[];
  for (const name of names) lookUp(ortPackages, name, 'peer');
  const peers: Ort[] = [];
  for (const name of names) peers.push(await Ort.load(name, { threads, folder: options.peersFolder }));
  return {
    versions: Object.fromEntries(peers.map(({ name, version }) => [ortPackages[name], version])),
    async prepare(models) {
      const runners: PeerRunner[] = [];
      for (const peer of peers) {
        for (const { suffix, model } of models) {
          const { bytes, inputs } = model();
          runners.push({ name: `${keys[peer.name]}${suffix}`, runner: await peer.prepare(bytes, inputs) });
        }
      }
      return runners;
    },
  };
}
