/**
 * `fiducial loop` as a command of its own, over a real endpoint: this project's server over a small open model. It is
 * killed with SIGKILL at random moments and begun again, until it ends, and then held against a loop never killed.
 *
 * Three things must hold: the figures are equal; no more is asked in all than once for each stored call and once more
 * for each that was under way at a kill; and every kill is followed by progress.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { random } from '../../src/core/random.ts';
import type { Json } from '../../src/core/values.ts';
import { openModel } from '../../src/models/open/index.ts';
import { wrap } from '../../src/models/wrap.ts';
import { serveModels } from '../../src/server/index.ts';
import { openStore } from '../../src/store/index.ts';
import { plantedMaterial } from '../../src/workbench/loop/planted-town.ts';
import { writeRandomModel } from '../small-model.ts';

export interface LoopKillReport {
  readonly kills: number;
  readonly killed: Json;
  readonly whole: Json;
  /** Asks that the endpoint answered beyond those that are stored. */
  readonly askedAgain: number;
  readonly stored: number;
  readonly concurrency: number;
}

const bin = fileURLToPath(new URL('../../bin/fiducial.mjs', import.meta.url));

/** A command's end. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `fiducial` in a process of its own. */
export function fiducial(words: readonly string[], cwd: string, onStart?: (kill: () => void) => void): Promise<Ended> {
  const child = spawn(process.execPath, [bin, ...words], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, FIDUCIAL_THREADS: '1' },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  onStart?.(() => child.kill('SIGKILL'));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** Writes the planted rows of a user's own as files. @returns the flags that name them */
export function writeRows(folder: string): string[] {
  const { attacked, practised, allowed, allowedPractised, skills, skillsPractised } = plantedMaterial;
  const sets = {
    requests: [...attacked, ...practised],
    allowed: [...allowed, ...allowedPractised],
    skills: [...skills, ...skillsPractised],
  };
  return Object.entries(sets).flatMap(([name, rows]) => {
    const path = join(folder, `${name}.jsonl`);
    writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    return [`--${name}`, path];
  });
}

/** Runs the harness. @throws Error where the command ends in another way than by its kill or with its report */
export async function killLoop(options: {
  readonly kills: number;
  readonly seed: number | string;
  readonly print?: (line: string) => void;
}): Promise<LoopKillReport> {
  const { kills, seed, print = () => {} } = options;
  const concurrency = 4;
  const own = random(seed).split('kill loop');
  const folder = mkdtempSync(join(tmpdir(), 'fiducial-kill-loop-'));
  await writeRandomModel(join(folder, 'model'), { context: 1024 });
  const model = await openModel(join(folder, 'model'));
  let asked = 0;
  let onAsked = (): void => {};
  const counting = wrap(model, (ask, signal, callOptions) => {
    asked++;
    onAsked();
    return model.reply(ask, signal, callOptions);
  });
  const server = await serveModels({ target: counting }, { port: 0 });
  try {
    const words = [
      ...`loop --target openai-compatible:${server.url}#target --yes --json --concurrency ${concurrency}`.split(' '),
      ...`--verdict matches:[aeiou] --max-tokens 8 --wordings 1 --streams 1 --rounds 1 --attempts 1`.split(' '),
      ...`--attacks templates,best-of-n --held-out-families story,override --form json`.split(' '),
      ...writeRows(folder),
    ];
    const command = (name: string): string[] => [
      ...words,
      '--store',
      join(folder, name),
      '--out',
      join(folder, name, 'report'),
    ];
    const whole = await fiducial(command('whole'), folder);
    if (whole.code !== 0) throw new Error(`the loop ended with ${whole.code}:\n${whole.stdout}${whole.stderr}`);
    const all = asked;
    asked = 0;

    let done = 0;
    let isOver = false;
    while (done < kills && !isOver) {
      let seen = 0;
      // Moments are spread over the whole: counted in calls, and a little later, so that they fall between calls too.
      const after = 1 + own.integer(Math.max(2, Math.ceil((2 * all) / (kills + 1))));
      const laterMs = own.integer(60);
      const { code, signal, stderr } = await fiducial(command('killed'), folder, (kill) => {
        onAsked = () => {
          if (++seen === after) setTimeout(kill, laterMs);
        };
      });
      onAsked = () => {};
      if (signal === 'SIGKILL') done++;
      else if (code === 0) isOver = true;
      else throw new Error(`the loop ended with ${code} after ${done} kills:\n${stderr}`);
      print(`${done} kills, ${asked} of ${all} calls`);
    }
    if (!isOver) {
      const last = await fiducial(command('killed'), folder);
      if (last.code !== 0) throw new Error(`the loop ended with ${last.code}:\n${last.stderr}`);
    }
    const stored = await storedCalls(join(folder, 'killed'));
    return {
      kills: done,
      killed: await measuresOf(join(folder, 'killed')),
      whole: await measuresOf(join(folder, 'whole')),
      askedAgain: asked - stored,
      stored,
      concurrency,
    };
  } finally {
    await server.close();
    await model.close();
    rmSync(folder, { recursive: true });
  }
}

async function storedCalls(address: string): Promise<number> {
  const store = await openStore({ address });
  try {
    let calls = 0;
    for (const { id } of (await store.runs({ limit: 1_000 })).items) {
      calls += (await (await store.run(id)).calls({ limit: 100_000 })).length;
    }
    return calls;
  } finally {
    await store.close();
  }
}

async function measuresOf(address: string): Promise<Json> {
  const store = await openStore({ address });
  try {
    const [info] = (await store.runs({ parent: null })).items;
    const event = await (await store.run(info!.id)).event('outcome', 'outcome');
    return (event!.data as unknown as { readonly outcome: { readonly measures: Json } }).outcome.measures;
  } finally {
    await store.close();
  }
}
