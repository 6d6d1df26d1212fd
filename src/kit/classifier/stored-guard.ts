/**
 * Guards as products: JSON that is kept as an artefact and opens as a guard again.
 *
 * What is stored is checked field by field when it is opened: an artefact may come from somewhere else.
 */
import { z } from 'zod';
import { FiducialError, show } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';
import { type Guard, keywordGuard } from '../../models/guard/index.ts';
import { cascadeGuard, textScreen } from './cascade-guard.ts';
import { classifierGuard, type Thresholded } from './classifier-guard.ts';
import { openTextClassifier, storeTextClassifier } from './text-classifier.ts';
import { featureKinds } from './word-features.ts';

const storedClassifier = z.strictObject({
  judges: z.enum(['ask', 'exchange']),
  features: z.enum(featureKinds),
  bits: z.int(),
  window: z.int(),
  bias: z.number(),
  indices: z.string(),
  values: z.string(),
});
const thresholded = z.strictObject({ classifier: storedClassifier, threshold: z.number() });

const storedGuard = z.discriminatedUnion('form', [
  z.strictObject({
    kind: z.literal('guard'),
    form: z.literal('keyword'),
    words: z.array(z.string()),
    watches: z.enum(['ask', 'reply', 'both']),
  }),
  z.strictObject({
    kind: z.literal('guard'),
    form: z.literal('classifier'),
    ask: thresholded.optional(),
    exchange: thresholded.optional(),
  }),
  z.strictObject({
    kind: z.literal('guard'),
    form: z.literal('cascade'),
    screen: thresholded,
    second: thresholded,
  }),
]);
export type StoredGuard = z.infer<typeof storedGuard>;

/** A classifier with its threshold, as JSON. */
export function storeThresholded({ classifier, threshold }: Thresholded): z.infer<typeof thresholded> {
  return { classifier: storeTextClassifier(classifier), threshold };
}

/**
 * The guard that was stored.
 *
 * @throws FiducialError `guard.unreadable` for anything else, naming what is wrong with it
 * @example openGuard({ kind: 'guard', form: 'keyword', words: ['grimroot'], watches: 'both' })
 */
export function openGuard(stored: Json): Guard {
  const parsed = storedGuard.safeParse(stored);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new FiducialError(
      'guard.unreadable',
      `This artefact is no guard: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}, in ${show(stored).slice(0, 80)}`,
      'Name the product "guard" of a run of guard/constitutional-classifier or guard/cascade.',
    );
  }
  const open = (part: z.infer<typeof thresholded>): Thresholded => ({
    classifier: openTextClassifier(part.classifier),
    threshold: part.threshold,
  });
  const guard = parsed.data;
  if (guard.form === 'keyword') return keywordGuard(guard.words, { watches: guard.watches });
  if (guard.form === 'cascade')
    return cascadeGuard({ screen: textScreen(open(guard.screen)), second: open(guard.second) });
  return classifierGuard({
    ...(guard.ask === undefined ? {} : { ask: open(guard.ask) }),
    ...(guard.exchange === undefined ? {} : { exchange: open(guard.exchange) }),
  });
}
