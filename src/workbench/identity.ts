/**
 * What makes a run that run: method, parameters, models, seed, and hashes of code, weights and data.
 *
 * The code's hash covers the method's file and what it imports of `methods`, `kit` and `lab`, the layers that decide
 * what is asked and how it is read. A method that is not of the catalogue is hashed by the text of its `run`. Weights:
 * a model says its own hash (`weightsHash`); a model that is the user's file is hashed as that file.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Json } from '../core/values.ts';
import type { AnyMethod, Dataset, Needs } from '../methods/method.ts';
import type { Model } from '../models/model.ts';
import { canonicalJson, cleanJson, sha256 } from '../store/json.ts';
import type { RunSpec } from '../store/store.ts';

/** What of the user's files a model was made of; filled where addresses are resolved. */
const fingerprints = new WeakMap<Model, string>();

/** Ties a model to the hash of the file that defines it. */
export function setFingerprint(model: Model, hash: string): void {
  fingerprints.set(model, hash);
}

export function fingerprintOf(model: Model): string | undefined {
  const own = 'weightsHash' in model ? model.weightsHash : undefined;
  return fingerprints.get(model) ?? (typeof own === 'string' ? own : undefined);
}

/** The hash of a data set: its rows as canonical JSON. */
export function datasetHash(set: Dataset): string {
  return sha256(canonicalJson(cleanJson(set.rows, undefined)));
}

export interface IdentityOptions {
  readonly seed: number | string;
  readonly replicate?: number | undefined;
  readonly parent?: { readonly run: string; readonly key: string } | undefined;
}

/** The specification of a run. `given` holds raw models, before any layer is put around them. */
export function specOf(
  method: AnyMethod,
  params: unknown,
  given: Readonly<Record<string, unknown>>,
  options: IdentityOptions,
): RunSpec {
  const models: Record<string, Json> = {};
  const weights: Record<string, string> = {};
  const data: Record<string, string> = {};
  for (const [role, need] of Object.entries<Needs[string]>(method.needs)) {
    const filled = given[role];
    if (filled === undefined || need.kind === 'labeller') continue;
    if (need.kind === 'data') {
      data[role] = datasetHash(filled as Dataset);
      continue;
    }
    const list = need.kind === 'models' ? (filled as readonly Model[]) : [filled as Model];
    models[role] = need.kind === 'models' ? list.map((each) => each.id) : list[0]!.id;
    list.forEach((each, index) => {
      const hash = fingerprintOf(each);
      if (hash !== undefined) weights[need.kind === 'models' ? `${role}/${index}` : role] = hash;
    });
  }
  return {
    method: method.id,
    params: cleanJson(params, undefined),
    models,
    seed: options.seed,
    hashes: { code: codeHash(method), weights, data },
    ...(options.replicate === undefined ? {} : { replicate: options.replicate }),
    ...(options.parent === undefined ? {} : { parent: options.parent }),
  };
}

const hashes = new WeakMap<AnyMethod, string>();
const entries = new WeakMap<AnyMethod, URL>();

/** The file of a method that is not of the catalogue: its code's hash covers what that file imports. */
export function setCodeFile(method: AnyMethod, file: URL): void {
  entries.set(method, file);
}

/** The hash of a method's code. */
export function codeHash(method: AnyMethod): string {
  let hash = hashes.get(method);
  if (hash === undefined) {
    const file = entries.get(method) ?? new URL(`../methods/${method.id}${extension}`, import.meta.url);
    hash =
      builtHashes()[method.id] ??
      (existsSync(file) ? hashOfFiles(file) : sha256(`${method.id}\n${method.run.toString()}`));
    hashes.set(method, hash);
  }
  return hash;
}

let built: Readonly<Record<string, string>> | undefined;

/** In a built package: the hashes of the source it was built from, so that both name the same code alike. */
function builtHashes(): Readonly<Record<string, string>> {
  const file = new URL('../code-hashes.json', import.meta.url);
  built ??= existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>) : {};
  return built;
}

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

function hashOfFiles(entry: URL): string {
  const seen = new Map<string, string>();
  const visit = (file: URL): void => {
    if (seen.has(file.href)) return;
    const text = readFileSync(file, 'utf8');
    seen.set(file.href, text);
    for (const match of text.matchAll(/(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g)) {
      const next = new URL(match[1]!, file);
      if (/\/(?:methods|kit|lab|loop)\/[^?]*$/.test(next.pathname) && existsSync(next)) visit(next);
    }
  };
  visit(entry);
  // By content and last path part only: the same code in another folder is the same code.
  const parts = [...seen].map(([href, text]) => `${fileURLToPath(href).split(/[/\\]/).at(-1)}\n${sha256(text)}`);
  return sha256(parts.sort().join('\n'));
}
