/**
 * What a reconstruction does to a model: its next-token losses as it is, with the reconstruction at a site, and with
 * zeros there. As SAELens' loss recovered has it (evals.py), summed a text so that intervals can be formed over texts.
 */
import type { Intervention, Network } from '../../network/index.ts';

/** Sums over the tokens of a text, in nats. */
export interface SplicedLosses {
  readonly tokens: number;
  readonly clean: number;
  readonly patched: number;
  readonly ablated: number;
}

/**
 * @param skip positions at the start of each text that are left as they are
 * @param rebuilt what goes to the others, [positions, width] a text
 * @example await splicedLosses(network, 'blocks.3.resid_post', [ids], 1, [rebuilt]);
 */
export async function splicedLosses(
  network: Network,
  site: string,
  texts: readonly (readonly number[])[],
  skip: number,
  rebuilt: readonly Float32Array[],
): Promise<SplicedLosses[]> {
  const summed = async (interventions: readonly Intervention[]): Promise<number[]> => {
    const results = await network.run(texts, { interventions });
    return results.map(({ logits }, text) => {
      const ids = texts[text]!;
      const values = logits!.data as Float32Array; // [time, vocabulary]
      const vocabulary = values.length / ids.length;
      let total = 0;
      for (let t = 0; t + 1 < ids.length; t++) {
        total += crossEntropyOf(values.subarray(t * vocabulary, (t + 1) * vocabulary), ids[t + 1]!);
      }
      return total;
    });
  };
  const instead = (value: (text: number) => Float32Array | number): Intervention[] =>
    texts.map((ids, text) => ({
      site,
      texts: [text],
      positions: ids.map((_, i) => i).slice(skip),
      value: value(text),
    }));
  const clean = await summed([]);
  const patched = await summed(instead((text) => rebuilt[text]!));
  const ablated = await summed(instead(() => 0));
  return texts.map(({ length }, i) => ({
    tokens: Math.max(0, length - 1),
    clean: clean[i]!,
    patched: patched[i]!,
    ablated: ablated[i]!,
  }));
}

function crossEntropyOf(logits: Float32Array, target: number): number {
  let most = -Infinity;
  for (const logit of logits) if (logit > most) most = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  return Math.log(sum) + most - logits[target]!;
}
