/** A run's description as a flat list of settings, for people who compare. */
import type { RunDescription } from '../../train/config.js';

export type Settings = Readonly<Record<string, string>>;

/** "network.bits", "training.schedule.learningRate", ...; classes by their number. */
export function settingsOf({ network, training }: RunDescription): Settings {
  const { classes, ...rest } = network;
  const found: Record<string, string> = { 'network.classes': String(classes.length) };
  const add = (name: string, value: unknown): void => {
    if (value === undefined) return;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) found[name] = String(value);
    else for (const [key, each] of Object.entries(value)) add(`${name}.${key}`, each);
  };
  add('network', rest);
  add('training', training);
  return found;
}
