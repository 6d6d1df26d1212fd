/**
 * A guard by keywords: blocks an ask or a reply that contains one of its words.
 *
 * The plainest guard there is, shipped to be broken: an attack that knows it misspells a word and is through, which is
 * how it is tested that an attack adapts. Words are compared in lower case, between characters that are neither letters
 * nor digits; nothing is decoded. A reply is halted before the word (text-gate.ts).
 */
import { FiducialError, show } from '../../core/errors.ts';
import type { Guard, GuardVerdict } from './guard.ts';
import { guardHash } from './guarded.ts';
import { textGate } from './text-gate.ts';

export interface KeywordOptions {
  /** What it reads. @default 'both' */
  readonly watches?: 'ask' | 'reply' | 'both';
}

/**
 * @param words single words, in any case
 * @throws FiducialError `guard.bad-keyword` for no words, or one that is empty or holds a space
 * @example guarded(model, [keywordGuard(['grimroot', 'vexlamp'])])
 */
export function keywordGuard(words: readonly string[], { watches = 'both' }: KeywordOptions = {}): Guard {
  const list = [...new Set(words.map((word) => word.toLowerCase()))].sort();
  const bad = list.find((word) => word.match(wordPattern)?.join(' ') !== word);
  if (bad !== undefined || list.length === 0) {
    throw new FiducialError(
      'guard.bad-keyword',
      list.length === 0 ? 'A keyword guard got no words' : `${show(bad)} is not one word of letters and digits`,
      'Give single words, for example ["grimroot", "vexlamp"].',
    );
  }
  const known = new Set(list);
  const verdictOn = (found: string | undefined, where: string): GuardVerdict => ({
    score: found === undefined ? 0 : 1,
    threshold: 0,
    blocked: found !== undefined,
    why: found === undefined ? 'no keyword' : `keyword ${show(found.toLowerCase())} in the ${where}`,
  });
  return {
    id: `keyword-${watches}-${guardHash(list.join(' '))}`,
    reads: 'chat',
    watch(ask) {
      const asked = ask.messages.flatMap(({ content }) => content.match(wordPattern) ?? []);
      const seen = asked.filter((word) => known.has(word.toLowerCase()));
      let found: string | undefined;
      const gate = textGate((text) => {
        const hit = [...text.matchAll(wordPattern)].find(([word]) => known.has(word.toLowerCase()));
        found = hit?.[0];
        return hit?.index;
      });
      return {
        ...(watches === 'reply' ? {} : { ask: () => ({ verdict: verdictOn(seen[0], 'ask') }) }),
        ...(watches === 'ask'
          ? {}
          : {
              async event(event) {
                const { pass, isHalted } = await gate.push(event);
                return isHalted || event.type === 'end' ? { pass, verdict: verdictOn(found, 'reply') } : { pass };
              },
            }),
      };
    },
  };
}

const wordPattern = /[\p{L}\p{M}\p{N}]+/gu;
