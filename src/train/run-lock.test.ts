import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SubbitError } from '../util/errors.js';
import { LOCK_NAME, RunLock } from './run-lock.js';

let run: string;
let lock: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'subbit-lock-'));
  lock = join(run, LOCK_NAME);
});
afterEach(() => {
  child?.kill('SIGKILL');
  child = undefined;
  rmSync(run, { recursive: true, force: true });
});

const now = (): string => new Date().toISOString();

function writeLock(holder: { pid: number; host?: string; started?: string }): void {
  writeFileSync(lock, JSON.stringify({ host: hostname(), started: now(), ...holder }));
}

/** The pid of a process that has ended. */
const deadPid = (): number => spawnSync(process.execPath, ['-e', '']).pid;

describe('RunLock', () => {
  it('says who holds it and goes with release', () => {
    const held = new RunLock(run);
    expect(JSON.parse(readFileSync(lock, 'utf8'))).toMatchObject({ pid: process.pid, host: hostname() });
    held.release();
    held.release();
    expect(readdirSync(run)).toEqual([]);
  });

  it('is taken once within a process, too', () => {
    const held = new RunLock(run);
    expect(() => new RunLock(run)).toThrow(SubbitError);
    expect(() => new RunLock(run)).toThrow(`'${run}' is in use by process ${process.pid} on ${hostname()}`);
    held.release();
    new RunLock(run).release();
  });

  it('is refused while another process lives, naming the process and the remedies', () => {
    child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)']);
    writeLock({ pid: child.pid!, started: '2026-01-02T03:04:05.000Z' });
    expect(() => new RunLock(run)).toThrow(
      `in use by process ${child.pid} on ${hostname()}, since 2026-01-02T03:04:05.000Z: wait for it, choose another --out, ` +
        `or remove '${lock}' if it no longer runs`,
    );
    expect(readdirSync(run)).toEqual([LOCK_NAME]);
  });

  it('is taken over from a dead process of this host', () => {
    writeLock({ pid: deadPid() });
    const held = new RunLock(run);
    expect(JSON.parse(readFileSync(lock, 'utf8')).pid).toBe(process.pid);
    held.release();
    expect(readdirSync(run)).toEqual([]);
  });

  it('is taken over from an earlier process that had the same pid', () => {
    writeLock({ pid: process.pid, started: new Date(Date.now() - process.uptime() * 1000 - 60_000).toISOString() });
    new RunLock(run).release();
  });

  it('is never taken over from another host', () => {
    writeLock({ pid: deadPid(), host: 'elsewhere' });
    expect(() => new RunLock(run)).toThrow('on elsewhere');
    expect(existsSync(lock)).toBe(true);
  });

  it.each([
    '',
    '{"pid":1',
    '{"pid":"1"}',
    'null',
  ])('waits for a lock that is being written, not for a torn one: %j', (text) => {
    writeFileSync(lock, text);
    expect(() => new RunLock(run)).toThrow('in use by a training that is just starting');
    const minuteAgo = new Date(Date.now() - 60_000);
    utimesSync(lock, minuteAgo, minuteAgo);
    new RunLock(run).release();
  });

  it('says what to do about a takeover that never ended', () => {
    writeLock({ pid: deadPid() });
    writeFileSync(`${lock}.takeover`, '');
    expect(() => new RunLock(run)).toThrow(`remove '${lock}.takeover' and try again`);
  });

  it("leaves another training's lock alone when its own was removed by hand", () => {
    const held = new RunLock(run);
    writeLock({ pid: 1, host: 'elsewhere' });
    held.release();
    expect(existsSync(lock)).toBe(true);
  });

  it('names a folder that is not there', () => {
    expect(() => new RunLock(join(run, 'none'))).toThrow(/cannot write '.*none.lock': ENOENT/);
  });
});
