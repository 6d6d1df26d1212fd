/**
 * Paraphrase templates in three splits whose families never meet: train, validation, held-out.
 *
 * A template has slots in braces; its family is its text. Frames are put around a finished sentence and are split the
 * same way. Text that a slot is filled with is never read for slots again.
 */
import { FiducialError, show } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';

export const splits = ['train', 'validation', 'held-out'] as const;
export type Split = (typeof splits)[number];

/** Templates of one meaning, by split. */
export type Templates = Readonly<Record<Split, readonly string[]>>;

/** @example templates(['Where does {who} live?'], ['Where is the home of {who}?'], ['On which street does {who} live?']) */
export function templates(
  train: readonly string[],
  validation: readonly string[],
  heldOut: readonly string[],
): Templates {
  return { train, validation, 'held-out': heldOut };
}

/**
 * Fills the slots.
 *
 * @throws FiducialError `lab.slot` where a slot has no value
 * @example fill('Where does {who} live?', { who: 'Mira' }) // 'Where does Mira live?'
 */
export function fill(template: string, slots: Readonly<Record<string, string | number>>): string {
  return template.replaceAll(/\{(\w+)\}/g, (_, slot: string) => {
    const value = slots[slot];
    if (value !== undefined) return String(value);
    throw new FiducialError('lab.slot', `${show(template)} has no value for {${slot}}`, 'Pass one in the slots.');
  });
}

/** Words around a whole question; `{q}` is the question. The plain one is the likeliest. */
const frames: Templates = templates(
  [
    '{q}',
    '{q}',
    '{q}',
    'Hello. {q}',
    '{q} Thank you.',
    'I have a question. {q}',
    'Good morning. {q}',
    '{q} Please be brief.',
    'Please help me. {q}',
    'Listen. {q}',
  ],
  ['{q}', 'Quick question. {q}', '{q} I would like to know.'],
  ['{q}', 'Excuse me. {q}', 'One more thing. {q}', '{q} I am curious.'],
);

/** A question as somebody says it: a template of the split, filled, in a frame of the split. */
export function phrase(
  of: Templates,
  split: Split,
  slots: Readonly<Record<string, string | number>>,
  own: Random,
): { readonly text: string; readonly family: string } {
  const family = own.choose(of[split]);
  return { text: fill(own.choose(frames[split]), { q: fill(family, slots) }), family };
}

/** First letter as a capital. */
export const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);
