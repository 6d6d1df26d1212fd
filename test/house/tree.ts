/**
 * Reads the repository into a plain map of path to text, so that every rule is a pure function over that map.
 *
 * Walks the folder instead of asking git: a rule then also sees a file that nobody added yet, and the test runs where
 * git is not installed. What `.gitignore` names is left out; only its simple forms are understood, and any other form
 * is an error rather than a silent difference. A binary file keeps its path, with an empty text.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Path from the repository's root, with `/`, to the file's text. */
export type Tree = ReadonlyMap<string, string>;

/**
 * Reads every file under `root` that `.gitignore` does not name.
 *
 * @example
 * readTree(process.cwd()).get('package.json');
 */
export function readTree(root: string): Tree {
  const isIgnored = ignoreRule(readFileSync(join(root, '.gitignore'), 'utf8'));
  const tree = new Map<string, string>();
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (path === '.git' || isIgnored(path, entry.isDirectory())) continue;
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile()) tree.set(path, textOf(readFileSync(join(root, path))));
    }
  };
  walk('');
  return tree;
}

/**
 * The lines of a `.gitignore` as a predicate. Understood: `name/`, `folder/name/`, `/name`, `name`, `*.ending`.
 *
 * @throws Error on a negation, a double star, a class, or a star anywhere else.
 */
export function ignoreRule(text: string): (path: string, isFolder: boolean) => boolean {
  const rules = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      if (/^!|\*\*|[[?\\]|.\*/.test(line)) throw new Error(`.gitignore: the house test does not understand "${line}"`);
      const onlyFolders = line.endsWith('/');
      const name = line.replace(/\/$/, '');
      return { onlyFolders, anchored: name.includes('/'), name: name.replace(/^\//, '') };
    });
  return (path, isFolder) => {
    const last = path.slice(path.lastIndexOf('/') + 1);
    return rules.some(({ onlyFolders, anchored, name }) => {
      if (onlyFolders && !isFolder) return false;
      if (name.startsWith('*')) return last.endsWith(name.slice(1));
      return anchored ? path === name : last === name;
    });
  };
}

/** Git's own test: a zero byte near the start means that the bytes are no text. */
function textOf(bytes: Buffer): string {
  return bytes.subarray(0, 8000).includes(0) ? '' : bytes.toString('utf8');
}
