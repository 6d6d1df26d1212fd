/**
 * `npm run bench -- engine network`: runs the named benches, each in a process of its own, so that none inherits the
 * other's memory or warmed-up code. Without a name it lists them. A bench is a file `bench/<name>.ts` that exports
 * `run(harness)`; its file's first comment line is its line in the list.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { FiducialError, isFiducialError, nearestWord } from '../src/core/errors.ts';
import { Harness } from './harness.ts';

const usage = `npm run bench -- <name> ... [--runs N] [--only TEXT] [--markdown]
  --runs N     make N measured runs of everything
  --only TEXT  only the parts whose name contains TEXT, in benches that have parts
  --markdown   print the rows in the form of bench/LOG.md`;

/** The benches in a folder: name to the first line of its file's comment. */
export function benchesIn(folder: string): Map<string, string> {
  const files = readdirSync(folder).filter(
    (file) => /^[a-z0-9-]+\.ts$/.test(file) && !/^(run|harness)\.ts$/.test(file),
  );
  return new Map(
    files.toSorted().map((file) => {
      const head = /^\/\*\*[ \t]*(?:\n \* ?)?([^\n]+)/.exec(readFileSync(join(folder, file), 'utf8'));
      return [basename(file, '.ts'), head?.[1]?.trim() ?? ''];
    }),
  );
}

/** The names as they are, once each. @throws FiducialError `bench.unknown` with the nearest word. */
export function checkNames(names: readonly string[], known: Iterable<string>): string[] {
  const all = [...known];
  for (const name of names) {
    if (all.includes(name)) continue;
    const near = nearestWord(name, all);
    const hint = near === undefined ? `The benches are ${all.join(', ') || 'none yet'}.` : `Did you mean ${near}?`;
    throw new FiducialError('bench.unknown', `there is no bench "${name}"`, hint);
  }
  return [...new Set(names)];
}

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { runs: { type: 'string' }, only: { type: 'string' }, markdown: { type: 'boolean' } },
  });
  const folder = dirname(fileURLToPath(import.meta.url));
  const known = benchesIn(folder);
  if (positionals.length === 0) {
    console.log(`${usage}\n\nBenches:`);
    for (const [name, line] of known) console.log(`  ${name.padEnd(12)} ${line}`);
    return 0;
  }
  const names = checkNames(positionals, known.keys());
  const flags = [
    ...(values.runs === undefined ? [] : ['--runs', values.runs]),
    ...(values.only === undefined ? [] : ['--only', values.only]),
    ...(values.markdown ? ['--markdown'] : []),
  ];
  const [name] = names;
  if (names.length > 1 || name === undefined) {
    const failed = names.filter((one) => {
      const args = ['--import', 'tsx', fileURLToPath(import.meta.url), one, ...flags];
      return spawnSync(process.execPath, args, { stdio: 'inherit' }).status !== 0;
    });
    if (failed.length > 0) console.error(`\nFailed: ${failed.join(', ')}`);
    return failed.length === 0 ? 0 : 1;
  }
  const module = (await import(pathToFileURL(join(folder, `${name}.ts`)).href)) as Partial<Bench>;
  if (typeof module.run !== 'function') {
    throw new FiducialError('bench.no-run', `bench/${name}.ts exports no run`, 'Export async run(harness).');
  }
  const root = dirname(folder);
  const harness = new Harness({
    bench: name,
    root,
    resultsPath: join(folder, 'results', `${name}.jsonl`),
    ...(values.runs === undefined ? {} : { runs: Number(values.runs) }),
    ...(values.only === undefined ? {} : { only: values.only }),
  });
  try {
    await module.run(harness);
  } finally {
    // What was measured before a failure is a figure too.
    if (harness.rows.length > 0) harness.report({ markdown: values.markdown ?? false });
  }
  if (harness.rows.length === 0) harness.report();
  return 0;
}

interface Bench {
  run(harness: Harness): Promise<void>;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    console.error(isFiducialError(error) ? error.toText() : error);
    process.exitCode = 1;
  }
}
