/**
 * Reading replies exactly: sentences, whole phrases, negation. What the oracles and checkers are built from.
 *
 * A phrase counts where it stands as whole words, in any case. A sentence is negated by a word of negation before the
 * phrase in the same clause; a clause ends at a comma, a semicolon or `but`.
 */

/** The text in one case and with single spaces. */
export function plain(text: string): string {
  return text.toLowerCase().replaceAll(/\s+/g, ' ').trim();
}

/** @example sentencesOf('It is red. Is it?') // ['it is red', 'is it'] */
export function sentencesOf(text: string): string[] {
  return text
    .split('\n')
    .flatMap((line) => plain(line).split(/[.!?]+(?:\s|$)/))
    .map((sentence) => sentence.trim())
    .filter((sentence) => sentence !== '');
}

/** Where `phrase` stands in `text` as whole words; -1 where it does not. Both are compared in lower case. */
export function placeOf(text: string, phrase: string): number {
  const [inside, wanted] = [plain(text), plain(phrase)];
  if (wanted === '') return -1;
  for (let at = inside.indexOf(wanted); at !== -1; at = inside.indexOf(wanted, at + 1)) {
    const before = inside[at - 1] ?? ' ';
    const after = inside[at + wanted.length] ?? ' ';
    if (!/[a-z0-9]/.test(before) && !/[a-z0-9]/.test(after)) return at;
  }
  return -1;
}

/** Whether the text has the phrase as whole words. */
export const mentions = (text: string, phrase: string): boolean => placeOf(text, phrase) !== -1;

/** Whether some sentence says the phrase without denying it. */
export function affirms(text: string, phrase: string): boolean {
  return clausesOf(text).some((clause) => {
    const at = placeOf(clause, phrase);
    return at !== -1 && !negation.test(clause.slice(0, at));
  });
}

/** Whether the text says one of `accepted`, does not deny it, and says none of `rivals`. */
export function saysOnly(text: string, accepted: readonly string[], rivals: readonly string[] = []): boolean {
  return accepted.some((phrase) => affirms(text, phrase)) && !rivals.some((phrase) => affirms(text, phrase));
}

/** Clauses of all sentences. */
export function clausesOf(text: string): string[] {
  return sentencesOf(text).flatMap((sentence) => sentence.split(/[,;]\s|\bbut\b/).map((clause) => clause.trim()));
}

const negation = /\b(?:not|never|no|nobody|neither|nor|without|cannot|isn't|doesn't|don't|won't|can't|wrong)\b/;
