/**
 * What recording everything costs: cases through the runner, beside a bare loop and beside promptfoo where installed.
 *
 * Two settings. Over HTTP: 1,000 and 10,000 cases against a server of this machine that answers after 50 ms, at
 * concurrency 32, through the AI SDK; the bare loop calls `generateText` and keeps nothing. In process: a function that
 * answers after 50 ms and one that answers at once, 10,000 cases. Each leg is a process of its own, compiled as the
 * package is, so that memory and CPU are its own and not a transpiler's; the server is another. promptfoo runs the
 * configuration of its echo provider at 50 ms.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FiducialError } from '../src/core/errors.ts';
import type { Harness } from './harness.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Inside node_modules, so that what it imports is found. */
const compiled = join(root, 'node_modules', '.cache', 'bench-eval');
const leg = join(compiled, 'bench', 'eval', 'leg.js');
const serverFile = fileURLToPath(new URL('eval/server.ts', import.meta.url));

/** What a leg says of itself when it ends. */
interface Said {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly residentBytes: number;
  readonly cases: number;
}

export async function run(harness: Harness): Promise<void> {
  compileLegs();
  const server = await startServer();
  try {
    for (const cases of [1_000, 10_000]) {
      const runs = cases === 1_000 ? 3 : 1;
      await compareLegs(harness, `HTTP at 50 ms, ${cases} cases`, cases, runs, server.url, [
        'fiducial-http',
        'bare-http',
      ]);
    }
    await compareLegs(harness, 'function at 50 ms, 10000 cases', 10_000, 2, '', ['fiducial-function', 'bare-function']);
    await compareLegs(harness, 'function at once, 10000 cases', 10_000, 3, '', ['fiducial-instant', 'bare-instant']);
    if (harness.wants('function at 50 ms, 10000 cases, promptfoo')) promptfoo(harness, 10_000);
  } finally {
    server.stop();
  }
}

/** The legs as JavaScript, by the compiler and options of `npm run build`. */
function compileLegs(): void {
  rmSync(compiled, { recursive: true, force: true });
  const project = join(root, 'bench', 'eval', 'tsconfig.json');
  const args = [join(root, 'node_modules', 'ts7', 'bin', 'tsc'), '-p', project];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: root });
  if (status !== 0) throw new FiducialError('bench.not-compiled', `The legs do not compile: ${stdout}`, '');
}

async function compareLegs(
  harness: Harness,
  name: string,
  cases: number,
  runs: number,
  url: string,
  kinds: readonly string[],
): Promise<void> {
  if (!harness.wants(name)) return;
  const said = new Map<string, Said[]>(kinds.map((kind) => [kind, []]));
  // In turn, so that a busy neighbour meets both.
  for (let turn = 0; turn < runs; turn++) for (const kind of kinds) said.get(kind)!.push(runLeg(kind, cases, url));
  for (const [kind, all] of said) {
    harness.record(
      `${name}, ${kind}, wall`,
      all.map(({ wallMs }) => wallMs),
      { unit: 'ms' },
    );
    harness.record(
      `${name}, ${kind}, CPU a case`,
      all.map(({ cpuMs }) => cpuMs / cases),
      { unit: 'ms' },
    );
    harness.record(
      `${name}, ${kind}, peak resident memory`,
      all.map(({ residentBytes }) => residentBytes),
      { unit: 'bytes' },
    );
  }
}

function runLeg(kind: string, cases: number, url: string): Said {
  const folder = mkdtempSync(join(tmpdir(), 'fiducial-bench-eval-'));
  try {
    const args = [leg, kind, String(cases), url, folder];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: root });
    if (status !== 0) throw new FiducialError('bench.leg-failed', `${kind} ended with ${status}: ${stderr}`, '');
    return JSON.parse(stdout.trim().split('\n').at(-1)!) as Said;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function startServer(): Promise<{ readonly url: string; readonly stop: () => void }> {
  const child = spawn(process.execPath, ['--import', 'tsx', serverFile], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()));
  });
  return { url, stop: () => void child.kill() };
}

/** promptfoo with a provider that answers after 50 ms, caching and tables off. */
function promptfoo(harness: Harness, cases: number): void {
  const bin = join(root, 'node_modules', '.bin', 'promptfoo');
  const name = `function at 50 ms, ${cases} cases, promptfoo`;
  if (!existsSync(bin)) {
    harness.absent(name, 'promptfoo is not installed (npm install --no-save promptfoo@0.121.20 for Node 20)');
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'fiducial-bench-promptfoo-'));
  try {
    for (const [file, text] of Object.entries(promptfooFiles)) writeFileSync(join(folder, file), text);
    const beganMs = performance.now();
    const { status, stderr } = spawnSync(
      bin,
      ['eval', '-c', 'slow50.yaml', '--max-concurrency', '32', '--no-cache', '--no-table', '--no-progress-bar'],
      {
        cwd: folder,
        encoding: 'utf8',
        env: {
          ...process.env,
          N: String(cases),
          PROMPTFOO_CONFIG_DIR: join(folder, 'config'),
          PROMPTFOO_DISABLE_TELEMETRY: '1',
          PROMPTFOO_DISABLE_UPDATE: '1',
          PROMPTFOO_DISABLE_REMOTE_GENERATION: '1',
        },
      },
    );
    if (status !== 0) {
      harness.absent(name, `promptfoo ended with ${status}: ${stderr.slice(0, 200)}`);
      return;
    }
    harness.record(`${name}, wall`, [performance.now() - beganMs], { unit: 'ms' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const promptfooFiles = {
  'provider.cjs': `module.exports = class {
  id() { return 'local:slow50'; }
  async callApi(prompt) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    return { output: 'out: ' + prompt, tokenUsage: { total: 10, prompt: 5, completion: 5 } };
  }
};
`,
  'tests.cjs': `module.exports = async () => Array.from({ length: Number(process.env.N || 1000) },
  (_, i) => ({ vars: { topic: 'case ' + i }, assert: [{ type: 'contains', value: 'case ' + i }] }));
`,
  'slow50.yaml': `prompts: ['Say something about {{topic}}']
providers: ['file://provider.cjs']
tests: file://tests.cjs
`,
};
