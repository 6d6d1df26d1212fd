/**
 * The command's first steps, in a copy of `bin/` that stands as a clone, as a published package, or as a broken one:
 * which entry it loads, what it exits with, and that `--version` loads neither.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const version = (JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { version: string }).version;
const folders: string[] = [];

/** A package folder with our `bin/` and these files. */
function packageWith(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'fiducial-bin-'));
  folders.push(root);
  cpSync(join(repository, 'bin'), join(root, 'bin'), { recursive: true });
  cpSync(join(repository, 'package.json'), join(root, 'package.json'));
  symlinkSync(join(repository, 'node_modules'), join(root, 'node_modules'), 'junction');
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

function run(root: string, ...argv: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(root, 'bin', 'fiducial.mjs'), ...argv], { encoding: 'utf8' });
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

describe('fiducial', () => {
  it('answers --version without loading the command line', () => {
    const root = packageWith({ 'dist/cli/main.js': "throw new Error('loaded');" });
    expect(run(root, '--version')).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('runs the source in a clone', () => {
    const main =
      'export async function main(argv: readonly string[]): Promise<number> { console.log(...argv); return 3; }';
    const root = packageWith({ 'src/cli/main.ts': main, 'dist/cli/main.js': "throw new Error('the wrong one');" });
    expect(run(root, 'run', 'redteam/tap')).toMatchObject({ status: 3, stdout: 'run redteam/tap\n' });
  });

  it('runs the compiled code in a package', () => {
    const root = packageWith({ 'dist/cli/main.js': 'export const main = async (argv) => argv.length;' });
    expect(run(root, 'a', 'b')).toMatchObject({ status: 2, stderr: '' });
  });

  it('says what is missing, and does not exit as if all were well', () => {
    const clone = run(packageWith({ 'src/core/a.ts': '' }), 'run');
    expect(clone.status).toBe(1);
    expect(clone.stderr).toContain('src/cli/main.ts');
    const broken = run(packageWith({}), 'run');
    expect(broken.status).toBe(1);
    expect(broken.stderr).toContain('Install the package again');
  });

  it('does not swallow an error of the command line', () => {
    const result = run(packageWith({ 'dist/cli/main.js': "throw new Error('planted');" }), 'run');
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('planted');
  });
});
