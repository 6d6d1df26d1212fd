/**
 * The house rules over papers: nothing that only one machine has in any file, and documents that point at what exists.
 * Documents rot in silence, so links, `npm run` commands and the tree in the README are checked like code.
 */
import { posix } from 'node:path';
import { layers } from './rules.ts';
import type { Rule } from './rules.ts';

/** What must not be in any file, and why. The classes of one letter keep this file from breaking its own rule. */
const machineMarks: readonly { readonly pattern: RegExp; readonly what: string }[] = [
  {
    pattern: /(?<![\w.~-])\/(wor[k]|workspac[e]|roo[t]|tm[p]|mn[t])\/[\w.]/,
    what: 'a path of one machine; use a path relative to the repository, or os.tmpdir()',
  },
  {
    pattern: /(?<![\w.~-])\/(home|Users)\/[a-z][\w-]*\/|[A-Z]:\\Users\\/,
    what: 'a path in the home of one person',
  },
  {
    pattern: /registry\.npm[j]s|registry\.yarn[p]kg|deb\.debia[n]\.org/,
    what: 'the address of a registry; each machine has its own',
  },
  {
    pattern: /"resolve[d]":\s*"(https?|git|file)/,
    what: 'the address that served a package; install with omit-lockfile-registry-resolved',
  },
];

/** No file holds a path of one machine or the address of a registry. */
export const filesNameNoMachine: Rule = ({ tree }) =>
  [...tree].flatMap(([path, text]) => {
    const lines = machineMarks.some(({ pattern }) => pattern.test(text)) ? text.split('\n') : [];
    return lines.flatMap((line, index) =>
      machineMarks
        .filter(({ pattern }) => pattern.test(line))
        .map(({ pattern, what }) => `${path}:${index + 1}: "${pattern.exec(line)![0]}" is ${what}`),
    );
  });

/** A relative link in a document points at a file or a folder of the tree. */
export const linksResolve: Rule = ({ tree }) => {
  const folders = new Set([...tree.keys()].flatMap(foldersAbove));
  return [...tree]
    .filter(([path]) => path.endsWith('.md'))
    .flatMap(([path, text]) =>
      [...withoutCode(text).matchAll(/\]\(([^)\s]+)[^)]*\)/g)]
        .map((match) => match[1]!)
        .filter((link) => !/^([a-z]+:|#|\/)/.test(link))
        .filter((link) => {
          const target = posix.join(posix.dirname(path), link.replace(/#.*$/, '')).replace(/\/$/, '');
          return !tree.has(target) && !folders.has(target);
        })
        .map((link) => `${path}: the link ${link} points at nothing`),
    );
};

/** Each `npm run <script>` that a document or `.ci/` names is a script of package.json, and runs a file that exists. */
export const commandsExist: Rule = ({ tree }) => {
  const manifest = JSON.parse(tree.get('package.json') ?? '{}') as { scripts?: Record<string, string> };
  const scripts = new Map(Object.entries(manifest.scripts ?? {}));
  const lost = [...scripts].flatMap(([script, command]) =>
    [...command.matchAll(/\btsx ([\w./-]+)/g)]
      .map((match) => match[1]!)
      .filter((file) => !tree.has(file))
      .map((file) => `package.json: the script ${script} runs ${file}, which does not exist`),
  );
  const unknown = [...tree]
    .filter(([path]) => path.endsWith('.md') || path.startsWith('.ci/'))
    .flatMap(([path, text]) =>
      [...text.matchAll(/\bnpm run ([a-z][\w:-]*)/g)]
        .map((match) => match[1]!)
        .filter((script) => !scripts.has(script))
        .map((script) => `${path}: npm run ${script} is no script of package.json`),
    );
  return [...lost, ...unknown];
};

/** The README's tree names every layer, so that a stranger finds each folder there. */
export const readmeNamesTheLayers: Rule = ({ tree }) => {
  const readme = tree.get('README.md') ?? '';
  return layers
    .filter((layer) => !readme.includes(`src/${layer}`))
    .map((layer) => `README.md: its tree leaves out src/${layer}`);
};

/** npm runs no install, pre or post script here (.npmrc), so none may be relied on. */
export const noScriptRunsUnasked: Rule = ({ tree }) => {
  const manifest = JSON.parse(tree.get('package.json') ?? '{}') as { scripts?: Record<string, string> };
  const scripts = Object.keys(manifest.scripts ?? {});
  return scripts
    .filter(
      (name) =>
        /^(pre|post)?(install|prepare|publish)$|^prepublishOnly$|^prepack$|^postpack$/.test(name) ||
        isHook(name, scripts),
    )
    .map(
      (name) =>
        `package.json: the script "${name}" never runs by itself under ignore-scripts; call it where it is needed`,
    );
};

/** `pretest` beside `test`: npm would run the first before the second, were it allowed to. */
function isHook(name: string, scripts: readonly string[]): boolean {
  const match = /^(?:pre|post)(.+)$/.exec(name);
  return match !== null && scripts.includes(match[1]!);
}

function foldersAbove(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(0, -1).map((_, index) => parts.slice(0, index + 1).join('/'));
}

/** A document without its fenced and inline code, where brackets are no links. */
function withoutCode(text: string): string {
  return text.replace(/^```[^\n]*\n[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
}
