/**
 * Which workers may work together: those whose program and whose methods' code are the same.
 *
 * A job carries this version and is taken only by a worker that has it, so that no trial is made by other code than the
 * run's. Work of an older version stays in its queue for workers that still have it.
 */
import { readFileSync } from 'node:fs';
import { catalogue } from '../../methods/index.ts';
import { sha256 } from '../../store/json.ts';
import { codeHash } from '../identity.ts';

let known: string | undefined;

/** `0.1.0+3f9a...`: the package's version, and a hash over the code of every method. */
export function workVersion(): string {
  if (known === undefined) {
    const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
    const { version } = JSON.parse(text) as { readonly version: string };
    const code = catalogue.map((method) => `${method.id} ${codeHash(method)}`).sort();
    known = `${version}+${sha256(code.join('\n')).slice(0, 16)}`;
  }
  return known;
}
