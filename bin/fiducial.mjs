#!/usr/bin/env node
/**
 * The command `fiducial`. In a clone, where `src/` lies beside this folder, it runs the TypeScript source through tsx;
 * in the published package it runs what was compiled into `dist/`. `--version` is answered here, before anything else
 * is loaded, so that it stays quick and small.
 */
import { existsSync, readFileSync } from 'node:fs';

const root = new URL('../', import.meta.url);
const argv = process.argv.slice(2);

if (argv.length === 1 && ['--version', '-V', 'version'].includes(argv[0])) {
  const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
  console.log(version);
} else {
  process.exitCode = await start();
}

/** Loads the command line and hands it the arguments; resolves to the exit code. */
async function start() {
  const isClone = existsSync(new URL('src/', root));
  const entry = new URL(isClone ? 'src/cli/main.ts' : 'dist/cli/main.js', root);
  if (!existsSync(entry)) {
    console.error(
      isClone
        ? 'fiducial: the command line (src/cli/main.ts) is not part of this version yet.\n' +
            'What runs today: npm run demo, npm test, npm run bench.'
        : 'fiducial: dist/cli/main.js is missing from this installation.\nInstall the package again.',
    );
    return 1;
  }
  if (isClone) {
    const { register } = await import('tsx/esm/api');
    register();
  }
  const { main } = await import(entry.href);
  return main(argv);
}
