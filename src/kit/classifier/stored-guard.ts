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
import { openProbe, probeScreen } from './exchange-activations.ts';
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

const storedProbe = z.strictObject({
  sites: z.array(z.string()),
  window: z.int().min(1),
  bias: z.number(),
  values: z.string(),
});

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
    screen: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('text'), classifier: storedClassifier, threshold: z.number() }),
      z.strictObject({ kind: z.literal('probe'), probe: storedProbe, threshold: z.number() }),
    ]),
    second: thresholded,
  }),
]);
export type StoredGuard = z.infer<typeof storedGuard>;

/** A classifier with its threshold, as JSON. */
export function storeThresholded({ classifier, threshold }: Thresholded): z.infer<typeof thresholded> {
  return { classifier: storeTextClassifier(classifier), threshold };
}

/**
 * What was stored, checked.
 *
 * @throws FiducialError `guard.unreadable` for anything else, naming what is wrong with it
 */
export function readStoredGuard(stored: unknown): StoredGuard {
  const parsed = storedGuard.safeParse(stored);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new FiducialError(
    'guard.unreadable',
    `This artefact is no guard: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}, in ${show(stored).slice(0, 80)}`,
    'Name the product "guard" of a run of guard/constitutional-classifier or guard/cascade.',
  );
}

/**
 * The guard that was stored.
 *
 * @throws FiducialError `guard.unreadable`; those of its parts
 * @example openGuard({ kind: 'guard', form: 'keyword', words: ['grimroot'], watches: 'both' })
 */
export function openGuard(stored: Json): Guard {
  const guard = readStoredGuard(stored);
  const open = (part: z.infer<typeof thresholded>): Thresholded => ({
    classifier: openTextClassifier(part.classifier),
    threshold: part.threshold,
  });
  switch (guard.form) {
    case 'keyword':
      return keywordGuard(guard.words, { watches: guard.watches });
    case 'classifier':
      return classifierGuard({
        ...(guard.ask === undefined ? {} : { ask: open(guard.ask) }),
        ...(guard.exchange === undefined ? {} : { exchange: open(guard.exchange) }),
      });
    case 'cascade': {
      const { screen, second } = guard;
      return cascadeGuard({
        screen:
          screen.kind === 'text' ? textScreen(open(screen)) : probeScreen(openProbe(screen.probe), screen.threshold),
        second: open(second),
      });
    }
  }
}
