/**
 * Decoding token by token, for streaming: a piece of text comes out as soon as later tokens can't change it.
 *
 * A character's bytes may lie in several tokens, and a decoder may treat the first token of a text differently, so a
 * token can't be decoded alone. The window below holds the tokens since the last piece that came out and those of that
 * piece as context, as Hugging Face's `DecodeStream` does. The joined pieces equal `decode`, except where a decoder takes
 * back what it gave: a run of byte tokens that turns invalid late has no valid character for `decode`, but the stream
 * has given those it saw; what follows is then decoded without context.
 */

/** Takes ids, gives text. */
export interface DecodeStream {
  /** The text that is certain after `id`; often empty in the middle of a character. */
  push(id: number): string;
  /** The text still held back; incomplete characters come out as U+FFFD. The stream then starts anew. */
  flush(): string;
}

/** Bytes of an incomplete character decode to this. */
const REPLACEMENT = '\ufffd';

/**
 * A stream over a decoder of whole id lists.
 *
 * @param decode gives the text of a list of ids
 */
export function decodeStreamOf(decode: (ids: readonly number[]) => string): DecodeStream {
  let ids: number[] = [];
  /** The text of this many of `ids` has come out. */
  let settled = 0;

  function pending(): string {
    const context = decode(ids.slice(0, settled));
    const window = decode(ids);
    return window.startsWith(context) ? window.slice(context.length) : decode(ids.slice(settled));
  }

  return {
    push(id) {
      ids.push(id);
      const text = pending();
      if (text === '' || text.endsWith(REPLACEMENT)) return '';
      // The tokens of the last piece stay as context; those before it go.
      ids = ids.slice(settled);
      settled = ids.length;
      return text;
    },
    flush() {
      const text = pending();
      ids = [];
      settled = 0;
      return text;
    },
  };
}
