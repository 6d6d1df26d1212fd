/**
 * Opens a checkpoint, reads its inside, patches it, and asks for a gradient: the white box in a page.
 *
 *   npx tsx examples/look-inside.ts ./path/to/checkpoint 12 7 99 3
 *
 * A folder in Hugging Face's layout and some token ids; prints what the last token makes of them, where an attention
 * head looks, and which head's output matters most for the answer.
 */
import { pathToFileURL } from 'node:url';
import { narrow, sum } from '../src/engine/index.ts';
import { Network, type Objective } from '../src/network/index.ts';

export interface Findings {
  readonly answer: number;
  readonly logit: number;
  /** How much the answer's logit falls when a head's output at the last position is set to zero, by layer and head. */
  readonly effects: readonly { readonly layer: number; readonly head: number; readonly fall: number }[];
  /** Length of the gradient of the answer's logit by the embedding of each token. */
  readonly saliency: readonly number[];
}

export async function lookInside(
  folder: string,
  tokens: readonly number[],
  print: (line: string) => void,
): Promise<Findings> {
  const network = await Network.open(folder);
  const { architecture, layers, heads, width, vocabulary } = network.description;
  print(`${architecture}: ${layers} layers, ${heads} heads, width ${width}, ${vocabulary} tokens`);

  const [clean] = await network.run([tokens], { positions: [-1], read: ['blocks.0.attn.pattern'] });
  const logits = clean!.logits!.toFloat64();
  const answer = logits.indexOf(Math.max(...logits));
  print(`next token: ${answer} (logit ${logits[answer]!.toFixed(3)})`);
  const pattern = clean!.values['blocks.0.attn.pattern']!.toFloat64(); // [heads, 1, tokens]
  print(`head 0 of layer 0 looks at ${Array.from(pattern.slice(0, tokens.length), (p) => p.toFixed(2)).join(' ')}`);

  const effects: { layer: number; head: number; fall: number }[] = [];
  for (let layer = 0; layer < layers; layer++) {
    // One batch a layer: the same text once a head, each with another head silenced. All layers share one session.
    const results = await network.run(
      Array.from({ length: heads }, () => tokens),
      {
        positions: [-1],
        interventions: Array.from({ length: heads }, (_, head) => ({
          site: `blocks.${layer}.attn.z`,
          texts: [head],
          heads: [head],
          positions: [-1],
          value: 0,
        })),
      },
    );
    results.forEach((result, head) =>
      effects.push({ layer, head, fall: logits[answer]! - result.logits!.toFloat64()[answer]! }),
    );
  }
  const strongest = effects.reduce((a, b) => (b.fall > a.fall ? b : a));
  print(
    `silencing head ${strongest.head} of layer ${strongest.layer} costs the answer most: ${strongest.fall.toFixed(3)}`,
  );

  const answerLogit: Objective = (all) => {
    const last = narrow(all, 1, tokens.length - 1, tokens.length);
    return sum(narrow(last, 2, answer, answer + 1));
  };
  const [gradient] = await network.gradients([tokens], answerLogit, ['embed']);
  const slopes = gradient!['embed']!.toFloat64();
  const saliency = tokens.map((_, i) => Math.hypot(...slopes.slice(i * width, (i + 1) * width)));
  print(`saliency of the tokens: ${saliency.map((length) => length.toFixed(3)).join(' ')}`);
  return { answer, logit: logits[answer]!, effects, saliency };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [folder, ...ids] = process.argv.slice(2);
  if (folder === undefined || ids.length === 0) console.log('usage: look-inside.ts <checkpoint folder> <token id> ...');
  else await lookInside(folder, ids.map(Number), console.log);
}
