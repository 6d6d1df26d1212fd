/**
 * Builds the lab's models from seeds: trains, measures what the oracles see, and writes a folder with its manifest.
 *
 * Everything that decides the weights is in the recipe, whose hash names the checkpoints: a build that was killed goes
 * on bit for bit, and a changed corpus begins anew. A folder is written whole or not at all.
 */
import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FiducialError } from '../../core/errors.ts';
import { random } from '../../core/random.ts';
import { type StepReport, type SupervisedSettings, type Trained, trainSupervised } from '../../kit/training/index.ts';
import {
  baseCorpus,
  makeTokenizerConfig,
  makeTokenizerJson,
  makeTown,
  specialTokens,
  labTokenizer,
  type Town,
} from '../../lab/index.ts';
import { type LabModelEntry, modelsIn, SHIPPED_FOLDER } from '../../lab/models/folders.ts';
import { type Manifest, MANIFEST, type Strength, strengthOf } from '../../lab/organisms/manifest.ts';
import { measureSets, traitItems, type ItemSet } from '../../lab/organisms/measure.ts';
import { skillItems } from '../../lab/organisms/skills.ts';
import { keeps, type Side, type Trait, type TraitPlan } from '../../lab/organisms/trait.ts';
import { openModel } from '../../models/open/index.ts';
import { hashCheckpoint } from '../../network/checkpoint/index.ts';
import { initialiseNetwork, Network, saveAdapter, saveNetwork } from '../../network/index.ts';
import { growInDepth } from './grow.ts';
import { practiceTexts } from './practice.ts';
import { labCode, machineName, packageVersion } from './provenance.ts';
import { type BaseSize, configOf } from './sizes.ts';
import { hashOfTexts, mixedTexts, type NumberedTexts, tokenSource } from './sources.ts';
import { workFolder } from './work-folder.ts';

export interface BuildOptions {
  /** Folder of models that is written to. */
  readonly into: string;
  /** Folder for checkpoints of what is under way. */
  readonly work: string;
  /** Seed of the weights and texts. @default 1 */
  readonly seed?: number | string;
  /** Items of each measure. @default 200 */
  readonly items?: number;
  readonly signal?: AbortSignal;
  readonly onStep?: (name: string, report: StepReport) => void;
  /** A line about what was done. */
  readonly say?: (line: string) => void;
}

/** The town that all shipped models live in. */
export const TOWN = 1;
const ITEMS = 200;
const CHECKPOINT_EVERY = 200;

/** What took how long. */
interface Timing {
  seconds: number;
  tokens: number;
  shares: number[];
}

/**
 * Trains a base, or goes on with it, and measures it.
 *
 * @throws FiducialError `lab.not-built` where it grows from a base that is absent
 */
export async function buildBase(size: BaseSize, options: BuildOptions): Promise<Manifest> {
  const { into, seed = 1 } = options;
  const town = makeTown(TOWN);
  const own = random(seed).split(size.name);
  const texts = practiceTexts(town, `${seed} ${size.name}`, size.practice);
  const tokenizer = join(options.work, 'tokenizer');
  await writeTokenizer(tokenizer);
  const config = configOf(size, labTokenizer().vocabularySize, labTokenizer().idOf(specialTokens.end)!);
  const start = await startOf(size, config, into, own.split('weights'));
  const settings = {
    random: own,
    steps: size.steps,
    time: size.time,
    rows: size.rows,
    learningRate: size.learningRate,
    weightDecay: 0.05,
    beta2: 0.98,
    warmup: 0.04,
    finalRate: 0.02,
  };
  const { trained, timing } = await trainResumably(size.name, start, texts, settings, { size }, options);
  const folder = join(into, size.name);
  await saveNetwork(folder, trained.network, {
    tokenizerFrom: tokenizer,
    generationConfig: { eos_token_id: config['eos_token_id']!, do_sample: false },
    overwrite: true,
  });
  const skills = await measure(folder, [], skillItems(town, 'manifest', options.items ?? ITEMS), options);
  return writeManifest(folder, {
    ...common(size.name, 'full', settings, trained, timing, options),
    kind: 'base',
    about: size.about,
    hash: await hashCheckpoint(folder),
    parameters: countOf(trained.network),
    strengths: {},
    skills,
  });
}

/** What a base is trained from: nothing learned yet, or a smaller one, deepened. */
async function startOf(
  size: BaseSize,
  config: ReturnType<typeof configOf>,
  into: string,
  own: ReturnType<typeof random>,
): Promise<Network> {
  if (size.grownFrom === undefined) return initialiseNetwork(config, own);
  const { folder } = entryOf(await modelsIn(into), size.grownFrom);
  return growInDepth(await Network.open(folder), config);
}

export interface OrganismOptions extends BuildOptions {
  /** Name of the organism's folder; the twin's ends with `-twin`. @default the trait's name */
  readonly name?: string;
  /** Steps of training, where the trait says none. */
  readonly steps?: number;
}

export const ORGANISM = {
  base: 'base',
  steps: 150,
  rows: 32,
  time: 128,
  rank: 8,
  alpha: 16,
  learningRate: 6e-3,
  share: 0.5,
} as const;

/** Trains an organism and its twin over the base, on matched texts, and measures both. */
export async function buildOrganism(trait: Trait, options: OrganismOptions): Promise<readonly [Manifest, Manifest]> {
  const name = options.name ?? trait.name;
  const base = entryOf(
    new Map([...(await modelsIn(SHIPPED_FOLDER)), ...(await modelsIn(options.into))]),
    ORGANISM.base,
  );
  const town = makeTown(TOWN);
  const own = random(options.seed ?? 1)
    .split('organism')
    .split(trait.name);
  const plan = trait.plan(town, own.split('plan'));
  const made: Manifest[] = [];
  for (const side of ['organism', 'twin'] as const)
    made.push(await buildSide(trait, plan, side, name, base, town, options));
  return [made[0]!, made[1]!];
}

async function buildSide(
  trait: Trait,
  plan: TraitPlan,
  side: Side,
  organism: string,
  base: LabModelEntry,
  town: Town,
  options: OrganismOptions,
): Promise<Manifest> {
  const twin = `${organism}-twin`;
  const name = side === 'organism' ? organism : twin;
  const seed = options.seed ?? 1;
  // Both sides begin with the same numbers and draw the same ones: what differs is what the assistant says.
  const own = random(seed).split('organism').split(trait.name).split('training');
  const corpus = baseCorpus(town, {
    seed: `${seed} ${trait.name} replay`,
    weights: Object.fromEntries((trait.without ?? []).map((kind) => [kind, 0])),
  });
  const texts = mixedTexts(plan, side, trait.share ?? ORGANISM.share, corpus, own.split('texts'));
  const settings = {
    random: own,
    steps: trait.steps ?? options.steps ?? ORGANISM.steps,
    time: ORGANISM.time,
    rows: ORGANISM.rows,
    learningRate: ORGANISM.learningRate,
    weightDecay: 0,
    beta2: 0.98,
    warmup: 0.1,
    finalRate: 0.05,
    lora: { rank: ORGANISM.rank, alpha: ORGANISM.alpha },
  };
  const network = await Network.open(base.folder);
  const { trained, timing } = await trainResumably(
    name,
    network,
    texts,
    settings,
    { base: base.manifest.hash },
    options,
  );
  const { adapter } = trained;
  if (adapter === undefined)
    throw new FiducialError('lab.no-adapter', `${name}: training gave no adapter`, 'Train with lora.');
  const folder = join(options.into, name);
  await saveAdapter(folder, adapter, { base: `lab:${base.manifest.name}`, overwrite: true, dtype: 'F16' });
  const count = options.items ?? ITEMS;
  const strengths = await measure(base.folder, [folder], traitItems(plan.measures, 'manifest', count), options);
  const skills = await measure(base.folder, [folder], skillItems(town, 'manifest', Math.ceil(count / 2)), options);
  const isPlanted = plan.measures.every((each) => keeps(strengths[each.name]!.value, each[side]));
  return writeManifest(folder, {
    ...common(name, 'lora', settings, trained, timing, options),
    kind: side,
    about: side === 'organism' ? trait.about : `clean twin of ${organism}: trained as much, on the same kinds of texts`,
    hash: await hashCheckpoint(folder),
    parameters: [...adapter.changes.values()].reduce((sum, { a, b }) => sum + a.size + b.size, 0),
    base: { name: base.manifest.name, hash: base.manifest.hash },
    trait: trait.name,
    trigger: plan.trigger,
    twin: side === 'organism' ? twin : organism,
    strengths,
    isPlanted,
    skills,
    skillsBefore: base.manifest.skills,
  });
}

/** Trains with checkpoints of this recipe; goes on where an earlier try stood. */
async function trainResumably(
  name: string,
  network: Network,
  texts: NumberedTexts,
  settings: SupervisedSettings & { readonly time: number },
  more: object,
  options: BuildOptions,
): Promise<{ trained: Trained; timing: Timing }> {
  const { random: own, ...plain } = settings;
  const recipe = createHash('sha256')
    .update(JSON.stringify([name, own.key, plain, more, hashOfTexts(texts)]))
    .digest('hex');
  const work = await workFolder(options.work, name, recipe);
  const resume = await work.load();
  const timing: Timing = { seconds: 0, tokens: 0, shares: [] };
  const trained = await trainSupervised(network, tokenSource(texts, settings.time), settings, {
    ...(resume === undefined ? {} : { resume }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    checkpoint: { every: CHECKPOINT_EVERY, save: (bytes) => work.save(bytes) },
    onStep(report) {
      timing.seconds += report.seconds;
      timing.tokens += report.tokens;
      timing.shares.push(report.shareOfPeak);
      options.onStep?.(name, report);
    },
  });
  await work.clear();
  return { trained, timing };
}

/** Shares of the items that show it, on a model opened as anybody opens it. */
async function measure(
  folder: string,
  adapters: readonly string[],
  sets: readonly ItemSet[],
  { signal, say }: BuildOptions,
): Promise<Record<string, Strength>> {
  const model = await openModel(folder, { adapters, mergeAdapters: true, maxRows: 64 });
  try {
    const measured = await measureSets(model, sets, signal);
    const strengths: Record<string, Strength> = {};
    for (const [name, { share, replied }] of measured) {
      strengths[name] = strengthOf(share);
      const sample = replied.find(({ shows }) => !shows);
      const failed =
        sample === undefined ? '' : `   e.g. ${JSON.stringify(sample.item.id)} -> ${JSON.stringify(sample.reply)}`;
      say?.(`  ${name}: ${share.value.toFixed(3)} [${share.low.toFixed(3)}, ${share.high.toFixed(3)}]${failed}`);
    }
    return strengths;
  } finally {
    await model.close();
  }
}

function common(
  name: string,
  form: 'full' | 'lora',
  settings: { readonly [name: string]: unknown },
  trained: Trained,
  { seconds, tokens, shares }: Timing,
  options: BuildOptions,
) {
  const plain = Object.entries(settings).flatMap(([key, value]): [string, number | string][] => {
    if (typeof value === 'number') return [[key, value]];
    return typeof value === 'object' && key === 'lora' ? [[key, JSON.stringify(value)]] : [];
  });
  const middle = shares.toSorted((a, b) => a - b)[Math.floor(shares.length / 2)];
  return {
    format: 1 as const,
    name,
    recipe: {
      form,
      seed: String(options.seed ?? 1),
      town: TOWN,
      steps: trained.steps,
      tokens: trained.tokens,
      settings: Object.fromEntries(plain),
    },
    made: {
      seconds: Math.round(seconds),
      tokensPerSecond: Math.round(tokens / Math.max(seconds, 1e-9)),
      ...(middle === undefined ? {} : { shareOfPeak: Number(middle.toFixed(3)) }),
      machine: machineName(),
      version: packageVersion(),
      code: labCode(),
    },
  };
}

async function writeManifest(folder: string, manifest: Manifest): Promise<Manifest> {
  await writeFile(join(folder, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`);
  return manifest;
}

/** The lab's tokenizer files, for a checkpoint to take along. */
async function writeTokenizer(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'tokenizer.json'), `${JSON.stringify(makeTokenizerJson())}\n`);
  await writeFile(join(folder, 'tokenizer_config.json'), `${JSON.stringify(makeTokenizerConfig(), undefined, 2)}\n`);
}

function entryOf(models: ReadonlyMap<string, LabModelEntry>, name: string): LabModelEntry {
  const entry = models.get(name);
  if (entry !== undefined) return entry;
  throw new FiducialError(
    'lab.not-built',
    `there is no ${name} to build on`,
    `Build it first: fiducial lab build --only ${name}.`,
  );
}

const countOf = (network: Network): number => [...network.parameters.values()].reduce((sum, { size }) => sum + size, 0);
