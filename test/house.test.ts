/**
 * The house rules over the real tree. Each rule is a pure function in `test/house/`, and each was seen to fail on a
 * planted violation in `test/house/*.test.ts`; here they must find nothing.
 */
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { isModule } from './house/imports.ts';
import {
  commandsExist,
  filesNameNoMachine,
  linksResolve,
  noScriptRunsUnasked,
  readmeNamesTheLayers,
} from './house/papers.ts';
import {
  filesFitTheCeiling,
  filesHaveNames,
  houseOf,
  importsAreInstalled,
  importsHaveNoCycles,
  importsPointDownward,
  importsResolve,
  indexesListNames,
  methodsAreComplete,
  scanSaw,
} from './house/rules.ts';
import { readTree } from './house/tree.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const house = houseOf(readTree(root));

/** Files that import what only the user can name, and why. */
const computedImports = {
  'src/workbench/config.ts': "opens the user's own configuration",
  'src/models/providers/function.ts': 'opens the file that a `function:<file>#<name>` model id names',
};

/** Modules under the folders that hold code, counted by another way than the scan's. */
function countModules(): number {
  return ['src', 'test', 'bench', 'examples', 'bin']
    .filter((folder) => existsSync(`${root}/${folder}`))
    .flatMap((folder) => readdirSync(`${root}/${folder}`, { recursive: true, encoding: 'utf8' }))
    .filter(isModule).length;
}

describe('the house', () => {
  it.each([
    ['imports point downward', importsPointDownward],
    ['imports have no cycles', importsHaveNoCycles],
    ['imports resolve', importsResolve(computedImports)],
    ['imports are installed with the package', importsAreInstalled],
    ['files fit the ceiling', filesFitTheCeiling],
    ['files have names', filesHaveNames],
    ['methods have a catalogue line, a page, a test and one word', methodsAreComplete],
    ['indexes list their names', indexesListNames],
    ['files name no machine', filesNameNoMachine],
    ['links in documents resolve', linksResolve],
    ['commands in documents exist', commandsExist],
    ['the README names every layer', readmeNamesTheLayers],
    ['no script runs unasked', noScriptRunsUnasked],
  ])('%s', (_name, rule) => {
    expect(rule(house)).toEqual([]);
  });

  it('was scanned as a whole', () => {
    const modules = countModules();
    expect(modules).toBeGreaterThan(20);
    expect(scanSaw(modules, modules)(house)).toEqual([]);
  });
});
