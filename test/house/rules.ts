/**
 * The house rules over source files, each a pure function from the house to its violations. DESIGN decisions they
 * hold: which layer may import which, no cycles, a ceiling on file length, one word for a method's file, catalogue
 * line, page and test, names, and what an index may export. `rules.test.ts` plants a violation of each.
 */
import ts from 'typescript';
import { cyclesIn } from './cycles.ts';
import { edgesOf, importsOf, isModule, isTest, isTypeScript } from './imports.ts';
import type { Edge } from './imports.ts';
import type { Tree } from './tree.ts';

export interface House {
  readonly tree: Tree;
  /** What the files of the tree import from each other. */
  readonly edges: readonly Edge[];
}

/** One line a violation: where it is, what is wrong, what to do. No line means that the rule holds. */
export type Rule = (house: House) => string[];

/** Bottom first. A layer may import the layers before it, and itself. */
export const layers = [
  'core',
  'engine',
  'store',
  'network',
  'models',
  'lab',
  'kit',
  'methods',
  'workbench',
  'server',
  'cli',
] as const;

/** Neighbours that do not know each other, although one stands before the other in {@link layers}. */
export const strangers: readonly (readonly [Layer, Layer])[] = [
  ['engine', 'store'],
  ['lab', 'kit'],
];

/** The catalogue's shelves. A new one is a decision about the product, so it is added here by hand. */
export const families = [
  'redteam',
  'evaluate',
  'audit',
  'interpret',
  'guard',
  'train',
  'tamper',
  'oversee',
  'control',
  'unlearn',
  'verify',
  'provenance',
  'decide',
] as const;

export const ceilingLines = 500;

type Layer = (typeof layers)[number];

/** Reads the imports of a tree once, for all rules. */
export function houseOf(tree: Tree): House {
  return { tree, edges: edgesOf(tree) };
}

/** The layer a path lies in; undefined outside `src` and in a folder of `src` that is no layer. */
export function layerOf(path: string): Layer | undefined {
  const match = /^src\/([^/]+)\//.exec(path);
  return layers.find((layer) => layer === match?.[1]);
}

/** Whether files of layer `from` may import files of layer `to`. */
export function mayImport(from: Layer, to: Layer): boolean {
  if (layers.indexOf(to) > layers.indexOf(from)) return false;
  return !strangers.some((pair) => pair.includes(from) && pair.includes(to) && from !== to);
}

/** Imports inside `src` point downward; `src` knows nothing of what stands around it; `web` knows only the server. */
export const importsPointDownward: Rule = ({ tree, edges }) => {
  const violations: string[] = [];
  for (const path of tree.keys()) {
    if (path.startsWith('src/') && isModule(path) && layerOf(path) === undefined) {
      violations.push(`${path}: src holds only layers (${layers.join(', ')}); move the file into one`);
    }
  }
  for (const edge of edges) {
    if (edge.to === undefined) continue;
    const [from, to] = [layerOf(edge.from), layerOf(edge.to)];
    const where = `${edge.from}:${edge.line}`;
    if (from !== undefined && to !== undefined && !mayImport(from, to)) {
      violations.push(`${where}: ${from} may not import ${to} (${edge.to}); move what is shared to a layer below both`);
    } else if (from !== undefined && to === undefined && !(isTest(edge.from) && edge.to.startsWith('test/'))) {
      violations.push(`${where}: src may not import ${edge.to}, which is not shipped with it`);
    } else if (edge.from.startsWith('web/') && to !== undefined && !(to === 'server' && edge.isTypeOnly)) {
      violations.push(`${where}: web speaks to the server over HTTP and may import only its types, not ${edge.to}`);
    } else if (!isTest(edge.from) && isTest(edge.to)) {
      violations.push(`${where}: ${edge.to} is a test; move what is shared to a module of its own`);
    }
  }
  return violations;
};

/** No file imports itself over any number of others; types and dynamic imports count. */
export const importsHaveNoCycles: Rule = ({ tree, edges }) => {
  const graph = new Map<string, string[]>();
  for (const path of tree.keys()) if (isModule(path)) graph.set(path, []);
  for (const { from, to } of edges) if (to !== undefined) graph.get(from)?.push(to);
  return cyclesIn(graph).map(
    (cycle) => `${cycle[0]}: a cycle of ${cycle.length}: ${cycle.join(', ')}; move what they share to a file below`,
  );
};

/**
 * Every relative import is a file of the tree, and every import in `src` can be read from its text.
 *
 * @param computed Files whose computed imports are meant, each with its reason; one that has none any more is reported.
 */
export const importsResolve =
  (computed: Readonly<Record<string, string>> = {}): Rule =>
  ({ tree, edges }) => {
    const lost = edges
      .filter((edge) => edge.to === undefined)
      .map((edge) => `${edge.from}:${edge.line}: ${edge.specifier} points at no file`);
    const unread = [...tree]
      .filter(([path]) => path.startsWith('src/') && isModule(path) && !isTest(path))
      .flatMap(([path, text]) => {
        const lines = importsOf(path, text).filter(({ specifier }) => specifier === '');
        return lines.map(({ line }) => ({ path, line }));
      });
    const met = new Set(unread.map(({ path }) => path));
    return [
      ...lost,
      ...unread
        .filter(({ path }) => computed[path] === undefined)
        .map(
          ({ path, line }) => `${path}:${line}: a computed import can't be followed; write its specifier as a literal`,
        ),
      ...Object.keys(computed)
        .filter((path) => !met.has(path))
        .map((path) => `${path}: has no computed import any more; take it off the list`),
    ];
  };

/** What `src` imports at run time is installed with the package: a dependency, not a development dependency. */
export const importsAreInstalled: Rule = ({ tree }) => {
  const manifest = JSON.parse(tree.get('package.json') ?? '{}') as Record<string, Record<string, string> | undefined>;
  const installed = new Set(
    ['dependencies', 'optionalDependencies', 'peerDependencies'].flatMap((kind) => Object.keys(manifest[kind] ?? {})),
  );
  const violations: string[] = [];
  for (const [path, text] of tree) {
    if (!path.startsWith('src/') || !isModule(path) || isTest(path)) continue;
    for (const { specifier, line, isTypeOnly } of importsOf(path, text)) {
      if (isTypeOnly || /^$|^[./]|^(node|https?|data):|^fiducial\//.test(specifier)) continue;
      const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
      if (!installed.has(name)) {
        violations.push(
          `${path}:${line}: ${name} is not among package.json's dependencies; it will be missing at a user`,
        );
      }
    }
  }
  return violations;
};

/** A TypeScript file, test or not, ends by line {@link ceilingLines}. */
export const filesFitTheCeiling: Rule = ({ tree }) =>
  [...tree]
    .filter(([path]) => isTypeScript(path))
    .map(([path, text]) => ({ path, lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0) }))
    .filter(({ lines }) => lines > ceilingLines)
    .map(({ path, lines }) => `${path}: ${lines} lines, the ceiling is ${ceilingLines}; split it by what its parts do`);

/** Each method has its catalogue line, its page, its test and its own id; no page is left without a method. */
export const methodsAreComplete: Rule = ({ tree, edges }) => {
  const catalogue = 'src/methods/index.ts';
  const catalogued = new Set(edges.filter(({ from }) => from === catalogue).map(({ to }) => to));
  const violations: string[] = [];
  for (const [path, text] of tree) {
    const page = /^docs\/methods\/(.+\/.+)\.md$/.exec(path);
    if (page !== null && !tree.has(`src/methods/${page[1]}.ts`)) {
      violations.push(`${path}: a page without its method src/methods/${page[1]}.ts`);
    }
    const match = /^src\/methods\/([^/]+)\/(.+)\.ts$/.exec(path);
    if (match === null || isTest(path)) continue;
    const [, family, name] = match as unknown as [string, string, string];
    const id = `${family}/${name}`;
    if (!families.some((known) => known === family)) {
      violations.push(`${path}: ${family} is no family (${families.join(', ')})`);
    }
    if (name.includes('/')) {
      const owner = `src/methods/${family}/${name.slice(0, name.indexOf('/'))}.ts`;
      if (!tree.has(owner)) violations.push(`${path}: a part without its method ${owner}`);
      continue;
    }
    if (!catalogued.has(path)) violations.push(`${path}: no line in ${catalogue}; import it there`);
    if ((tree.get(`docs/methods/${id}.md`) ?? '').trim() === '') {
      violations.push(`${path}: no page docs/methods/${id}.md`);
    }
    if (!tree.has(`src/methods/${id}.test.ts`)) violations.push(`${path}: no test src/methods/${id}.test.ts`);
    if (!text.includes(`'${id}'`)) violations.push(`${path}: its id is not '${id}'; one word names file and id`);
  }
  return violations;
};

/** An index lists the names it exports, so that a reader sees a layer's surface in one place. */
export const indexesListNames: Rule = ({ tree }) =>
  [...tree]
    .filter(([path]) => /^src\/(.+\/)?index\.ts$/.test(path))
    .flatMap(([path, text]) => {
      const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false);
      return source.statements
        .filter((statement) => ts.isExportDeclaration(statement))
        .filter(({ exportClause }) => exportClause === undefined || ts.isNamespaceExport(exportClause))
        .map((statement) => {
          const line = source.getLineAndCharacterOfPosition(statement.getStart(source)).line + 1;
          return `${path}:${line}: export * hides the names; list them`;
        });
    });

/** Files of `src` have kebab-case names that say what is in them. */
export const filesHaveNames: Rule = ({ tree }) =>
  [...tree.keys()]
    .filter((path) => path.startsWith('src/') && isTypeScript(path))
    .flatMap((path) => {
      const words = path.replace(/^src\//, '').replace(/(\.test)?\.[mc]?tsx?$/, '');
      if (!/^[a-z0-9-]+(\/[a-z0-9-]+)*$/.test(words)) return [`${path}: names are kebab-case`];
      const vague = words.split(/[/-]/).find((word) => /^(utils?|helpers?|manager|base|misc)$/.test(word));
      return vague === undefined ? [] : [`${path}: "${vague}" says nothing; name the file after what it does`];
    });

/**
 * A scan that saw too little proves nothing: it must have met these many modules and followed these many imports.
 *
 * @param modules How many modules are in the repository by another way of counting, at least.
 */
export const scanSaw =
  (modules: number, imports: number): Rule =>
  ({ tree, edges }) => {
    const seen = [...tree.keys()].filter(isModule).length;
    const followed = edges.filter(({ to }) => to !== undefined).length;
    const violations: string[] = [];
    if (seen < modules) violations.push(`the scan saw ${seen} modules, expected ${modules} or more`);
    if (followed < imports) violations.push(`the scan followed ${followed} imports, expected ${imports} or more`);
    return violations;
  };
