/**
 * Starts loader-worker.ts when subbit runs from its TypeScript sources (tests, scripts): a worker thread has no compiler, and
 * Node 20 reads no types. Not part of the package.
 */
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const input = fileURLToPath(new URL('./loader-worker.ts', import.meta.url));
const bundle = await rolldown({ input, platform: 'node' });
const { output } = await bundle.generate({ format: 'esm' });
await bundle.close();
await import(`data:text/javascript,${encodeURIComponent(output[0].code)}`);
