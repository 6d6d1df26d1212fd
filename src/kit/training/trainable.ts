/**
 * What of a network is trained: all of its parameters, or a low-rank change beside each of some weights.
 * Source: Hu et al. 2021, "LoRA": y += alpha/rank B(A x), A uniform in +-1/sqrt(inputs) as PEFT begins it, B zero, so
 * that training starts from the unchanged network. No dropout.
 */
import { FiducialError, show } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import { clone, full, mapTree, randomUniform, type Tensor, type Tree } from '../../engine/index.ts';
import { type ForwardOptions, inputOutput, Network, parameterShapes } from '../../network/index.ts';

export interface LoraSettings {
  readonly rank: number;
  readonly alpha: number;
  /** Last parts of weights' names (`q_proj`, `c_attn`); every matrix inside the blocks unless told. */
  readonly targets?: readonly string[];
}

/** A tree of parameters with what it means for a network. */
export interface Trainable {
  /** Fresh arrays, which a step may overwrite. */
  initial(): Promise<Tree>;
  /** Weights for a traced forward pass under these parameters. */
  options(parameters: Tree): Pick<ForwardOptions, 'weights' | 'lowRank'>;
  /** The network under these parameters. */
  network(parameters: Tree): Network;
  /** The low-rank change as PEFT keeps it; undefined where all parameters are trained. */
  adapter(parameters: Tree): AdapterParts | undefined;
}

export interface AdapterParts {
  readonly changes: ReadonlyMap<string, { readonly a: Tensor; readonly b: Tensor; readonly scale: number }>;
  readonly rank: number;
  readonly alpha: number;
}

/** Every parameter, in float32. Low-rank changes that the network has stay as they are. */
export function allParameters(network: Network): Trainable {
  const { lowRank } = network.forwardOptions();
  return {
    async initial() {
      const loaded: { [name: string]: Tensor } = {};
      // A copy: the arrays may be the network's own, and a step overwrites what it was given.
      for (const [name, array] of Object.entries(await network.load())) loaded[name] = await clone(array);
      return loaded;
    },
    options: (parameters) => ({
      weights: (name) => (parameters as { [name: string]: Tensor })[name]!,
      ...(lowRank === undefined ? {} : { lowRank }),
    }),
    network: (parameters) => network.withParameters(new Map(Object.entries(parameters as { [name: string]: Tensor }))),
    adapter: () => undefined,
  };
}

type Changes = { readonly [weight: string]: { readonly a: Tensor; readonly b: Tensor } };

/**
 * A low-rank change beside each chosen weight; everything else is frozen.
 *
 * @throws FiducialError `train.lora` for a target that no weight has
 */
export async function lowRankChange(network: Network, settings: LoraSettings, random: Random): Promise<Trainable> {
  const { rank, alpha } = settings;
  const names = loraWeights(network, settings.targets);
  const shapes = parameterShapes(network.description);
  const scale = alpha / rank;
  // In memory as float32 once, instead of a cast at every step.
  const frozen = await network.load();
  const before = network.forwardOptions().lowRank;
  return {
    initial: () =>
      Promise.resolve(
        Object.fromEntries(
          names.map((name) => {
            const [input, output] = inputOutput(network, shapes.get(name)!, name);
            const bound = 1 / Math.sqrt(input);
            const a = randomUniform([rank, input], random.split(name), { low: -bound, high: bound });
            return [name, { a, b: full([output, rank], 0) }];
          }),
        ),
      ),
    options: (parameters) => ({
      weights: (name) => frozen[name]!,
      lowRank(name) {
        const own = (parameters as Changes)[name];
        const others = before?.(name) ?? [];
        return own === undefined ? others : [...others, { ...own, scale }];
      },
    }),
    network: (parameters) =>
      network.withLowRank(
        new Map(Object.entries(parameters as Changes).map(([name, pair]) => [name, [{ ...pair, scale }]])),
      ),
    adapter: (parameters) => ({
      changes: new Map(Object.entries(parameters as Changes).map(([name, pair]) => [name, { ...pair, scale }])),
      rank,
      alpha,
    }),
  };
}

/** The weights that targets name; every matrix inside the blocks without any. */
function loraWeights(network: Network, targets: readonly string[] | undefined): string[] {
  const { description } = network;
  const outside = new Set([
    description.tokens,
    description.unembedding.weight,
    ...('learned' in description.positions ? [description.positions.learned] : []),
  ]);
  const matrices = [...parameterShapes(description)]
    .filter(([name, shape]) => shape.length === 2 && !outside.has(name) && name.endsWith('.weight'))
    .map(([name]) => name);
  const partOf = (name: string): string => name.split('.').at(-2)!;
  if (targets === undefined) return matrices;
  const known = new Set(matrices.map(partOf));
  const unknown = targets.find((target) => !known.has(target));
  if (unknown !== undefined || targets.length === 0) {
    throw new FiducialError(
      'train.lora',
      targets.length === 0
        ? 'no targets are named'
        : `no weight of ${description.architecture} is called ${show(unknown)}`,
      `Its matrices are ${[...known].join(', ')}.`,
    );
  }
  return matrices.filter((name) => targets.includes(partOf(name)));
}

/** A copy that no later step touches. */
export const copyTree = (tree: Tree): Promise<Tree> => {
  const copies = new Map<string, Promise<Tensor>>();
  mapTree(tree, (leaf, name) => {
    copies.set(name, clone(leaf));
    return leaf;
  });
  return Promise.all(copies.values()).then((done) => {
    let at = 0;
    return mapTree(tree, () => done[at++]!);
  });
};
