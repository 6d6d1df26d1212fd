/**
 * The command as a user meets it: words, exit codes, JSON, nearest words, the question before anything leaves the
 * machine. Most go through `main` in this process, over a store in a folder of its own.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { commands } from './commands.ts';
import { catalogue } from '../methods/index.ts';
import { main } from './main.ts';

let folder: string;
let store: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fiducial-cli-'));
  store = join(folder, 'store');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the command line here and catches what it writes. */
async function fiducial(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => Boolean((out += String(text))));
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => Boolean((err += String(text))));
  const error = vi.spyOn(console, 'error').mockImplementation((text) => void (err += `${String(text)}\n`));
  const before = process.exitCode;
  process.exitCode = 0;
  try {
    return { code: await main(argv), out, err };
  } finally {
    process.exitCode = before;
    for (const spy of [stdout, stderr, error]) spy.mockRestore();
  }
}

const demo = ['run', 'redteam/best-of-n', '--demo', '--json', '--store'] as const;

describe('words', () => {
  it('lists every command, and says which one was meant', async () => {
    const { code, out } = await fiducial('--help');
    expect(code).toBe(0);
    for (const word of Object.keys(commands)) expect(out).toContain(word);
    expect(await fiducial('comapre')).toMatchObject({
      code: 2,
      err: expect.stringContaining('fiducial compare') as string,
    });
  });

  it('says which method, parameter or status was meant', async () => {
    expect((await fiducial('run', 'best-of-n')).err).toContain('Did you mean redteam/best-of-n?');
    expect((await fiducial('run', 'redteam/best-of-n', '--atempts', '3')).code).toBe(2);
    expect((await fiducial('runs', '--store', store, '--status', 'don')).err).toContain('Did you mean done?');
    expect((await fiducial('completion', 'fishy')).err).toContain('Did you mean fish?');
  });

  it('completes methods and the flags of the method that was named', async () => {
    const attacks = catalogue.map(({ id }) => id).filter((id) => id.startsWith('red'));
    expect((await fiducial('completion', 'words', '--', 'run', 'red')).out).toBe(`${attacks.join('\n')}\n`);
    expect((await fiducial('completion', 'words', '--', 'run', 'redteam/best-of-n', '--sig')).out).toBe('--sigma\n');
    for (const shell of ['bash', 'zsh', 'fish'])
      expect((await fiducial('completion', shell)).out).toContain('fiducial');
  });
});

describe('runs', () => {
  it('exit with 0 where a bar held, 1 where it fell short, 2 where it was not measured', async () => {
    const held = await fiducial(...demo, store, '--bar', 'attack success >= 40%');
    expect(held.code).toBe(0);
    expect((await fiducial(...demo, store, '--bar', 'attack success <= 5%')).code).toBe(1);
    expect((await fiducial(...demo, store, '--bar', 'atack success <= 5%')).code).toBe(2);
    // On the right side, but three items cannot show it: no pass.
    expect((await fiducial(...demo, store, '--bar', 'attack success, plain resampling <= 5%')).code).toBe(1);
    const { run, outcome } = JSON.parse(held.out) as { run: string; outcome: { measures: unknown[] } };
    expect(outcome.measures).toHaveLength(3);
    expect((await fiducial('show', run.slice(0, 8), '--store', store, '--trials')).out).toContain('disguised');
  });

  it('are compared, rescored and exported by their id', async () => {
    const ids: string[] = [];
    for (const sigma of ['0.4', '0.01']) {
      ids.push((JSON.parse((await fiducial(...demo, store, '--sigma', sigma)).out) as { run: string }).run);
    }
    const [one, two] = ids as [string, string];
    const compared = JSON.parse((await fiducial('compare', one, two, '--store', store, '--json')).out) as {
      differences: { isPaired: boolean; adjustedP: number }[];
      changed: string[];
    };
    expect(compared.differences).toHaveLength(2);
    expect(compared.differences.every(({ isPaired }) => isPaired)).toBe(true);
    expect(compared.changed).toEqual(['params.sigma']);

    const rescored = JSON.parse(
      (await fiducial('rescore', one, '--verdict', 'complies', '--store', store, '--json')).out,
    ) as { measures: { name: string; n: number }[]; layer: string };
    expect(rescored.layer).toBe('complies');
    expect(rescored.measures[0]).toMatchObject({ name: 'attack success', n: 3 });
    const file = join(folder, 'trials.parquet');
    expect((await fiducial('export', one, file, '--store', store)).code).toBe(0);
    expect(readFileSync(file).subarray(0, 4).toString()).toBe('PAR1');
  });

  it('say what will be sent where, and are refused without a word from the user', async () => {
    const rows = join(folder, 'rows.jsonl');
    writeFileSync(rows, '{"id":"a","request":"x"}\n');
    const away = ['--target', 'openai-compatible:http://models.example.com/v1#m', '--requests', rows];
    const args = ['run', 'redteam/best-of-n', ...away, '--verdict', 'complies', '--store', store];
    const refused = await fiducial(...args);
    expect(refused.code).toBe(2);
    expect(refused.err).toContain('models.example.com, which is not this machine');
    expect(refused.err).toContain('--authorised');
    const dry = JSON.parse((await fiducial(...args, '--dry-run', '--json')).out) as { hosts: string[] };
    expect(dry.hosts).toEqual(['models.example.com']);
    const power = JSON.parse((await fiducial(...args, '--power', '--json')).out) as { n: number };
    expect(power.n).toBe(1);
  });

  it('wait for labels, take them from a file, and give preference pairs', async () => {
    const replies = join(folder, 'replies.jsonl');
    const lines = ['a', 'b'].map((id) => ({ id, request: 'same', reply: id === 'a' ? "I can't." : 'Sure: done.' }));
    writeFileSync(replies, lines.map((each) => `${JSON.stringify(each)}\n`).join(''));
    const args = ['run', 'evaluate/judge', '--replies', replies, '--verdict', 'complies', '--store', store, '--json'];
    const waiting = await fiducial(...args);
    expect(waiting.code).toBe(2);
    const { run, status } = JSON.parse(waiting.out) as { run: string; status: string };
    expect(status).toBe('waiting');
    const table = join(folder, 'labels.csv');
    await fiducial('labels', run, '--out', table, '--store', store);
    const filled = readFileSync(table, 'utf8')
      .replace('breach,,a,,,', 'breach,,a,ann,0,')
      .replace('breach,,b,,,', 'breach,,b,ann,1,');
    writeFileSync(table, filled);
    const pairs = join(folder, 'pairs.jsonl');
    expect((await fiducial('labels', run, '--in', table, '--pairs', pairs, '--store', store)).code).toBe(0);
    expect(JSON.parse(readFileSync(pairs, 'utf8'))).toMatchObject({
      prompt: 'same',
      chosen: "I can't.",
      rejected: 'Sure: done.',
    });
    const resumed = await fiducial('resume', run, '--store', store, '--json');
    expect(resumed.code).toBe(0);
    expect(JSON.parse(resumed.out)).toMatchObject({ status: 'done' });
  });
});

describe('this machine', () => {
  it('is examined, and no key is ever shown', async () => {
    const planted = 'planted-value-7f3a9c';
    const before = process.env['OPENAI_API_KEY'];
    process.env['OPENAI_API_KEY'] = planted;
    try {
      const { out } = await fiducial('doctor', '--store', store);
      expect(out).toContain('OPENAI_API_KEY is set');
      expect(out).not.toContain(planted);
    } finally {
      if (before === undefined) delete process.env['OPENAI_API_KEY'];
      else process.env['OPENAI_API_KEY'] = before;
    }
  });

  it('prints the configuration, its schema, and the nearest word to a wrong one', async () => {
    const file = join(folder, 'fiducial.config.yaml');
    writeFileSync(file, 'concurency: 3\n');
    expect((await fiducial('config', '--config', file)).err).toContain('Did you mean concurrency?');
    writeFileSync(file, 'concurrency: 3\n');
    expect((await fiducial('config', '--config', file)).out).toContain('concurrency: 3');
    const typed = join(folder, 'fiducial.config.ts');
    writeFileSync(typed, 'export default { concurrency: 4 as number };\n');
    expect(JSON.parse((await fiducial('config', '--config', typed, '--json')).out)).toMatchObject({ concurrency: 4 });
    const schema = JSON.parse((await fiducial('config', '--schema')).out) as { properties: object };
    expect(Object.keys(schema.properties)).toContain('maxErrorShare');
  });
});

it('runs as a process, with its exit code', () => {
  const bin = join(fileURLToPath(new URL('../..', import.meta.url)), 'bin', 'fiducial.mjs');
  const result = spawnSync(process.execPath, [bin, 'methods', 'redteam', '--json'], { encoding: 'utf8' });
  expect(result.status).toBe(0);
  const attacks = catalogue.filter(({ id }) => id.startsWith('redteam/')).map(({ id }) => ({ id }));
  expect(JSON.parse(result.stdout)).toMatchObject(attacks);
});
