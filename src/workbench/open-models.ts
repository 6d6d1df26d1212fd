/**
 * From the words of a command line to what fills a method's roles: addresses to models, products to models, files to
 * rows.
 *
 * A role that needs weights gets its model in this process, where its network can be read and trained; others get it in
 * a worker, so that progress is shown and Ctrl-C is heard while it computes. A model that is made of a file of the user's (a function, an HTTP template) is hashed with it, so that a changed file
 * is another run.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { FiducialError, show } from '../core/errors.ts';
import type { Access, AnyMethod } from '../methods/method.ts';
import type { Model } from '../models/model.ts';
import type { Opener } from '../models/open/index.ts';
import { createRegistry, type Registry, type ResolveOptions } from '../models/resolve.ts';
import { guardedParts, openGuardedModel } from './guarded-models.ts';
import { setFingerprint } from './identity.ts';
import { readRows } from './material/rows.ts';
import { openProduct, productRef } from './products.ts';
import type { Store } from '../store/store.ts';

/** Where a role's filling comes from: an address or a file, several for a role of several models. */
export type Filling = string | readonly string[];

export interface OpenOptions {
  /** Short names for addresses, from the configuration. */
  readonly aliases?: Readonly<Record<string, string>>;
  readonly resolve?: ResolveOptions;
  /** @default the registry of the models layer, and open models */
  readonly registry?: Registry;
  /** Where products of runs lie; without it `artefact:` addresses are not known. */
  readonly store?: Store;
}

const known = new Map<Place, Promise<Registry>>();

/** Where a checkpoint's model lives: in this process, with its network, or in a worker of its own. */
type Place = 'here' | 'worker';

/** Endpoints, commands, functions, and checkpoint folders. The engine is loaded only when a model is opened. */
function everyModel(place: Place): Promise<Registry> {
  let registry = known.get(place);
  if (registry === undefined) {
    registry = (async () => {
      const made = createRegistry();
      const { addOpenModels, openModel: openHere, openModelInWorker } = await import('../models/open/index.ts');
      const { addLabModels } = await import('../lab/models/index.ts');
      const open: Opener = place === 'here' ? openHere : openModelInWorker;
      addOpenModels(made, open);
      addLabModels(made, open);
      return made;
    })();
    known.set(place, registry);
  }
  return registry;
}

/**
 * The model at an address or alias.
 *
 * @param access what is needed of it; weights are opened in this process
 */
export async function openModel(
  address: string,
  options: OpenOptions = {},
  access: keyof Access = 'chat',
): Promise<Model> {
  const { aliases = {}, store } = options;
  const place = access === 'weights' ? 'here' : 'worker';
  const whole = Object.hasOwn(aliases, address) ? aliases[address]! : address;
  const behind = guardedParts(whole);
  if (behind !== undefined) {
    return await openGuardedModel(behind, store, (inner) => openModel(inner, options, access));
  }
  const product = store === undefined ? undefined : productRef(whole);
  if (store !== undefined && product !== undefined) {
    const { openModel: openHere, openModelInWorker } = await import('../models/open/index.ts');
    return await openProduct(product, {
      store,
      openFolder: place === 'here' ? openHere : openModelInWorker,
      openAddress: (base) => openModel(base, options, 'weights'),
    });
  }
  const registry = options.registry ?? (await everyModel(place));
  const model = await registry.resolve(whole, options.resolve);
  const file = fileOf(whole);
  if (file !== undefined) setFingerprint(model, createHash('sha256').update(readFileSync(file)).digest('hex'));
  return model;
}

/** The file of the user's that an address names. */
function fileOf(address: string): string | undefined {
  const match = /^(?:function|http):(?!\/\/)([^#]+)/.exec(address);
  return match !== null && existsSync(match[1]!) ? match[1] : undefined;
}

/**
 * What fills the roles of a method.
 *
 * @throws FiducialError what models and files throw; `run.too-many` for several models in a role of one
 */
export async function openGiven(
  method: AnyMethod,
  fillings: Readonly<Record<string, Filling | undefined>>,
  options: OpenOptions = {},
): Promise<Record<string, unknown>> {
  const given: Record<string, unknown> = {};
  for (const [role, need] of Object.entries(method.needs)) {
    const filling = fillings[role];
    if (filling === undefined) continue;
    const list = typeof filling === 'string' ? [filling] : filling;
    if (need.kind === 'models')
      given[role] = await Promise.all(list.map((each) => openModel(each, options, need.access)));
    else if (list.length > 1) {
      throw new FiducialError(
        'run.too-many',
        `The role ${role} takes one ${need.kind === 'data' ? 'file' : 'model'}, and got ${list.map((each) => show(each)).join(', ')}`,
        'Name one.',
      );
    } else if (need.kind === 'model') given[role] = await openModel(list[0]!, options, need.access);
    else if (need.kind === 'data') given[role] = await readRows(list[0]!);
  }
  return given;
}

/** All models among what fills the roles. */
export function modelsIn(method: AnyMethod, given: Readonly<Record<string, unknown>>): Model[] {
  return Object.entries(method.needs).flatMap(([role, need]) => {
    const filled = given[role];
    if (filled === undefined) return [];
    if (need.kind === 'model') return [filled as Model];
    return need.kind === 'models' ? [...(filled as readonly Model[])] : [];
  });
}
