/**
 * The PyTorch peer of `bench train`: a Python process (bench/peers/pytorch_train.py) that trains the same network and runs
 * steps when told to, so that its steps and ours can be timed in turn. It speaks one line of JSON per answer.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SubbitError, UsageError } from '../../util/errors.js';

/** The presets that bench/peers/pytorch_train.py has. */
export const pytorchModels: readonly string[] = ['dorefa-svhn', 'resnet20'];

export interface PeerOptions {
  readonly python: string;
  readonly preset: string;
  readonly width: string | undefined;
  /** W-A-G; 32-32-32 is PyTorch's ordinary float training. */
  readonly bits: string;
  readonly batch: number;
  readonly threads: number;
}

/** What the peer answers when it is ready: the fastest of its variants. */
export interface PeerVariant {
  readonly torch: string;
  /** 'contiguous' or 'channels_last' */
  readonly memoryFormat: string;
  /** 'compiled' is torch.compile. */
  readonly mode: 'eager' | 'compiled';
}

export class Peer {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  /** Ends when the process has, and all that it wrote was read. */
  readonly #closed: Promise<void>;
  #errors = '';

  private constructor(process: ChildProcessWithoutNullStreams) {
    this.#process = process;
    this.#lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
    process.stderr.on('data', (data: Buffer) => {
      this.#errors = (this.#errors + data.toString()).slice(-2000);
    });
    process.stdin.on('error', () => {});
    this.#closed = new Promise((resolve) => process.on('close', () => resolve()));
  }

  /** Starts the process and waits until it has tried its variants and built its network; a minute or two with torch.compile. */
  static async start(options: PeerOptions): Promise<PeerVariant & { readonly peer: Peer }> {
    // From src/cli/bench and from dist alike, the script is found from the package's root.
    const script = ['../../../bench/peers/pytorch_train.py', '../bench/peers/pytorch_train.py']
      .map((path) => fileURLToPath(new URL(path, import.meta.url)))
      .find((path) => existsSync(path));
    if (script === undefined)
      throw new UsageError('the PyTorch peer is part of the repository, not of the package; run from a clone');
    const { python, preset, width, bits, batch, threads } = options;
    const args = [script, '--model', preset, '--bits', bits, '--batch', String(batch), '--threads', String(threads)];
    if (width !== undefined) args.push('--width', width);
    const child = spawn(python, args);
    const failed = new Promise<never>((_, reject) => {
      child.on('error', (error) =>
        reject(new UsageError(`cannot start the Python at '${python}': ${error.message}; give --python PATH`)),
      );
    });
    const peer = new Peer(child);
    const ready = await Promise.race([peer.#answer(), failed]);
    const { torch, memoryFormat, mode } = ready as unknown as PeerVariant;
    return { peer, torch, memoryFormat, mode };
  }

  /** Milliseconds of each of `steps` training steps. */
  async run(steps: number): Promise<number[]> {
    this.#process.stdin.write(`run ${steps}\n`);
    return (await this.#answer()).milliseconds as number[];
  }

  async peakMemoryBytes(): Promise<number> {
    this.#process.stdin.write('memory\n');
    return (await this.#answer()).peakMemoryBytes as number;
  }

  stop(): void {
    this.#process.stdin.end('quit\n');
  }

  async #answer(): Promise<Record<string, unknown>> {
    const { value, done } = await this.#lines.next();
    if (done) {
      await this.#closed;
      throw new SubbitError(`the PyTorch peer ended: ${this.#errors.trim().split('\n').at(-1) ?? 'no message'}`);
    }
    return JSON.parse(value) as Record<string, unknown>;
  }
}
