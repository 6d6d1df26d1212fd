/**
 * Every rule over source files has been seen to fail: each plants its violations in a small tree that otherwise holds,
 * and asks for exactly those. A rule that finds nothing in a planted fault would pass the real tree for no reason.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cyclesIn } from './cycles.ts';
import { importsOf } from './imports.ts';
import {
  ceilingLines,
  filesFitTheCeiling,
  filesHaveNames,
  houseOf,
  importsAreInstalled,
  importsHaveNoCycles,
  importsPointDownward,
  importsResolve,
  indexesListNames,
  layers,
  mayImport,
  methodsAreComplete,
  scanSaw,
} from './rules.ts';
import type { Rule } from './rules.ts';

const check = (rule: Rule, files: Record<string, string>): string[] => rule(houseOf(new Map(Object.entries(files))));

describe('importsOf', () => {
  it('reads every form of import, and no text that only looks like one', () => {
    const text = [
      "import a from './a.ts';",
      "import type { B } from './b.ts';",
      "export { c } from './c.ts';",
      "export type { D } from './d.ts';",
      "export * from './e.ts';",
      "const f = await import('./f.ts');",
      "type G = import('./g.ts').G;",
      "import h = require('./h.ts');",
      "const i = new Worker(new URL('./i.ts', import.meta.url));",
      "const j = new URL(built ? './j.js' : './k.ts', import.meta.url);",
      "const l = import.meta.resolve('./l.ts');",
      'const m = await import(`./m.ts`);',
      'const n = await import(computed);',
      "import './o.ts';",
      '// import p from "./p.ts"',
      'const q = "import q from \'./q.ts\'";',
      'const r = `${`import r from "./r.ts"`}`;',
      'const s = /import s from ".\\/s.ts"/;',
      "const t = new URL('./t.json', import.meta.url);",
    ].join('\n');
    expect(importsOf('x.ts', text).map(({ specifier, line, isTypeOnly }) => [line, specifier, isTypeOnly])).toEqual([
      [1, './a.ts', false],
      [2, './b.ts', true],
      [3, './c.ts', false],
      [4, './d.ts', true],
      [5, './e.ts', false],
      [6, './f.ts', false],
      [7, './g.ts', true],
      [8, './h.ts', false],
      [9, './i.ts', false],
      [10, './j.js', false],
      [10, './k.ts', false],
      [11, './l.ts', false],
      [12, './m.ts', false],
      [13, '', false],
      [14, './o.ts', false],
    ]);
  });
});

describe('imports point downward', () => {
  const tree = Object.fromEntries(layers.map((layer) => [`src/${layer}/index.ts`, '']));

  it('allows each layer what stands before it, but for the strangers', () => {
    const allowed = layers.flatMap((from) => layers.filter((to) => mayImport(from, to)).map((to) => `${from}>${to}`));
    expect(allowed).not.toContain('engine>store');
    expect(allowed).not.toContain('store>engine');
    expect(allowed).not.toContain('lab>kit');
    expect(allowed).not.toContain('kit>lab');
    expect(allowed).toContain('network>store');
    expect(allowed).toContain('methods>lab');
    expect(allowed).toContain('cli>cli');
    // 11 layers: 66 pairs that point downward or stay, less store>engine and kit>lab.
    expect(allowed).toHaveLength(64);
  });

  it.each(layers.flatMap((from) => layers.map((to) => [from, to] as const)))('%s to %s', (from, to) => {
    const found = check(importsPointDownward, { ...tree, [`src/${from}/a.ts`]: `import '../${to}/index.ts';` });
    expect(found).toHaveLength(mayImport(from, to) ? 0 : 1);
    if (!mayImport(from, to)) expect(found[0]).toContain(`src/${from}/a.ts:1: ${from} may not import ${to}`);
  });

  it.each([
    ['a type', "import type { A } from '../engine/index.ts';"],
    ['a dynamic import', "const a = await import('../engine/index.ts');"],
    ['an import type', "type A = import('../engine/index.ts').A;"],
    ['an export', "export { a } from '../engine/index.ts';"],
    ['a worker', "new Worker(new URL('../engine/index.ts', import.meta.url));"],
    ["the package's own name", "import { a } from 'fiducial/engine';"],
    ['a built ending', "import { a } from '../engine/index.js';"],
    ['no ending', "import { a } from '../engine';"],
  ])('sees %s', (_name, text) => {
    expect(check(importsPointDownward, { ...tree, 'src/core/a.ts': text })).toHaveLength(1);
    expect(check(importsPointDownward, { ...tree, 'src/core/a.test.ts': text })).toHaveLength(1);
    expect(check(importsPointDownward, { ...tree, 'src/network/a.ts': text })).toEqual([]);
  });

  it('keeps src apart from what is not shipped, and web from all but the types of the server', () => {
    const found = check(importsPointDownward, {
      ...tree,
      'test/contract/store.ts': '',
      'src/store/a.ts': "import '../../test/contract/store.ts';",
      'src/store/a.test.ts': "import '../../test/contract/store.ts';",
      'src/store/b.ts': "import './a.test.ts';",
      'src/oddity/a.ts': '',
      'src/main.ts': '',
      'web/src/a.ts': "import type { App } from '../../src/server/index.ts';",
      'web/src/b.ts': "import { app } from '../../src/server/index.ts';",
      'web/src/c.ts': "import type { C } from '../../src/core/index.ts';",
    });
    expect(found.map((line) => line.replace(/: .*/, ''))).toEqual([
      'src/oddity/a.ts',
      'src/main.ts',
      'src/store/a.ts:1',
      'src/store/b.ts:1',
      'web/src/b.ts:1',
      'web/src/c.ts:1',
    ]);
  });
});

describe('imports have no cycles', () => {
  it('finds a cycle of three over types and dynamic imports, and a file that imports itself', () => {
    const files = {
      'src/core/a.ts': "import './b.ts';",
      'src/core/b.ts': "import type { C } from './c.ts';",
      'src/core/c.ts': "const a = await import('./a.ts');",
      'src/core/d.ts': "import './d.ts';",
      'src/core/e.ts': "import './a.ts';",
    };
    const found = check(importsHaveNoCycles, files);
    expect(found).toHaveLength(2);
    expect(found[0]).toContain('a cycle of 3: src/core/a.ts, src/core/b.ts, src/core/c.ts');
    expect(found[1]).toContain('a cycle of 1: src/core/d.ts');
    expect(check(importsHaveNoCycles, { ...files, 'src/core/c.ts': '', 'src/core/d.ts': '' })).toEqual([]);
  });

  it('keeps two cycles apart that only a bridge joins, and follows a diamond to no cycle', () => {
    const graph = new Map([
      ['a', ['b']],
      ['b', ['a', 'c']],
      ['c', ['d']],
      ['d', ['c']],
    ]);
    expect(cyclesIn(graph)).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    const diamond = new Map([
      ['a', ['b', 'c']],
      ['b', ['d']],
      ['c', ['d']],
      ['d', []],
    ]);
    expect(cyclesIn(diamond)).toEqual([]);
  });

  it('agrees with reachability on random graphs: a node is in a cycle when it reaches itself', () => {
    const nodes = ['a', 'b', 'c', 'd', 'e', 'f'];
    const edge = fc.tuple(fc.constantFrom(...nodes), fc.constantFrom(...nodes));
    fc.assert(
      fc.property(fc.array(edge, { maxLength: 12 }), (edges) => {
        const graph = new Map(nodes.map((node) => [node, edges.filter(([from]) => from === node).map(([, to]) => to)]));
        const reach = (from: string): Set<string> => {
          const seen = new Set<string>();
          const todo = [...graph.get(from)!];
          for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
            if (!seen.has(node)) todo.push(...graph.get(node)!);
            seen.add(node);
          }
          return seen;
        };
        const inCycle = nodes.filter((node) => reach(node).has(node));
        const cycles = cyclesIn(graph);
        expect(cycles.flat().toSorted()).toEqual(inCycle);
        for (const cycle of cycles) for (const a of cycle) for (const b of cycle) expect(reach(a).has(b)).toBe(true);
      }),
      { seed: 7 },
    );
  });
});

describe('imports resolve and are installed', () => {
  it('finds an import of nothing and a computed import in src', () => {
    const files = {
      'src/core/a.ts': "import './gone.ts';\nawait import(name);",
      'src/core/a.test.ts': 'await import(name);',
      'bench/run.ts': 'await import(name);',
    };
    expect(check(importsResolve(), files).map((line) => line.replace(/: .*/, ''))).toEqual([
      'src/core/a.ts:1',
      'src/core/a.ts:2',
    ]);
    const exempt = { 'src/core/a.ts': 'planted', 'src/core/b.ts': 'planted' };
    expect(check(importsResolve(exempt), files).map((line) => line.replace(/:\d.*|: has/, ''))).toEqual([
      'src/core/a.ts',
      'src/core/b.ts no computed import any more; take it off the list',
    ]);
  });

  it('finds a package that a user would not have', () => {
    const files = {
      'package.json': '{"dependencies":{"zod":"1","@a/b":"1"},"devDependencies":{"vitest":"1","@a/c":"1"}}',
      'src/core/a.ts': [
        "import 'zod'; import 'zod/v4'; import '@a/b/c'; import 'node:fs'; import type { T } from 'vitest';",
        "import 'vitest';",
        "const c = await import('@a/c');",
        "import 'fs-extra';",
      ].join('\n'),
      'src/core/a.test.ts': "import 'vitest';",
    };
    expect(check(importsAreInstalled, files).map((line) => line.replace(/ is .*/, ''))).toEqual([
      'src/core/a.ts:2: vitest',
      'src/core/a.ts:3: @a/c',
      'src/core/a.ts:4: fs-extra',
    ]);
  });
});

describe('files fit the ceiling', () => {
  it('counts lines as an editor does, and tests too', () => {
    const lines = (count: number): string => 'x\n'.repeat(count);
    const found = check(filesFitTheCeiling, {
      'src/core/fits.ts': lines(ceilingLines),
      'src/core/fits-open.ts': `${lines(ceilingLines - 1)}x`,
      'src/core/past.ts': lines(ceilingLines + 1),
      'src/core/past-open.ts': `${lines(ceilingLines)}x`,
      'src/core/past.test.ts': lines(ceilingLines + 1),
      'web/src/past.tsx': lines(ceilingLines + 1),
      'docs/long.md': lines(ceilingLines * 3),
    });
    expect(found.map((line) => line.replace(/:.*/, ''))).toEqual([
      'src/core/past.ts',
      'src/core/past-open.ts',
      'src/core/past.test.ts',
      'web/src/past.tsx',
    ]);
  });
});

describe('methods are complete', () => {
  const files = {
    'src/methods/index.ts':
      "import { tap } from './redteam/tap.ts';\nexport const pair = () => import('./redteam/pair.ts');",
    'src/methods/redteam/tap.ts': "export const tap = { id: 'redteam/tap' };",
    'src/methods/redteam/tap.test.ts': '',
    'src/methods/redteam/tap/prompts.ts': '',
    'src/methods/redteam/pair.ts': "export const pair = { id: 'redteam/pair' };",
    'src/methods/redteam/pair.test.ts': '',
    'docs/methods/redteam/tap.md': '# TAP',
    'docs/methods/redteam/pair.md': '# PAIR',
  };
  const without = (path: string): Record<string, string> =>
    Object.fromEntries(Object.entries(files).filter(([known]) => known !== path));

  it('finds nothing in a whole shelf', () => {
    expect(check(methodsAreComplete, files)).toEqual([]);
  });

  it.each([
    ['a missing catalogue line', { ...files, 'src/methods/index.ts': "import './redteam/tap.ts';" }, 'no line in'],
    [
      'a commented catalogue line',
      { ...files, 'src/methods/index.ts': "import './redteam/tap.ts';\n// import './redteam/pair.ts'" },
      'no line in',
    ],
    ['a missing page', without('docs/methods/redteam/tap.md'), 'no page docs/methods/redteam/tap.md'],
    ['an empty page', { ...files, 'docs/methods/redteam/tap.md': '\n' }, 'no page docs/methods/redteam/tap.md'],
    ['a missing test', without('src/methods/redteam/pair.test.ts'), 'no test src/methods/redteam/pair.test.ts'],
    [
      'another id',
      { ...files, 'src/methods/redteam/tap.ts': "export const tap = { id: 'redteam/tree' };" },
      'its id is not',
    ],
    ['a page without a method', { ...files, 'docs/methods/guard/layers.md': '# Layers' }, 'a page without its method'],
    ['a part without a method', { ...files, 'src/methods/redteam/gcg/loss.ts': '' }, 'a part without its method'],
  ])('finds %s', (_name, planted, what) => {
    const found = check(methodsAreComplete, planted);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(what);
  });

  it('finds a shelf that is no family', () => {
    const found = check(methodsAreComplete, { 'src/methods/magic/wand.ts': "'magic/wand'" });
    expect(found[0]).toContain('magic is no family');
  });
});

describe('indexes list names', () => {
  it('finds both forms of export *, in an index only', () => {
    const text =
      "export { a } from './a.ts';\nexport * from './b.ts';\nexport * as c from './c.ts';\nconst d = 'export *';";
    const found = check(indexesListNames, {
      'src/core/index.ts': text,
      'src/core/a/index.ts': text,
      'src/core/b.ts': text,
    });
    expect(found.map((line) => line.replace(/: .*/, ''))).toEqual([
      'src/core/index.ts:2',
      'src/core/index.ts:3',
      'src/core/a/index.ts:2',
      'src/core/a/index.ts:3',
    ]);
  });
});

describe('files have names', () => {
  it('finds vague names and other cases', () => {
    const found = check(filesHaveNames, {
      'src/core/rate-of-breach.ts': '',
      'src/core/rate.test.ts': '',
      'src/core/database.ts': '',
      'src/core/utils.ts': '',
      'src/engine/graph-helpers.test.ts': '',
      'src/store/manager/run.ts': '',
      'src/core/rateOfBreach.ts': '',
    });
    expect(found.map((line) => line.replace(/:.*/, ''))).toEqual([
      'src/core/utils.ts',
      'src/engine/graph-helpers.test.ts',
      'src/store/manager/run.ts',
      'src/core/rateOfBreach.ts',
    ]);
  });
});

describe('the scan', () => {
  it('fails on an empty tree, on too few modules and on modules whose imports were not followed', () => {
    expect(check(scanSaw(1, 0), {})).toHaveLength(1);
    expect(check(scanSaw(2, 0), { 'src/core/a.ts': '' })).toHaveLength(1);
    expect(check(scanSaw(1, 1), { 'src/core/a.ts': "import './gone.ts';" })).toHaveLength(1);
    expect(check(scanSaw(2, 1), { 'src/core/a.ts': "import './b.ts';", 'src/core/b.ts': '' })).toEqual([]);
  });
});
