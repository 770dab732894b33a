/** The list of commands, in the order of the help. */
import type { CliCommand } from '../command.js';
import { benchCommand } from './bench.js';
import { buildNativeCommand } from './build-native.js';
import { compactCommand } from './compact.js';
import { completionCommand } from './completion.js';
import { dataCommand } from './data.js';
import { demoCommand } from './demo.js';
import { doctorCommand } from './doctor.js';
import { evalCommand } from './eval.js';
import { exportCommand } from './export.js';
import { importCommand } from './import.js';
import { inspectCommand } from './inspect.js';
import { predictCommand } from './predict.js';
import { trainCommand } from './train.js';
import { verifyCommand } from './verify.js';

export const commands: readonly CliCommand[] = [
  trainCommand,
  compactCommand,
  evalCommand,
  exportCommand,
  importCommand,
  predictCommand,
  inspectCommand,
  verifyCommand,
  dataCommand,
  benchCommand,
  demoCommand,
  doctorCommand,
  buildNativeCommand,
  completionCommand,
];
