/** Reading a run folder back: its description and its trained network. */
import { existsSync } from 'node:fs';
import { bestFile, type Checkpoint, findNewest, lastFile, loadCheckpoint } from '../train/checkpoint.js';
import { currentDescription, type RunDescription } from '../train/config.js';
import { UsageError } from '../util/errors.js';
import { lookUp } from '../util/nearest.js';

const checkpointChoices: Readonly<Record<string, (run: string) => string>> = { last: lastFile, best: bestFile };

/** The checkpoint that --checkpoint names: 'last' (the newest good one), 'best', or a file. */
export function openCheckpoint(run: string, choice: string, note: (line: string) => void): Checkpoint {
  if (!existsSync(run))
    throw new UsageError(`there is no run '${run}'; train one with: subbit train PRESET --out ${run}`);
  if (choice === 'last') {
    const { found, skipped } = findNewest(run);
    for (const { why } of skipped) note(`skipped a damaged checkpoint: ${why}`);
    if (found === undefined)
      throw new UsageError(`'${run}' holds no checkpoint that can be read; is it the folder of a run?`);
    return found.checkpoint;
  }
  if (existsSync(choice)) return loadCheckpoint(choice);
  return loadCheckpoint(lookUp(checkpointChoices, choice, 'checkpoint')(run));
}

export function descriptionOf(checkpoint: Checkpoint): RunDescription {
  return currentDescription(checkpoint.network as unknown as RunDescription);
}

export function requireSameClasses(data: readonly string[], network: readonly string[]): void {
  if (data.length !== network.length) {
    throw new UsageError(
      `the data has ${data.length} classes and the network ${network.length}; give the data set it was trained on`,
    );
  }
}
