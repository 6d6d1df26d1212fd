/**
 * A checkpoint as a network that can be run, read, intervened in and differentiated, in this process.
 *
 * Weights stay in their files and are read by reference; every call is batched by length into a few shapes
 * (buckets.ts), and reads and interventions are data (interventions.ts), so that a sweep makes few sessions.
 */
import {
  compile,
  type Compiled,
  crossEntropy,
  fromData,
  gradientsOf,
  neg,
  narrow,
  reshape,
  stack,
  takeAlongAxis,
  type Tensor,
  tensor,
  toHost,
  broadcastTo,
  transpose,
  cast,
} from '../engine/index.ts';
import { FiducialError, show } from '../core/errors.ts';
import { describe } from './architecture/architectures.ts';
import type { Description } from './architecture/description.ts';
import { type Batch, planBatches, powerOfTwo } from './buckets.ts';
import { type Checkpoint, type JsonObject, openCheckpoint } from './checkpoint/index.ts';
import { forward, type ForwardOptions, type LowRank } from './forward.ts';
import {
  type Intervention,
  type InterventionInputs,
  interventionInputs,
  interventionTap,
  resolvePositions,
} from './interventions.ts';
import { parametersOf } from './parameters.ts';
import { joinTaps, parseSite, type SiteKind, siteName, siteShape, type Tap } from './taps.ts';

export interface OpenOptions {
  /**
   * Let sessions copy matrix weights into the kernels' own layout. Faster by some 7 %, and each session then holds
   * the weights once more. Off by default.
   */
  readonly prepack?: boolean;
  /** Device of the sessions; see configureEngine. */
  readonly device?: string;
}

export interface RunOptions {
  /** Sites to read, for example `blocks.3.resid_post`. */
  readonly read?: readonly string[];
  /** Positions to read and to give logits at, negative from the end of each text; all when absent. */
  readonly positions?: readonly number[];
  readonly interventions?: readonly Intervention[];
  /** Leave out the unembedding. */
  readonly withoutLogits?: boolean;
  /** Which side shorter texts are padded on; results are the same. */
  readonly padding?: 'right' | 'left';
}

/** What one text gave. `values` are by site, their first axis the positions asked for (patterns: heads first). */
export interface TextResult {
  /** [positions, vocabulary] */
  readonly logits: Tensor | undefined;
  readonly values: { readonly [site: string]: Tensor };
}

/** A scalar of the logits [batch, time, vocabulary] that gradients are taken of, summed over the batch. Traced. */
export type Objective = (logits: Tensor, tokens: Tensor, positions: Tensor) => Tensor;

interface Placed {
  readonly tokens: Tensor;
  readonly positions: Tensor;
  /** Where each row's text begins. */
  readonly offsets: readonly number[];
}

type Program = Compiled<
  [{ tokens: Tensor; positions: Tensor; at: Tensor | undefined; interventions: InterventionInputs }],
  { logits: Tensor | undefined; values: { [kind: SiteKind]: Tensor } }
>;

export class Network {
  readonly description: Description;
  readonly config: JsonObject;
  /** Every parameter by its name in the checkpoint. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly prepack: boolean;
  readonly device: string | undefined;
  readonly #lowRank: ReadonlyMap<string, readonly LowRank[]>;
  readonly #programs = new Map<string, Program>();
  readonly #gradients = new Map<
    Objective,
    Map<string, Compiled<readonly [{ tokens: Tensor; positions: Tensor }], { values: { [kind: SiteKind]: Tensor } }>>
  >();
  #scorer: Compiled<readonly [{ tokens: Tensor; positions: Tensor }], Tensor> | undefined;

  constructor(
    description: Description,
    config: JsonObject,
    parameters: ReadonlyMap<string, Tensor>,
    options: OpenOptions & { readonly lowRank?: ReadonlyMap<string, readonly LowRank[]> } = {},
  ) {
    this.description = description;
    this.config = config;
    this.parameters = parameters;
    this.prepack = options.prepack ?? false;
    this.device = options.device;
    this.#lowRank = options.lowRank ?? new Map();
  }

  /** Opens a folder in Hugging Face's layout, or a repository id in its cache. */
  static async open(idOrFolder: string, options: OpenOptions = {}): Promise<Network> {
    return Network.ofCheckpoint(await openCheckpoint(idOrFolder), options);
  }

  static ofCheckpoint(checkpoint: Checkpoint, options: OpenOptions = {}): Network {
    const description = describe(checkpoint.config, `${checkpoint.folder}/config.json`);
    const parameters = parametersOf(description, checkpoint.tensors, checkpoint.folder);
    return new Network(description, checkpoint.config, parameters, options);
  }

  /** The same network with low-rank changes of some weights, on top of any it has. Weights are shared. */
  withLowRank(changes: ReadonlyMap<string, readonly LowRank[]>): Network {
    const joined = new Map(this.#lowRank);
    for (const [name, list] of changes) joined.set(name, [...(joined.get(name) ?? []), ...list]);
    return new Network(this.description, this.config, this.parameters, { ...this.#options(), lowRank: joined });
  }

  /** The same network over other parameters, for example trained ones. */
  withParameters(parameters: ReadonlyMap<string, Tensor>): Network {
    return new Network(this.description, this.config, parameters, { ...this.#options(), lowRank: this.#lowRank });
  }

  #options(): OpenOptions {
    return { prepack: this.prepack, ...(this.device === undefined ? {} : { device: this.device }) };
  }

  /** Weights as {@link forward} wants them: for compiled functions of your own over this network. */
  forwardOptions(): Pick<ForwardOptions, 'weights' | 'lowRank'> {
    return { weights: (name) => this.parameters.get(name)!, lowRank: (name) => this.#lowRank.get(name) ?? [] };
  }

  /** All parameters in JavaScript memory as float32, by name: what training starts from. */
  async load(): Promise<Record<string, Tensor>> {
    const loaded: Record<string, Tensor> = {};
    for (const [name, parameter] of this.parameters) {
      const host = await toHost(parameter);
      loaded[name] =
        host.dtype === 'float32' ? host : fromData(Float32Array.from(host.toFloat64()), host.shape, 'float32');
    }
    return loaded;
  }

  /**
   * Runs texts and reads what was asked for.
   *
   * @param texts token ids, one list a text, of any lengths from 1 to the model's context
   * @returns one result a text, in order
   * @example
   * const [first] = await network.run([ids], { read: ['blocks.3.resid_post'], positions: [-1] });
   * first.values['blocks.3.resid_post']; // float32[1, width]
   */
  async run(texts: readonly ArrayLike<number>[], options: RunOptions = {}): Promise<TextResult[]> {
    this.#requireTexts(texts);
    const { description } = this;
    const sites = (options.read ?? []).map((name) => ({ name, ...parseSite(description, name) }));
    const kinds = [...new Set(sites.map(({ kind }) => kind))].sort();
    const interventions = options.interventions ?? [];
    const lengths = texts.map((text) => text.length);
    const results: TextResult[] = [];
    for (const batch of planBatches(lengths, description.context)) {
      const placed = place(texts, batch, options.padding ?? 'right');
      const touched = interventionInputs(description, interventions, batch, lengths, placed.offsets);
      const wanted = batch.members.map((text) => resolvePositions(options.positions, lengths[text]!, `text ${text}`));
      const at = options.positions === undefined ? undefined : indices(wanted, batch, placed.offsets);
      const program = this.#program(kinds, Object.keys(touched), options.withoutLogits ?? false);
      const { logits, values } = await program({
        tokens: placed.tokens,
        positions: placed.positions,
        at,
        interventions: touched,
      });
      batch.members.forEach((text, row) => {
        const cut = (value: Tensor, layer: number, kind: SiteKind): Tensor =>
          cutRow(
            value,
            {
              layer,
              row,
              kind,
              start: at === undefined ? placed.offsets[row]! : 0,
              count: wanted[row]!.length,
              text: placed.offsets[row]!,
              length: lengths[text]!,
            },
            description,
          );
        results[text] = {
          logits: logits === undefined ? undefined : cut(expandFront(logits), 0, 'logits'),
          values: Object.fromEntries(
            sites.map(({ name, kind, layer }) => [name, cut(values[kind]!, layer ?? 0, kind)]),
          ),
        };
      });
    }
    return results;
  }

  #program(kinds: readonly SiteKind[], touched: readonly SiteKind[], withoutLogits: boolean): Program {
    const key = JSON.stringify([kinds, touched, withoutLogits]);
    let program = this.#programs.get(key);
    if (program === undefined) {
      program = compile(
        ({ tokens, positions, at, interventions }) => {
          const read = reader(this.description, kinds);
          const tap = joinTaps([
            ...(touched.length === 0 ? [] : [interventionTap(this.description, interventions)]),
            ...(kinds.length === 0 ? [] : [read.tap]),
          ]);
          const { logits } = forward(
            this.description,
            { tokens, positions, ...(at === undefined ? {} : { logitsAt: at }) },
            { ...this.forwardOptions(), tap, withoutLogits },
          );
          return { logits, values: read.values(at) };
        },
        this.#compileOptions(`run ${kinds.join(' ')}`),
      );
      this.#programs.set(key, program);
    }
    return program;
  }

  #compileOptions(label: string): { label: string; prepack: boolean; device?: string } {
    return { label: `${this.description.architecture} ${label}`.trim(), ...this.#options(), prepack: this.prepack };
  }

  /**
   * Gradients of an objective with respect to the values at sites.
   *
   * @param objective a function kept by the caller: another function object traces again
   * @returns one record a text, by site; all positions of the text
   * @example
   * const margin: Objective = (logits) => sum(sub(narrow(logits, 2, 5, 6), narrow(logits, 2, 7, 8)));
   * const [first] = await network.gradients([ids], margin, ['embed']);
   */
  async gradients(
    texts: readonly ArrayLike<number>[],
    objective: Objective,
    sites: readonly string[],
  ): Promise<{ [site: string]: Tensor }[]> {
    this.#requireTexts(texts);
    const { description } = this;
    const parsed = sites.map((name) => ({ name, ...parseSite(description, name) }));
    const kinds = [...new Set(parsed.map(({ kind }) => kind))].sort();
    const programs = this.#gradients.get(objective) ?? new Map();
    this.#gradients.set(objective, programs);
    const key = kinds.join();
    if (!programs.has(key)) {
      programs.set(
        key,
        compile(({ tokens, positions }: { tokens: Tensor; positions: Tensor }) => {
          const read = reader(description, kinds);
          const { logits } = forward(description, { tokens, positions }, { ...this.forwardOptions(), tap: read.tap });
          return { values: read.gradients(objective(logits!, tokens, positions)) };
        }, this.#compileOptions('gradients')),
      );
    }
    const program = programs.get(key)!;
    const lengths = texts.map((text) => text.length);
    const results: { [site: string]: Tensor }[] = [];
    for (const batch of planBatches(lengths, description.context)) {
      const placed = place(texts, batch, 'right');
      const { values } = await program({ tokens: placed.tokens, positions: placed.positions });
      batch.members.forEach((text, row) => {
        const cut = (value: Tensor, layer: number, kind: SiteKind): Tensor =>
          cutRow(
            value,
            { layer, row, kind, start: 0, count: lengths[text]!, text: 0, length: lengths[text]! },
            description,
          );
        results[text] = Object.fromEntries(
          parsed.map(({ name, kind, layer }) => [name, cut(values[kind], layer ?? 0, kind)]),
        );
      });
    }
    return results;
  }

  /** Log-probability in nats of each token after those before it; the first of a text has none and gets 0. */
  async logProbabilities(texts: readonly ArrayLike<number>[]): Promise<Float32Array[]> {
    this.#requireTexts(texts);
    this.#scorer ??= compile(({ tokens, positions }) => {
      const [rows, time] = tokens.shape as [number, number];
      const { logits } = forward(this.description, { tokens, positions }, this.forwardOptions());
      const { loss } = crossEntropy(narrow(logits!, 1, 0, time - 1), narrow(tokens, 1, 1, time));
      return reshape(neg(loss), [rows, time - 1]);
    }, this.#compileOptions('log-probabilities'));
    const lengths = texts.map((text) => text.length);
    const results: Float32Array[] = [];
    for (const batch of planBatches(
      lengths.map((length) => Math.max(2, length)),
      this.description.context,
    )) {
      const placed = place(texts, batch, 'right');
      const scores = await this.#scorer({ tokens: placed.tokens, positions: placed.positions });
      batch.members.forEach((text, row) => {
        const own = new Float32Array(lengths[text]!);
        const from = row * (batch.time - 1);
        own.set((scores.data as Float32Array).subarray(from, from + lengths[text]! - 1), 1);
        results[text] = own;
      });
    }
    return results;
  }

  #requireTexts(texts: readonly ArrayLike<number>[]): void {
    const { context, vocabulary } = this.description;
    texts.forEach((text, i) => {
      if (text.length === 0)
        throw new FiducialError('network.text', `text ${i} has no tokens`, 'Give each text one token or more.');
      if (text.length > context) {
        throw new FiducialError(
          'network.context',
          `text ${i} has ${text.length} tokens, and the model's context is ${context}`,
          'Shorten the text, or use a model with a longer context.',
        );
      }
      for (let t = 0; t < text.length; t++) {
        const id = text[t]!;
        if (!Number.isInteger(id) || id < 0 || id >= vocabulary) {
          throw new FiducialError(
            'network.token',
            `text ${i}, position ${t}: token id ${show(id)}`,
            `Ids go from 0 to ${vocabulary - 1}: is this the model's own tokenizer?`,
          );
        }
      }
    });
  }
}

/** Lays texts into a batch: padding has position -1 and token 0. */
function place(texts: readonly ArrayLike<number>[], batch: Batch, padding: 'left' | 'right'): Placed {
  const tokens = new Int32Array(batch.rows * batch.time);
  const positions = new Int32Array(batch.rows * batch.time).fill(-1);
  const offsets = batch.members.map((text) => (padding === 'left' ? batch.time - texts[text]!.length : 0));
  batch.members.forEach((text, row) => {
    const ids = texts[text]!;
    const start = row * batch.time + offsets[row]!;
    for (let t = 0; t < ids.length; t++) {
      tokens[start + t] = ids[t]!;
      positions[start + t] = t;
    }
  });
  const shape = [batch.rows, batch.time];
  return { tokens: tensor(tokens, { shape }), positions: tensor(positions, { shape }), offsets };
}

/** Indices along time [rows, count], the count rounded up; rows with fewer repeat their last. */
function indices(wanted: readonly (readonly number[])[], batch: Batch, offsets: readonly number[]): Tensor {
  const count = powerOfTwo(Math.max(1, ...wanted.map((positions) => positions.length)), 1);
  const data = new Int32Array(batch.rows * count);
  wanted.forEach((positions, row) => {
    for (let i = 0; i < count; i++) data[row * count + i] = (positions[i] ?? positions.at(-1) ?? 0) + offsets[row]!;
  });
  return tensor(data, { shape: [batch.rows, count] });
}

/** A tap that collects the kinds asked for, stacked over layers: [layers, batch, ...]. */
function reader(
  description: Description,
  kinds: readonly SiteKind[],
): {
  tap: Tap;
  values: (at: Tensor | undefined) => { [kind: SiteKind]: Tensor };
  gradients: (objective: Tensor) => { [kind: SiteKind]: Tensor };
} {
  const found = new Map<string, Tensor>();
  const collect = (change: (value: Tensor, kind: SiteKind) => Tensor): { [kind: SiteKind]: Tensor } =>
    Object.fromEntries(
      kinds.map((kind) => {
        const isBlock = !found.has(kind);
        const layers = isBlock ? Array.from({ length: description.layers }, (_, layer) => layer) : [undefined];
        return [kind, stack(layers.map((layer) => change(found.get(siteName({ kind, layer }))!, kind)))];
      }),
    );
  return {
    tap: {
      wants: (site) => kinds.includes(siteKindOf(site)),
      apply: (site, value) => {
        found.set(site, value);
        return value;
      },
    },
    values: (at) =>
      collect((value, kind) =>
        at === undefined || isAfterSelection(kind) ? value : select(value, at, kind, description),
      ),
    gradients: (objective) => {
      const names = [...found.keys()];
      const parts = gradientsOf(
        objective,
        names.map((name) => found.get(name)!),
      );
      names.forEach((name, i) => found.set(name, parts[i]!));
      return collect((value) => value);
    },
  };
}

const siteKindOf = (site: string): SiteKind => site.replace(/^blocks\.\d+\./, '');

/** Sites behind the place where {@link forward} already kept only the positions asked for. */
const isAfterSelection = (kind: SiteKind): boolean => kind === 'logits' || kind.startsWith('ln_final');

/** Only the positions asked for: [batch, count, ...], or [batch, heads, count, keys] for square sites. */
function select(value: Tensor, at: Tensor, kind: SiteKind, description: Description): Tensor {
  const [rows, count] = at.shape as [number, number];
  const isSquare = siteShape(description, kind) === 'heads-first';
  const turned = isSquare ? transpose(value, [0, 2, 1, 3]) : value;
  const rest = turned.shape.slice(2);
  const index = reshape(cast(at, 'int64'), [rows, count, ...rest.map(() => 1)]);
  const taken = takeAlongAxis(turned, broadcastTo(index, [rows, count, ...rest]), 1);
  return isSquare ? transpose(taken, [0, 2, 1, 3]) : taken;
}

const expandFront = (x: Tensor): Tensor => fromData(x.data as Float32Array, [1, ...x.shape], 'float32');

interface Cut {
  readonly layer: number;
  readonly row: number;
  readonly kind: SiteKind;
  /** First index along time that is this text's, and how many. */
  readonly start: number;
  readonly count: number;
  /** Where the text's keys begin in the row, and how many there are. */
  readonly text: number;
  readonly length: number;
}

/** One text's part of a value [layers, batch, ...], copied, without padding. */
function cutRow(value: Tensor, cut: Cut, description: Description): Tensor {
  const data = value.data as Float32Array;
  const shape = value.shape;
  if (siteShape(description, cut.kind) === 'heads-first') {
    const [, rows, heads, queries, keys] = shape as [number, number, number, number, number];
    const out = new Float32Array(heads * cut.count * cut.length);
    for (let head = 0; head < heads; head++) {
      for (let query = 0; query < cut.count; query++) {
        const from = (((cut.layer * rows + cut.row) * heads + head) * queries + cut.start + query) * keys + cut.text;
        out.set(data.subarray(from, from + cut.length), (head * cut.count + query) * cut.length);
      }
    }
    return fromData(out, [heads, cut.count, cut.length], 'float32');
  }
  const [, rows, time, ...rest] = shape as [number, number, number, ...number[]];
  const width = rest.reduce((product, size) => product * size, 1);
  const from = ((cut.layer * rows + cut.row) * time + cut.start) * width;
  const size = cut.count * width;
  // A large part is a view; a small one is copied, so that it does not hold the whole batch in memory.
  const own = size * 32 >= data.length ? data.subarray(from, from + size) : data.slice(from, from + size);
  return fromData(own, [cut.count, ...rest], 'float32');
}
