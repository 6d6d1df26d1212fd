/** The store over SQLite: the contract, and what only a file on a disk can show: a kill, a full disk, a held lock. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import Libsql from 'libsql';
import { afterAll, describe, expect, it } from 'vitest';
import { storeContract } from '../../test/store/contract.ts';
import { spec } from '../../test/store/place.ts';
import { isFiducialError } from '../core/errors.ts';
import { openStore } from './index.ts';

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fiducial-store-'));
  folders.push(folder);
  return folder;
}

storeContract('SQLite', async () => {
  const address = join(newFolder(), '.fiducial');
  return { address, open: (options) => openStore({ ...options, address }) };
});

const storeModule = new URL('./index.ts', import.meta.url).href;
const specText = JSON.stringify(spec());

// Writes until it is killed, and says what was acknowledged: single events, keyed ones, files, in bursts.
const writerProgram = `
  import { openStore } from ${JSON.stringify(storeModule)};
  import { writeSync } from 'node:fs';
  const [address, name] = process.argv.slice(1);
  const store = await openStore({ address, inlineBytes: 2000 });
  const { run } = await store.open(${specText});
  const acknowledged = (word) => writeSync(1, word + '\\n');
  for (let i = 0; ; i++) {
    const burst = Array.from({ length: 5 }, (_, j) => run.append({ kind: 'note', data: { name, i: i * 5 + j, pad: 'x'.repeat(300) } }).then(() => acknowledged('note ' + (i * 5 + j))));
    burst.push(run.recordTrial('s', { item: name + i, status: 'measured', value: i }).then(() => acknowledged('trial ' + name + i)));
    if (i % 4 === 0) burst.push(run.keep('file ' + name, Buffer.alloc(4000, String(i)), 'application/octet-stream').then((ref) => acknowledged('kept ' + ref)));
    await Promise.all(burst);
  }
`;

function startWriter(address: string, name: string): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', writerProgram, address, name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

describe('a process killed in the middle of writing', () => {
  it('loses nothing that was acknowledged, and leaves no half event', async () => {
    const address = join(newFolder(), '.fiducial');
    const acknowledged: string[][] = [];
    for (const [round, lines] of [40, 90, 160].entries()) {
      const names = [`a${round}`, `b${round}`];
      const writers = names.map((name) => startWriter(address, name));
      await Promise.all(
        writers.map(async (writer) => {
          const words: string[] = [];
          acknowledged.push(words);
          for await (const line of createInterface({ input: writer.stdout! })) {
            words.push(line);
            if (words.length === lines) writer.kill('SIGKILL');
          }
          if (writer.exitCode === null && writer.signalCode === null) await once(writer, 'exit');
        }),
      );
    }
    const store = await openStore({ address, inlineBytes: 2000 });
    const { run, created } = await store.open(spec());
    expect(created).toBe(false);
    expect(await store.verify()).toEqual([]);
    const notes = (await run.events({ kinds: ['note'], limit: 10_000 })).map(
      (event) => event.data as { name: string; i: number; pad: string },
    );
    for (const [at, words] of acknowledged.entries()) {
      const name = `${at % 2 === 0 ? 'a' : 'b'}${Math.floor(at / 2)}`;
      const own = notes.filter((note) => note.name === name);
      // In the order of writing, without a gap, and all that were acknowledged.
      expect(own.map((note) => note.i)).toEqual(own.map((_, i) => i));
      const last = Math.max(...words.flatMap((word) => (word.startsWith('note ') ? [Number(word.slice(5))] : [])));
      expect(own.length).toBeGreaterThan(last);
      for (const word of words) {
        if (word.startsWith('trial '))
          expect(await run.trial('s', word.slice(6))).toMatchObject({ status: 'measured' });
        if (word.startsWith('kept '))
          expect((await store.artefacts.get(word.slice(5) as `sha256:${string}`)).length).toBe(4000);
      }
    }
    expect(acknowledged.every((words) => words.length >= 40)).toBe(true);
    // What the killed ones left half-written beside the database goes with the next collection.
    await store.collect({ graceMs: -1_000 });
    expect(readdirSync(join(address, 'artefacts', 'tmp'))).toEqual([]);
    expect(await store.verify()).toEqual([]);
    await store.close();
  });
});

describe('a full disk', () => {
  // A file system of 3 MB where this process may make one; else a limit on the size of its files.
  const program = (address: string) => `
    import { openStore } from ${JSON.stringify(storeModule)};
    process.on('SIGXFSZ', () => undefined);
    const store = await openStore({ address: ${JSON.stringify(address)}, inlineBytes: 100000 });
    const { run } = await store.open(${specText});
    let written = 0;
    const attempt = async (write) => { try { await write(); } catch (error) { console.log(JSON.stringify({ written, code: error.code, hint: error.hint })); return false; } return true; };
    const pad = 'x'.repeat(20000);
    while (await attempt(() => run.append({ kind: 'note', data: { i: written, pad } }))) written++;
    await attempt(() => run.keep('large', Buffer.alloc(30000000), 'application/octet-stream'));
    console.log(JSON.stringify({ found: (await run.events({ kinds: ['note'] })).length }));
    await store.close().catch(() => undefined);
  `;
  const run = (command: string, args: readonly string[]) => {
    const done = spawnSync(command, args, { encoding: 'utf8' });
    return done.stdout
      .trim()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { written?: number; code?: string; found?: number; hint?: string });
  };
  const check = async (lines: ReturnType<typeof run>, address: string, makeSpace: () => void) => {
    expect(lines).toHaveLength(3);
    const [full, large, after] = lines;
    expect(full).toMatchObject({ code: 'store.full' });
    expect(full!.hint).toContain('Free some space');
    expect(full!.written).toBeGreaterThan(10);
    expect(large).toMatchObject({ code: 'store.full' });
    expect(after!.found).toBe(full!.written);
    makeSpace();
    const store = await openStore({ address });
    const { run: again } = await store.open(spec());
    const notes = await again.events({ kinds: ['note'] });
    expect(notes.map((note) => (note.data as { i: number }).i)).toEqual(
      Array.from({ length: full!.written! }, (_, i) => i),
    );
    await again.recordStep('goes on', true);
    expect(await store.verify()).toEqual([]);
    await store.close();
  };
  const node = (address: string) => ['--import', 'tsx', '--input-type=module', '-e', program(address)];

  it('is said in a clear word, loses nothing, and the run goes on when there is space', async ({ skip }) => {
    const folder = newFolder();
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', folder], { encoding: 'utf8' });
    if (mounted.status !== 0)
      skip(`no small file system can be mounted here: ${mounted.stderr ?? mounted.error?.message ?? ''}`);
    try {
      const ballast = join(folder, 'ballast');
      writeFileSync(ballast, Buffer.alloc(1_000_000));
      const address = join(folder, '.fiducial');
      await check(run(process.execPath, node(address)), address, () => rmSync(ballast));
    } finally {
      execFileSync('umount', ['-l', folder]);
    }
  });

  it('is said the same way when a file may not grow', async () => {
    const address = join(newFolder(), '.fiducial');
    // The unit of sh's limit is 512 bytes.
    await check(
      run('/bin/sh', ['-c', 'ulimit -f 4000; exec "$0" "$@"', process.execPath, ...node(address)]),
      address,
      () => undefined,
    );
  });
});

describe('one file, several processes', () => {
  it('waits for a lock that is given back, and says so when it is not', async () => {
    const address = join(newFolder(), '.fiducial');
    const store = await openStore({ address, lockTimeoutMs: 150 });
    const { run } = await store.open(spec());
    const other = new Libsql(join(address, 'store.db'));
    other.exec('BEGIN IMMEDIATE');
    await expect(run.recordStep('a', 1)).rejects.toMatchObject({ code: 'store.locked' });
    const patient = await openStore({ address });
    let isDone = false;
    const waiting = (await patient.open(spec())).run.recordStep('b', 2).then(() => (isDone = true));
    // The lock is waited for without blocking: this process can still read, and do other things.
    expect(await run.step('a')).toBeUndefined();
    expect(isDone).toBe(false);
    other.exec('COMMIT');
    await waiting;
    expect(await run.step('b')).toEqual({ value: 2 });
    await run.recordStep('a', 1);
    other.close();
    await patient.close();
    await store.close();
  });
});

describe('what is not a store', () => {
  it('is refused by name', async () => {
    const folder = newFolder();
    const codeOf = async (address: string, readOnly = false) => {
      try {
        await (await openStore({ address, readOnly })).close();
      } catch (error) {
        if (isFiducialError(error)) return error.code;
        throw error;
      }
      return 'opened';
    };
    writeFileSync(join(folder, 'file'), 'x');
    expect(await codeOf(join(folder, 'file'))).toBe('store.unwritable');
    mkdirSync(join(folder, 'text'));
    writeFileSync(
      join(folder, 'text', 'store.db'),
      'this is not a database, but long enough to be read as one'.repeat(50),
    );
    expect(await codeOf(join(folder, 'text'))).toBe('store.corrupt');
    expect(await codeOf(join(folder, 'absent'), true)).toBe('store.missing-database');
    expect(await codeOf('postgrs://host/db')).toBe('store.bad-address');
    expect(await codeOf('mysql://host/db')).toBe('store.bad-address');
  });

  it('is reported when a file of an artefact was changed, cut or lost', async () => {
    const address = join(newFolder(), '.fiducial');
    const store = await openStore({ address, inlineBytes: 10 });
    const { run } = await store.open(spec());
    const refs = await Promise.all(
      [1, 2, 3].map((i) => run.keep(`f${i}`, Buffer.alloc(1_000, String(i)), 'application/octet-stream')),
    );
    const paths = refs.map((ref) => join(address, 'artefacts', ref.slice(7, 9), ref.slice(9)));
    const bytes = readFileSync(paths[0]!);
    bytes[500]! ^= 1;
    writeFileSync(paths[0]!, bytes);
    truncateSync(paths[1]!, 999);
    rmSync(paths[2]!);
    for (const ref of refs) await expect(store.artefacts.get(ref)).rejects.toMatchObject({ code: 'store.corrupt' });
    expect(await store.verify()).toHaveLength(3);
    // Storing the bytes again repairs it.
    for (const i of [1, 2, 3]) await run.keep(`f${i}`, Buffer.alloc(1_000, String(i)), 'application/octet-stream');
    expect(await store.verify()).toEqual([]);
    await store.close();
  });

  it('keeps purged text in none of its files', async () => {
    const address = join(newFolder(), '.fiducial');
    const store = await openStore({ address });
    const { run } = await store.open(spec());
    for (let i = 0; i < 50; i++) await run.keepTranscript({ i, text: `a private sentence ${i}` });
    await store.purge({ runs: [run.id] });
    const files = readdirSync(address).filter((name) => statSync(join(address, name)).isFile());
    for (const name of files) expect(readFileSync(join(address, name)).includes('a private sentence')).toBe(false);
    expect(files).toContain('store.db');
    await store.close();
  });
});
