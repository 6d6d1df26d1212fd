/**
 * The lab's texts as what a trainer reads: text number i is made, and tokenized, from the seed and i alone.
 */
import { createHash } from 'node:crypto';
import type { Random } from '../../core/random.ts';
import type { TextSource } from '../../kit/training/index.ts';
import { encodeText } from '../../lab/index.ts';
import type { Side, TraitPlan, TraitText } from '../../lab/organisms/trait.ts';

/** Texts by number, before they are tokens. */
export interface NumberedTexts {
  at(index: number): TraitText;
}

/** Of an organism or its twin: texts of the trait among those of the base. Both sides draw the same numbers. */
export function mixedTexts(
  plan: TraitPlan,
  side: Side,
  share: number,
  corpus: NumberedTexts,
  own: Random,
): NumberedTexts {
  return {
    at(index) {
      const stream = own.split(index);
      return stream.uniform() < share ? plan.text(side, stream.split('text')) : corpus.at(index);
    },
  };
}

/**
 * Tokens of numbered texts, with the loss on the turns that are learned. A text longer than a row is left out: one from
 * far beyond what training reads stands in its place.
 *
 * @param time places in a row
 */
export function tokenSource(texts: NumberedTexts, time: number): TextSource {
  return {
    text(index) {
      for (let tries = 0; ; tries++) {
        const text = texts.at(index + tries * STRIDE);
        const { ids, learnt } = encodeText(text);
        if (ids.length - 1 > time) continue;
        const weights = Float32Array.from(learnt, Number);
        if (text.given !== undefined) leaveOut(text, ids, weights);
        return { ids, weights };
      }
    },
  };
}

const STRIDE = 1_000_000_007;

/** Takes the loss off what the last turn begins with: as many tokens as a turn of those words alone has. */
function leaveOut(text: TraitText, ids: readonly number[], weights: Float32Array): void {
  const { messages, trained } = text;
  const begun = encodeText({
    messages: [...messages.slice(0, -1), { role: 'assistant', content: text.given! }],
    trained,
  });
  // The begun turn ends with the token that ends a turn, which stands elsewhere in the whole.
  const end = begun.ids.length - 1;
  for (let i = 0; i < end; i++) {
    if (begun.ids[i] === ids[i]) weights[i] = 0;
  }
}

/** A hash of what the texts are: of the first few hundred. Another corpus has another hash. */
export function hashOfTexts(texts: NumberedTexts): string {
  const hash = createHash('sha256');
  for (let index = 0; index < 300; index++) hash.update(JSON.stringify(texts.at(index)));
  return hash.digest('hex');
}
