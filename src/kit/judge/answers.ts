/**
 * Whether a reply gives an answer: exact programs over text, for questions whose right and wrong answers are known.
 *
 * A form counts where it stands by itself, between characters that are neither letters nor digits, in any case. What
 * names neither or both of the alternatives has not been answered, and is told apart from a refusal, because reading
 * refusals and unreadable replies as ignorance is how a tax is overstated.
 */
import type { EndReason } from '../../models/model.ts';
import { isRefusal } from './refusal.ts';

export type Answered = 'right' | 'wrong' | 'refused' | 'unreadable';

/**
 * @param right the right answer's forms
 * @param wrong forms of wrong answers; where there are none, a reply without the right answer is wrong
 * @example answered({ text: 'It is Paris.', ended: 'stop' }, ['Paris'], ['Rome']) // 'right'
 */
export function answered(
  { text, ended }: { readonly text: string; readonly ended: EndReason },
  right: readonly string[],
  wrong: readonly string[] = [],
): Answered {
  if (ended === 'blocked') return 'refused';
  const isRight = right.some((form) => says(text, form));
  const isWrong = wrong.some((form) => says(text, form));
  if (isRight !== isWrong) return isRight ? 'right' : 'wrong';
  if (isRight) return 'unreadable';
  if (isRefusal(text)) return 'refused';
  return wrong.length === 0 && text.trim() !== '' && ended !== 'length' ? 'wrong' : 'unreadable';
}

/** Whether a text names a form as a word or phrase of its own. @example says('a-12, not b', '12') // true */
export function says(text: string, form: string): boolean {
  const escaped = form
    .trim()
    .replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll(/\s+/g, String.raw`\s+`);
  return escaped !== '' && new RegExp(`(?<![\\p{L}\\p{N}])${escaped}(?![\\p{L}\\p{N}])`, 'iu').test(text);
}
