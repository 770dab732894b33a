/** What benchmarks say of the machine. */
import { cpus } from 'node:os';

export function cpuName(): string {
  return cpus()[0]?.model.trim() ?? 'unknown';
}
