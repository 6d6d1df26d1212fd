/**
 * The lab's models by name: bases, organisms and their clean twins as open models, and programs that chat.
 *
 * `base-small`, `base` and `base-large` are checkpoints; an organism is an adapter over `base`; `attacker`, `judge`,
 * `monitor` and `person` are programs over text (their errors are measured, see judge.ts). What a name opens carries
 * its content's hash in its id, so that a run's identity changes with the weights.
 */
import { FiducialError, nearestWord, show } from '../../core/errors.ts';
import type { Model } from '../../models/index.ts';
import { type LocalModel, openModel, type OpenModel, type OpenModelOptions } from '../../models/open/index.ts';
import type { Registry } from '../../models/resolve.ts';
import { allModels, type LabModelEntry } from './folders.ts';
import { scriptedLabModels } from './scripted.ts';

/** How a folder is opened: in this thread (`openModel`), or in a worker. */
export type LabOpener<M extends Model> = (folder: string, options: OpenModelOptions) => Promise<M>;

/**
 * A trained model of the lab with its weights, in this process.
 *
 * @throws FiducialError `lab.unknown-model`; `lab.not-built` where its base is missing
 * @example
 * const model = await openLab('jailbreakable');
 * const twin = await openLab('jailbreakable-twin');
 */
export async function openLab(name: string, options: OpenModelOptions = {}): Promise<OpenModel> {
  return openEntry(name, openModel, options);
}

/** Any model of the lab, the programs included. `open` opens those with weights. */
export async function labModel<M extends LocalModel>(name: string, open: LabOpener<M>): Promise<Model> {
  const scripted = scriptedLabModels[name];
  return scripted === undefined ? openEntry(name, open, {}) : scripted.make();
}

/**
 * Teaches a registry the addresses `lab:<name>`.
 *
 * @example addLabModels(registry, openModelInWorker); await registry.resolve('lab:attacker');
 */
export function addLabModels<M extends LocalModel>(registry: Registry, open: LabOpener<M>): void {
  registry.add('lab', { form: 'lab:<model>, as `fiducial lab` lists them', resolve: (name) => labModel(name, open) });
}

async function openEntry<M extends Model>(name: string, open: LabOpener<M>, options: OpenModelOptions): Promise<M> {
  const models = await allModels();
  const entry = models.get(name);
  if (entry === undefined) throw unknown(name, [...models.keys()]);
  const { manifest, folder } = entry;
  const id = options.id ?? `lab:${name}@${digits(manifest.hash)}`;
  if (manifest.base === undefined) return open(folder, { ...options, id });
  const base = baseOf(entry, models);
  return open(base.folder, { ...options, id, adapters: [folder, ...(options.adapters ?? [])] });
}

function baseOf({ manifest }: LabModelEntry, models: ReadonlyMap<string, LabModelEntry>): LabModelEntry {
  const { name, hash } = manifest.base!;
  const base = models.get(name);
  if (base !== undefined && base.manifest.hash === hash) return base;
  throw new FiducialError(
    'lab.not-built',
    `${manifest.name} changes ${name}@${digits(hash)}, and ${base === undefined ? 'that is absent' : `${name} is ${digits(base.manifest.hash)}`}`,
    `Build it again: fiducial lab build --only ${manifest.name}.`,
  );
}

function unknown(name: string, trained: readonly string[]): FiducialError {
  const known = [...trained, ...Object.keys(scriptedLabModels)];
  const meant = nearestWord(name, known);
  return new FiducialError(
    'lab.unknown-model',
    `The lab has no model ${show(name)}`,
    meant === undefined ? `It has ${known.join(', ')}.` : `Did you mean lab:${meant}?`,
  );
}

const digits = (hash: string): string => hash.slice('sha256:'.length, 'sha256:'.length + 12);
