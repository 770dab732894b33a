/** Lets build scripts read the TypeScript sources, before there is a dist and without its help: bundled in memory. */
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { root } from './kernel-sources.mjs';

/** A file of this folder with all that it imports, as one ES module's text. */
export async function bundleTypescript(name) {
  const bundle = await rolldown({
    input: join(root, 'scripts', name),
    platform: 'node',
    resolve: { extensionAlias: { '.js': ['.ts', '.js'] } },
  });
  const { output } = await bundle.generate({ format: 'esm', codeSplitting: false });
  return output[0].code;
}

/** What such a text exports. */
export const importText = (code) => import(`data:text/javascript,${encodeURIComponent(code)}`);
