/**
 * Every rule over papers, and the reading of the tree itself, has been seen to fail on planted violations. Marks of a
 * machine carry a star here, taken out before the check, so that the real tree stays free of them.
 */
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  commandsExist,
  filesNameNoMachine,
  linksResolve,
  noScriptRunsUnasked,
  readmeNamesTheLayers,
} from './papers.ts';
import { houseOf, layers } from './rules.ts';
import type { Rule } from './rules.ts';
import { ignoreRule, readTree } from './tree.ts';

const check = (rule: Rule, files: Record<string, string>): string[] => rule(houseOf(new Map(Object.entries(files))));

describe('files name no machine', () => {
  it.each([
    ['a working folder', 'see /wor*k/main'],
    ["root's home", "const at = '/ro*ot/.npm';"],
    ['a temporary file', 'out=/tm*p/a.log'],
    ['a temporary folder in a list', 'PATH=bin:/tm*p/bin'],
    ['a home', '/ho*me/ada/fiducial'],
    ['a home of a Mac', '(/Us*ers/ada/fiducial)'],
    ['a home of Windows', 'C:\\Us*ers\\ada'],
    ['a registry', 'https://registry.npm*js.org/zod'],
    ["Debian's archive", 'http://deb.debi*an.org'],
    ['an address in a lock file', '"resol*ved": "https://mirror.example/zod.tgz"'],
  ])('finds %s', (_name, starred) => {
    const text = starred.replace('*', '');
    expect(check(filesNameNoMachine, { 'a.md': `first\n${text}\nlast` })).toEqual([
      expect.stringMatching(/^a\.md:2: /),
    ]);
  });

  it.each([
    'src/work/plan.ts',
    'https://site.example/root/page',
    './tmp/a',
    'framework/x',
    '/usr/bin/python3',
    '"resolved": true',
    '/v1/models',
    '~/work/other',
  ])('leaves %s', (text) => {
    expect(check(filesNameNoMachine, { 'a.md': text })).toEqual([]);
  });
});

describe('documents', () => {
  it('have links that resolve', () => {
    const found = check(linksResolve, {
      'docs/a.md': [
        '[fine](../src/core/a.ts) [fine](b.md#part) [fine](../src) [fine](https://site.example) [fine](#here)',
        '`[code](gone.md)`',
        '```\n[code](gone.md)\n```',
        '[gone](gone.md)',
        '![gone](../picture.svg "title")',
      ].join('\n'),
      'docs/b.md': '',
      'src/core/a.ts': '',
    });
    expect(found).toEqual([
      'docs/a.md: the link gone.md points at nothing',
      'docs/a.md: the link ../picture.svg points at nothing',
    ]);
  });

  it('name only commands that exist', () => {
    const found = check(commandsExist, {
      'package.json': '{"scripts":{"demo":"x","format:check":"x"}}',
      'README.md': 'npm ci && npm run demo; npm run format:check; npm run format:fix; npm run gone',
      '.ci/run': 'npm run absent',
      'src/core/a.ts': '// npm run elsewhere',
    });
    expect(found.map((line) => line.replace(/ is .*/, ''))).toEqual([
      'README.md: npm run format:fix',
      'README.md: npm run gone',
      '.ci/run: npm run absent',
    ]);
    const scripts = '{"scripts":{"demo":"tsx examples/gone.ts --fast","bench":"tsx bench/run.ts"}}';
    expect(check(commandsExist, { 'package.json': scripts, 'bench/run.ts': '' })).toEqual([
      'package.json: the script demo runs examples/gone.ts, which does not exist',
    ]);
  });

  it('name every layer in the README', () => {
    const readme = layers.map((layer) => `src/${layer}`).join('\n');
    expect(check(readmeNamesTheLayers, { 'README.md': readme })).toEqual([]);
    expect(check(readmeNamesTheLayers, { 'README.md': readme.replace('src/kit', '') })).toHaveLength(1);
    expect(check(readmeNamesTheLayers, {})).toHaveLength(layers.length);
  });
});

describe('scripts', () => {
  it('that npm would have to run unasked are found', () => {
    const scripts = (...names: string[]): Record<string, string> => ({
      'package.json': JSON.stringify({ scripts: Object.fromEntries(names.map((name) => [name, 'x'])) }),
    });
    expect(check(noScriptRunsUnasked, scripts('test', 'check', 'preview', 'build', 'post'))).toEqual([]);
    expect(check(noScriptRunsUnasked, scripts('test', 'pretest', 'postinstall', 'prepare', 'postbuild'))).toHaveLength(
      3,
    );
  });
});

describe('the tree', () => {
  it('leaves out what .gitignore names and keeps the rest, a binary without its bytes', () => {
    const root = mkdtempSync(join(tmpdir(), 'fiducial-house-'));
    try {
      const files = [
        'a.ts',
        'a.log',
        'dist/b.ts',
        'src/dist/c.ts',
        'bench/results/d.ts',
        'src/results/e.ts',
        '.ci/run',
      ];
      for (const file of files) {
        mkdirSync(join(root, file, '..'), { recursive: true });
        writeFileSync(join(root, file), 'text');
      }
      writeFileSync(join(root, 'f.bin'), Uint8Array.of(1, 0, 2));
      writeFileSync(join(root, '.gitignore'), '# comment\ndist/\n*.log\nbench/results/\n');
      const tree = readTree(root);
      expect([...tree.keys()].toSorted()).toEqual(['.ci/run', '.gitignore', 'a.ts', 'f.bin', 'src/results/e.ts']);
      expect(tree.get('a.ts')).toBe('text');
      expect(tree.get('f.bin')).toBe('');
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it.each(['!keep.ts', 'src/**/a', 'a*b', '[ab].ts'])('does not guess at %s in .gitignore', (line) => {
    expect(() => ignoreRule(line)).toThrow(line);
  });
});
