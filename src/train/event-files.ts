/** Names and places of TensorBoard's event files: RUN/tensorboard/events.out.tfevents.SECONDS.HOST.PID.subbit */
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** TensorBoard reads what has this in its name, in the order of the names. */
const prefix = 'events.out.tfevents.';
const suffix = '.subbit';

export function tensorboardFolder(run: string): string {
  return join(run, 'tensorboard');
}

/** Of a file that begins now. `seconds` since 1970. */
export function eventFile(folder: string, seconds: number): string {
  return join(folder, `${prefix}${seconds}.${hostname()}.${process.pid}${suffix}`);
}

/** Removes what subbit wrote into `folder`; the folder too when nothing else is in it. */
export function removeEventFiles(folder: string): void {
  if (!existsSync(folder)) return;
  const names = readdirSync(folder);
  const isOurs = (name: string): boolean => name.startsWith(prefix) && name.endsWith(suffix);
  for (const name of names.filter(isOurs)) rmSync(join(folder, name));
  if (names.every(isOurs)) rmdirSync(folder);
}
