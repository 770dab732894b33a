/**
 * A thread that runs Clang's tools for build-wasm.mjs. They come from npm (@yowasp/clang) as WebAssembly modules, which run
 * one file at a time; a second thread is a second compiler.
 *
 *     receives   { tool, args, files, output }   files: nested folders of contents; output: the file that the tool writes
 *     answers    { bytes, diagnostics }          no bytes when the tool failed
 */
import { parentPort } from 'node:worker_threads';
import { commands, runLLVM } from '@yowasp/clang';

// Without arguments it only fetches its files (100 MB), and without a progress function it would report that on stdout.
const isLoaded = runLLVM(null, {}, { fetchProgress() {} });

parentPort.on('message', async ({ tool, args, files, output }) => {
  const written = [];
  let bytes;
  try {
    await isLoaded;
    const stderr = (part) => part && written.push(Buffer.from(part));
    bytes = (await commands[tool]([...args, '-o', output], files, { stderr }))[output];
  } catch (error) {
    if (written.length === 0) written.push(Buffer.from(String(error)));
  }
  parentPort.postMessage({ bytes, diagnostics: Buffer.concat(written).toString().trimEnd() });
});
