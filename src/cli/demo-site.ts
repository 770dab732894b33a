/**
 * The demo page's files (src/demo, built into dist/demo) with the kernels that it fetches, and a server for them. The server sends the headers
 * that make a page cross-origin isolated, which is what gives WebAssembly several threads, and listens on this machine alone.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { builtFile, packageRoot } from '../backends/built-file.js';
import { SubbitError, UsageError } from '../util/errors.js';

const kernels = ['runtime', 'subbit'].flatMap((ops) =>
  ['', '-relaxed', '-single', '-single-relaxed'].map((kind) => `${ops}${kind}.wasm`),
);

/** Where each file of the page is, by its name in the site. Throws a SubbitError when the page is not built. */
export function demoFiles(): ReadonlyMap<string, string> {
  const folder = join(packageRoot(), 'dist/demo');
  const page = existsSync(folder) ? readdirSync(folder).map((name) => [name, join(folder, name)] as const) : [];
  const built = kernels.flatMap((name) => {
    const file = builtFile(`wasm/${name}`);
    return file === undefined ? [] : [[name, file] as const];
  });
  if (page.length === 0 || built.length < kernels.length)
    throw new SubbitError('the demo page is not built; run: npm run build');
  return new Map([...page, ...built]);
}

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
};

export const isolationHeaders = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
} as const;

export interface Site {
  /** With a slash at the end. */
  readonly address: string;
  close(): void;
}

export interface SiteOptions {
  /** 0 = one that is free. */
  readonly port: number;
  /** Whether pages are cross-origin isolated. @default true */
  readonly isIsolated?: boolean;
}

/** Serves files by name; index.html at the root. Throws a UsageError for a port that cannot be had. */
export async function serveSite(
  files: ReadonlyMap<string, string>,
  { port, isIsolated = true }: SiteOptions,
): Promise<Site> {
  const server = createServer(({ url = '/', method }, response) => {
    const name = url.replace(/[?#].*/, '').slice(1) || 'index.html';
    const file = files.get(name);
    if (file === undefined || (method !== 'GET' && method !== 'HEAD')) {
      response.writeHead(file === undefined ? 404 : 405, { 'content-type': 'text/plain' });
      response.end(file === undefined ? 'there is no such file\n' : 'files are only read\n');
      return;
    }
    const contents = readFileSync(file);
    response.writeHead(200, {
      'content-type': contentTypes[extname(name)] ?? 'application/octet-stream',
      'content-length': contents.length,
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      ...(isIsolated && isolationHeaders),
    });
    response.end(method === 'HEAD' ? undefined : contents);
  });
  await listening(server, port);
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', ({ code, message }: NodeJS.ErrnoException) =>
      reject(
        code === 'EADDRINUSE' || code === 'EACCES'
          ? new UsageError(`--port ${port} cannot be had (${code}); choose another one, or 0 for any`)
          : new SubbitError(message),
      ),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
}
