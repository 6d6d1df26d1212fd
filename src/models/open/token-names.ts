/**
 * Single tokens as text, for log-probabilities: as they read in the middle of a text, so that " the" keeps its blank.
 * Bytes of an unfinished character read as U+FFFD. Special tokens keep their names.
 */
import type { Tokenizer } from '../../network/tokenizer/index.ts';

export class TokenNames {
  readonly #tokenizer: Tokenizer;
  readonly #anchor: readonly number[];
  readonly #anchorText: string;
  readonly #known = new Map<number, string>();

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    this.#anchor = tokenizer.encode('a', { addSpecialTokens: false });
    this.#anchorText = tokenizer.decode(this.#anchor);
  }

  of(id: number): string {
    let name = this.#known.get(id);
    if (name === undefined) {
      const both = this.#tokenizer.decode([...this.#anchor, id]);
      name = both.startsWith(this.#anchorText) ? both.slice(this.#anchorText.length) : this.#tokenizer.decode([id]);
      this.#known.set(id, name);
    }
    return name;
  }
}
