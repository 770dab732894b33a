/** subbit demo: the page in which networks run and learn, served here or written for any web server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type CliCommand, integer } from '../command.js';
import { demoFiles, serveSite } from '../demo-site.js';

interface DemoOptions {
  readonly port: number;
  readonly open?: boolean;
  readonly out?: string;
}

export const demoCommand: CliCommand = {
  register(program) {
    program
      .command('demo')
      .description('a page to try: draw digits for small networks, and train one in the browser')
      .option('--port <n>', 'to serve it on; 0 = any that is free', integer('--port', 0, 65535), 8080)
      .option('--open', 'open it in the browser')
      .option('--out <dir>', 'write the page into a folder for any web server, in place of serving it')
      .action(demo);
  },
};

async function demo({ port, open, out }: DemoOptions): Promise<void> {
  const files = demoFiles();
  if (out !== undefined) {
    mkdirSync(out, { recursive: true });
    for (const [name, file] of files) copyFileSync(file, join(out, name));
    console.log(
      `wrote ${files.size} files into ${out}; with the headers of docs/browser.md a server gives the page several threads`,
    );
    return;
  }
  const site = await serveSite(files, { port });
  console.log(`${site.address} (Ctrl-C ends it)`);
  if (open) openInBrowser(site.address);
  await once(process, 'SIGINT');
  site.close();
}

const openers: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  darwin: ['open'],
  win32: ['cmd', '/c', 'start'],
};

function openInBrowser(address: string): void {
  const [command, ...args] = openers[process.platform] ?? ['xdg-open'];
  const child = spawn(command!, [...args, address], { stdio: 'ignore', detached: true });
  child.on('error', () => console.error(`there is no ${command} to open a browser with; open ${address} yourself`));
  child.unref();
}
