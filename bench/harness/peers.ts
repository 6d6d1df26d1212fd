/**
 * Peers that live in another process, for example PyTorch: find an interpreter that can import it, run a program to its
 * end, or keep one open and take turns with it. A peer times its own work and answers in JSON, one object a line, so
 * its start-up is in no figure. Lines that are no JSON object are a library's chatter and are passed over.
 */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { FiducialError, show } from '../../src/core/errors.ts';
import type { Json } from '../../src/core/values.ts';

export type JsonObject = { readonly [key: string]: Json };

export type FoundPython =
  | { readonly isFound: true; readonly command: string; readonly version: string }
  | { readonly isFound: false; readonly looked: readonly string[]; readonly why: string };

/**
 * The first Python that can import `module`, with the module's version: the one that FIDUCIAL_PYTHON names, then
 * Debian's, then each `python3` on PATH.
 *
 * @example
 * const python = findPython('torch');
 * if (!python.isFound) harness.absent('PyTorch', python.why);
 */
export function findPython(module: string, environment: NodeJS.ProcessEnv = process.env): FoundPython {
  if (!/^[A-Za-z_][\w.]*$/.test(module)) {
    throw new FiducialError('bench.bad-module', `${show(module)} names no Python module`, 'Give a dotted name.');
  }
  const onPath = (environment['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const candidates = [
    environment['FIDUCIAL_PYTHON'],
    '/usr/bin/python3',
    ...onPath.flatMap((folder) => [join(folder, 'python3'), join(folder, 'python')]),
  ];
  const looked: string[] = [];
  for (const command of new Set(candidates)) {
    if (command === undefined || command === '' || !isExecutable(command)) continue;
    looked.push(command);
    const program = `import ${module} as m; print(getattr(m, '__version__', 'unknown'))`;
    const result = spawnSync(command, ['-c', program], { encoding: 'utf8', timeout: 60_000 });
    if (result.status === 0) return { isFound: true, command, version: result.stdout.trim() };
  }
  const where = looked.length === 0 ? 'no Python was found' : `looked in ${looked.join(', ')}`;
  return { isFound: false, looked, why: `no Python here imports ${module}; ${where}` };
}

export interface PeerOptions {
  /** What the program reads on its standard input. */
  readonly input?: string;
  readonly timeoutMs?: number;
  /** Added to this process's environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Runs a peer's program to its end and parses the last JSON object it printed.
 *
 * @throws FiducialError `bench.peer-failed` with the end of what it printed as errors; `bench.peer-silent` where it
 * printed no JSON object.
 *
 * @example
 * await spawnPeer(python.command, ['bench/peers/step.py', '--shape', '3.4M']); // { elapsedMs: 540 }
 */
export async function spawnPeer(
  command: string,
  args: readonly string[],
  options: PeerOptions = {},
): Promise<JsonObject> {
  const child = spawn(command, args, {
    env: { ...process.env, ...options.environment },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? 600_000,
  });
  let [output, errors] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  child.stdin.on('error', () => undefined); // A program that reads no input may be gone before it is written.
  child.stdin.end(options.input ?? '');
  const end = await new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code === 0 ? '' : `ended with ${signal ?? code}`));
  });
  if (end !== '') throw peerFailed(command, end, errors);
  const answer = output
    .split('\n')
    .map(parseLine)
    .findLast((line) => line !== undefined);
  if (answer === undefined) {
    throw new FiducialError(
      'bench.peer-silent',
      `${command} printed no JSON object but ${show(output.slice(-200), 240)}`,
      'Let the program end with one line like {"elapsedMs": 12.5}.',
    );
  }
  return answer;
}

/** A peer's process that stays open between turns. */
export interface Peer extends AsyncDisposable {
  /** Sends one JSON line, waits for one JSON line. One question at a time. */
  ask(request: Json, timeoutMs?: number): Promise<JsonObject>;
}

/**
 * Starts a peer's program and keeps it: it must read requests line by line and answer each with one JSON line.
 *
 * @example
 * await using torch = openPeer(python.command, ['bench/peers/step.py']);
 * await harness.compare('step', { fiducial: step, torch: async () => timed(await torch.ask({ steps: 1 })) });
 */
export function openPeer(command: string, args: readonly string[], options: Omit<PeerOptions, 'input'> = {}): Peer {
  const child = spawn(command, args, {
    env: { ...process.env, ...options.environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let errors = '';
  let failure: FiducialError | undefined;
  let waiting: { resolve: (answer: JsonObject) => void; reject: (error: FiducialError) => void } | undefined;
  const fail = (why: string): void => {
    failure ??= peerFailed(command, why, errors);
    waiting?.reject(failure);
    waiting = undefined;
  };
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-4000)));
  child.stdin.on('error', (error) => fail(error.message));
  child.on('error', (error) => fail(error.message));
  const closed = new Promise<void>((resolve) => {
    child.on('close', (code, signal) => {
      fail(`ended with ${signal ?? code}`);
      resolve();
    });
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = parseLine(line);
    if (answer === undefined) return;
    waiting?.resolve(answer);
    waiting = undefined;
  });
  return {
    async ask(request, timeoutMs = options.timeoutMs ?? 600_000) {
      if (failure !== undefined) throw failure;
      if (waiting !== undefined) {
        throw new FiducialError('bench.peer-busy', `${command} still works on a request`, 'Await each ask().');
      }
      const timer = setTimeout(() => fail(`gave no answer in ${timeoutMs} ms`), timeoutMs);
      try {
        return await new Promise<JsonObject>((resolve, reject) => {
          waiting = { resolve, reject };
          child.stdin.write(`${JSON.stringify(request)}\n`);
        });
      } finally {
        clearTimeout(timer);
      }
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
      await closed;
      clearTimeout(timer);
    },
  };
}

function peerFailed(command: string, why: string, errors: string): FiducialError {
  const tail = errors.trim() === '' ? '' : `:\n${errors.trim().slice(-1500)}`;
  return new FiducialError('bench.peer-failed', `${command} ${why}${tail}`, 'Run the program by hand to see more.');
}

function parseLine(line: string): JsonObject | undefined {
  if (!line.trimStart().startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as JsonObject;
  } catch {
    // A line that only begins like an object is chatter, too.
    return undefined;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
