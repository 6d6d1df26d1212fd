/** Trees of tensors: plain objects and lists nested at will. Keys are visited in sorted order. */
import { FiducialError, show } from '../core/errors.ts';
import { Tensor } from './graph.ts';

export type Tree = Tensor | null | undefined | readonly Tree[] | { readonly [key: string]: Tree };

/** The tensors of a tree, in order. */
export function treeLeaves(tree: unknown): Tensor[] {
  const leaves: Tensor[] = [];
  visit(tree, '', (leaf) => {
    if (leaf instanceof Tensor) leaves.push(leaf);
  });
  return leaves;
}

/** The tensors of a tree with their paths, for example `blocks.0.mlp.weight`. */
export function namedLeaves(tree: unknown): { name: string; tensor: Tensor }[] {
  const leaves: { name: string; tensor: Tensor }[] = [];
  visit(tree, '', (leaf, name) => {
    if (leaf instanceof Tensor) leaves.push({ name, tensor: leaf });
  });
  return leaves;
}

/** A tree of the same form with each tensor replaced. */
export function mapTree(tree: Tree, change: (leaf: Tensor, name: string) => Tensor): Tree {
  return rebuild(tree, '', (leaf, name) => (leaf instanceof Tensor ? change(leaf, name) : leaf)) as Tree;
}

/** Joins trees of one form leaf by leaf. Throws `engine.tree` where they differ in form. */
export function zipTrees(trees: readonly Tree[], join: (leaves: readonly Tensor[], name: string) => Tensor): Tree {
  const [first, ...rest] = trees;
  const others = rest.map((tree) => namedLeaves(tree));
  let at = 0;
  return mapTree(first, (leaf, name) => {
    const leaves = others.map((list) => {
      const found = list[at];
      if (found?.name !== name) {
        throw new FiducialError(
          'engine.tree',
          `Trees differ in form: ${show(name)} against ${show(found?.name)}`,
          'Pass trees of one form.',
        );
      }
      return found.tensor;
    });
    at++;
    return join([leaf, ...leaves], name);
  });
}

/** Calls `leaf` for everything that is not a list or a plain object. */
export function visit(tree: unknown, path: string, leaf: (value: unknown, path: string) => void): void {
  if (Array.isArray(tree)) tree.forEach((item, i) => visit(item, join(path, i), leaf));
  else if (isPlainObject(tree)) {
    for (const key of Object.keys(tree).sort()) visit(tree[key], join(path, key), leaf);
  } else leaf(tree, path);
}

export function rebuild(tree: unknown, path: string, leaf: (value: unknown, path: string) => unknown): unknown {
  if (Array.isArray(tree)) return tree.map((item, i) => rebuild(item, join(path, i), leaf));
  if (isPlainObject(tree)) {
    return Object.fromEntries(
      Object.keys(tree)
        .sort()
        .map((key) => [key, rebuild(tree[key], join(path, key), leaf)]),
    );
  }
  return leaf(tree, path);
}

const join = (path: string, key: string | number): string => (path === '' ? String(key) : `${path}.${key}`);

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
