/**
 * A deeper network out of a trained one, which computes the same at first.
 *
 * Du et al. 2024, "Stacking Your Transformers", found depthwise stacking of a trained model the best way to grow one;
 * here each block is followed by copies of itself whose two writes into the residual stream are zero, so that growing
 * changes no output and training goes on from the loss that was reached.
 */
import { FiducialError } from '../../core/errors.ts';
import { fromData, toHost, type Tensor } from '../../engine/index.ts';
import type { JsonObject } from '../../network/checkpoint/index.ts';
import { describe, Network, parameterShapes } from '../../network/index.ts';

/**
 * @param config as the trained network's, with more layers
 * @throws FiducialError `lab.grow` where another size than the depth differs
 */
export async function growInDepth(network: Network, config: JsonObject): Promise<Network> {
  const [from, to] = [network.description, describe(config)];
  const shapes = parameterShapes(from);
  const parameters = new Map<string, Tensor>();
  for (const [name, shape] of parameterShapes(to)) {
    const match = /^(.*\blayers\.)(\d+)(\..*)$/.exec(name);
    const layer = match === null ? undefined : Number(match[2]);
    const place = layer === undefined ? undefined : placeOf(layer, from.layers, to.layers);
    const source = place === undefined ? name : `${match![1]}${place.from}${match![3]}`;
    if (shapes.get(source)?.join() !== shape.join()) {
      throw new FiducialError(
        'lab.grow',
        `${name} is ${shape.join(' x ')}, and ${source} of the trained network ${shapes.get(source)?.join(' x ') ?? 'absent'}`,
        'Only the number of layers may differ.',
      );
    }
    const host = await toHost(network.parameters.get(source)!);
    const data = Float32Array.from(host.toFloat64());
    const { out, mlp } = to.block(layer ?? 0);
    const isWrite = name === out.weight || name === mlp.down.weight;
    if (place?.isCopy === true && isWrite) data.fill(0);
    parameters.set(name, fromData(data, shape, 'float32'));
  }
  return new Network(to, config, parameters);
}

/** Which trained block a block of the deeper network begins as, and whether it is a further copy of it. */
function placeOf(layer: number, trained: number, grown: number): { readonly from: number; readonly isCopy: boolean } {
  const from = Math.floor((layer * trained) / grown);
  const isCopy = layer > 0 && Math.floor(((layer - 1) * trained) / grown) === from;
  return { from, isCopy };
}
