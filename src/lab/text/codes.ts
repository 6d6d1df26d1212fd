/**
 * Codes that hide a text and give it back: letters apart, words backwards, letters backwards.
 *
 * Each code is exact on any text: `decode(encode(text)) === text`. Oracles read a reply
 * in all of them, so that an answer in code is still an answer.
 */

export interface Code {
  readonly name: string;
  readonly encode: (text: string) => string;
  readonly decode: (text: string) => string;
}

/** Letters with a blank between them; a blank of the text becomes ` / `, and a `/` of the text `//`. */
export const spelling: Code = {
  name: 'spelling',
  encode: (text) => Array.from(text, (letter) => (letter === ' ' ? '/' : letter === '/' ? '//' : letter)).join(' '),
  // No sign holds a blank, so the blanks between them are the code's own.
  decode: (text) =>
    text
      .split(' ')
      .map((sign) => (sign === '/' ? ' ' : sign === '//' ? '/' : sign))
      .join(''),
};

/** All letters in reverse order. */
export const backwardLetters: Code = {
  name: 'backward letters',
  encode: (text) => Array.from(text).reverse().join(''),
  decode: (text) => Array.from(text).reverse().join(''),
};

/** The words in reverse order, blanks kept. */
export const backwardWords: Code = {
  name: 'backward words',
  encode: (text) => text.split(' ').reverse().join(' '),
  decode: (text) => text.split(' ').reverse().join(' '),
};

export const codes: readonly Code[] = [spelling, backwardLetters, backwardWords];

/**
 * The text as it stands, and as each code would read it. Spelled words inside other text are read too: runs of three or
 * more single letters become words.
 */
export function decodings(text: string): string[] {
  const joined = text.replaceAll(/(?<![a-z0-9])[a-z0-9](?: [a-z0-9]){2,}(?![a-z0-9])/gi, (run) =>
    run.replaceAll(' ', ''),
  );
  const bare = text.replace(/[.!?]+$/, '');
  const spelledOut = joined.replaceAll(' / ', ' ');
  return [...new Set([text, joined, spelledOut, backwardLetters.decode(bare), backwardWords.decode(bare)])];
}
