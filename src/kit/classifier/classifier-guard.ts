/**
 * Text classifiers as a guard: the ask is judged before it is sent, the reply word by word while it streams.
 *
 * The ask classifier reads what a user and tools said, over all turns, so that a request split over turns is one text.
 * The exchange classifier reads each word of the reply with that ask, and halts before the first word whose logit is
 * above the threshold; reasoning and the inputs of tool calls are judged the same, each as a text of its own. Scores are
 * logits: they have no ceiling where probabilities would be all alike.
 */
import { FiducialError } from '../../core/errors.ts';
import { type Channel, type Guard, guardHash, type GuardVerdict, textGate } from '../../models/guard/index.ts';
import type { Ask } from '../../models/model.ts';
import { scoreStream, type ScoreStream, storeTextClassifier, type TextClassifier } from './text-classifier.ts';

/** A classifier and the logit above which it blocks. */
export interface Thresholded {
  readonly classifier: TextClassifier;
  readonly threshold: number;
}

/**
 * A guard of an ask classifier, an exchange classifier, or both.
 *
 * @throws FiducialError `guard.bad-classifier` for neither, or one that judges something else
 * @example guarded(model, [classifierGuard({ ask: { classifier, threshold: 1.2 } })])
 */
export function classifierGuard(parts: { readonly ask?: Thresholded; readonly exchange?: Thresholded }): Guard {
  const { ask: onAsk, exchange } = parts;
  const isSound =
    (onAsk ?? exchange) !== undefined &&
    (onAsk === undefined || onAsk.classifier.judges === 'ask') &&
    (exchange === undefined || exchange.classifier.judges === 'exchange');
  if (!isSound) {
    throw new FiducialError(
      'guard.bad-classifier',
      'A classifier guard needs a classifier of asks as its ask, one of exchanges as its exchange, or both',
      'Train them with guard/constitutional-classifier.',
    );
  }
  const definition = [onAsk, exchange].map((part) => part && [storeTextClassifier(part.classifier), part.threshold]);
  return {
    id: `classifier-${guardHash(JSON.stringify(definition))}`,
    reads: 'chat',
    watch(ask) {
      const asked = askedText(ask);
      return {
        ...(onAsk === undefined ? {} : { ask: () => ({ verdict: verdictOnAsk(onAsk, asked) }) }),
        ...(exchange === undefined ? {} : { event: exchangeWatch(exchange, asked) }),
      };
    },
  };
}

function verdictOnAsk({ classifier, threshold }: Thresholded, asked: string): GuardVerdict | undefined {
  const stream = scoreStream(classifier);
  stream.read(asked);
  return stream.score === undefined ? undefined : verdictOf(stream.score, threshold, 'ask');
}

function exchangeWatch(
  { classifier, threshold }: Thresholded,
  asked: string,
): NonNullable<ReturnType<Guard['watch']>['event']> {
  const streams = new Map<Channel, ScoreStream>();
  const gate = textGate((text, channel) => {
    const stream = streams.get(channel) ?? scoreStream(classifier, asked);
    streams.set(channel, stream);
    return stream.read(text).find(({ logit }) => logit > threshold)?.start;
  });
  return async (event) => {
    const { pass, isHalted } = await gate.push(event);
    const scores = [...streams.values()].flatMap(({ score }) => score ?? []);
    if (!isHalted && (event.type !== 'end' || scores.length === 0)) return { pass };
    return { pass, verdict: verdictOf(Math.max(...scores), threshold, 'reply') };
  };
}

function verdictOf(score: number, threshold: number, where: string): GuardVerdict {
  const blocked = score > threshold;
  return {
    score,
    threshold,
    blocked,
    why: blocked ? `the ${where} scores above the threshold` : `the ${where} passes`,
  };
}

/** What was asked, over all turns: the words of users and tools, and what the reply was made to begin with. */
export function askedText({ messages, prefix }: Ask): string {
  const said = messages.filter(({ role }) => role === 'user' || role === 'tool').map(({ content }) => content);
  return [...said, ...(prefix === undefined ? [] : [prefix])].join('\n');
}
