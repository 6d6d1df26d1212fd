/**
 * What a module depends on, read with TypeScript's parser, and the graph of files that follows from it.
 *
 * Every form counts: `import`, `import type`, `export from`, `import()` of values and of types, `import x = require()`,
 * `require()`, `import.meta.resolve()`, and `new URL('./worker.ts', import.meta.url)`, which is how a worker is named.
 * A dynamic import whose specifier is no literal can't be followed; it is kept with an empty specifier for a rule to
 * report.
 */
import { posix } from 'node:path';
import ts from 'typescript';
import type { Tree } from './tree.ts';

export interface Import {
  /** What stands between the quotes; empty where it is computed. */
  readonly specifier: string;
  /** From 1. */
  readonly line: number;
  /** Whether nothing of it is left at run time. */
  readonly isTypeOnly: boolean;
}

/** A dependency of one file of the tree on another. */
export interface Edge extends Import {
  readonly from: string;
  /** A path of the tree, or undefined where the specifier points at no file in it. */
  readonly to: string | undefined;
}

const modulePattern = /\.(ts|tsx|mts|cts|mjs|cjs|js|jsx)$/;

/** Whether the path holds a module: TypeScript or JavaScript, of any ending. */
export function isModule(path: string): boolean {
  return modulePattern.test(path);
}

/** Whether the path is TypeScript. */
export function isTypeScript(path: string): boolean {
  return /\.[mc]?tsx?$/.test(path);
}

/** Whether the path is a test file. */
export function isTest(path: string): boolean {
  return /\.test\.[mc]?tsx?$/.test(path);
}

/**
 * Every dependency that the text of a module states, in order of appearance.
 *
 * @example
 * importsOf('a.ts', "import type { B } from './b.ts'"); // [{ specifier: './b.ts', line: 1, isTypeOnly: true }]
 */
export function importsOf(path: string, text: string): Import[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false);
  const found: Import[] = [];
  const add = (at: ts.Node, name: ts.Node | undefined, isTypeOnly = false): void => {
    const specifier = name !== undefined && ts.isStringLiteralLike(name) ? name.text : '';
    const line = source.getLineAndCharacterOfPosition(at.getStart(source)).line + 1;
    found.push({ specifier, line, isTypeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      add(node, node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      add(node, node.moduleSpecifier, node.isTypeOnly);
    } else if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference)) {
      add(node, node.moduleReference.expression, node.isTypeOnly);
    } else if (ts.isImportTypeNode(node)) {
      add(node, ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, true);
    } else if (ts.isCallExpression(node)) {
      if (node.expression.kind === ts.SyntaxKind.ImportKeyword || isMetaResolve(node.expression)) {
        add(node, node.arguments[0]);
      } else if (ts.isIdentifier(node.expression) && node.expression.text === 'require') {
        add(node, node.arguments[0]);
      }
    } else if (ts.isNewExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'URL') {
      const [address, origin] = node.arguments ?? [];
      if (address !== undefined && origin?.getText(source) === 'import.meta.url') {
        for (const literal of literalsIn(address)) if (isModule(literal.text)) add(node, literal);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** The string literals of an expression, both arms of a condition included. */
function literalsIn(node: ts.Node): ts.StringLiteralLike[] {
  if (ts.isStringLiteralLike(node)) return [node];
  const found: ts.StringLiteralLike[] = [];
  ts.forEachChild(node, (child) => {
    found.push(...literalsIn(child));
  });
  return found;
}

function isMetaResolve(node: ts.Expression): boolean {
  return ts.isPropertyAccessExpression(node) && node.name.text === 'resolve' && ts.isMetaProperty(node.expression);
}

/**
 * Edges between files of the tree. Packages and `node:` modules are not files of the tree and have no edge; the
 * package's own name (`fiducial/engine`) means that layer's index. A `.js` ending means the `.ts` file it is built from.
 */
export function edgesOf(tree: Tree): Edge[] {
  const edges: Edge[] = [];
  for (const [path, text] of tree) {
    if (!isModule(path)) continue;
    for (const one of importsOf(path, text)) {
      const target = targetOf(path, one.specifier);
      if (target !== undefined) edges.push({ ...one, from: path, to: resolveIn(tree, target) });
    }
  }
  return edges;
}

/** The path that a specifier means, before it is looked for; undefined for a package, `node:` or a computed name. */
function targetOf(from: string, specifier: string): string | undefined {
  const own = /^fiducial\/([a-z-]+)$/.exec(specifier);
  if (own !== null) return `src/${own[1]}/index.ts`;
  if (/^\.{1,2}(\/|$)/.test(specifier)) return posix.join(posix.dirname(from), specifier.replace(/[?#].*$/, ''));
  return undefined;
}

function resolveIn(tree: Tree, target: string): string | undefined {
  const candidates = [target, target.replace(/\.(m?)js$/, '.$1ts'), `${target}.ts`, `${target}/index.ts`];
  return candidates.find((candidate) => tree.has(candidate));
}
