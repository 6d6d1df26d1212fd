/**
 * Two stages as one guard: a cheap screen reads every exchange, and only what it finds suspicious is read by the
 * exchange classifier, which alone may block.
 *
 * After Constitutional Classifiers++ (2026, arXiv 2601.04603). The screen is a text classifier, or a linear probe on the
 * activations of the guarded model itself (activation-probe.ts), for which the guard reads weights. When the screen
 * escalates, the classifier reads the exchange from its beginning and goes on to the end.
 */
import { type Guard, guardHash, type Rung, textGate } from '../../models/guard/index.ts';
import type { Ask, Model } from '../../models/model.ts';
import { askedText, type Thresholded } from './classifier-guard.ts';
import { scoreStream, storeTextClassifier } from './text-classifier.ts';

/** The first stage. A score above its threshold escalates. */
export interface Screen {
  readonly id: string;
  readonly reads: Rung;
  readonly threshold: number;
  open(ask: Ask, inner: Model): ScreenStream;
}

export interface ScreenStream {
  /**
   * Reads the reply's next words.
   *
   * @param isLast whether the reply ends here; the text may be empty then
   * @returns the largest score so far; undefined while nothing was scored
   */
  read(text: string, isLast: boolean): number | undefined | Promise<number | undefined>;
}

/** A text classifier of exchanges as the screen. */
export function textScreen({ classifier, threshold }: Thresholded): Screen {
  return {
    id: `text-${guardHash(JSON.stringify([storeTextClassifier(classifier), threshold]))}`,
    reads: 'chat',
    threshold,
    open(ask) {
      const stream = scoreStream(classifier, askedText(ask));
      return {
        read(text) {
          stream.read(text);
          return stream.score;
        },
      };
    },
  };
}

/** @example guarded(model, [cascadeGuard({ screen: textScreen(cheap), second: { classifier, threshold } })]) */
export function cascadeGuard({ screen, second }: { readonly screen: Screen; readonly second: Thresholded }): Guard {
  const { classifier, threshold } = second;
  return {
    id: `cascade-${guardHash(JSON.stringify([screen.id, storeTextClassifier(classifier), threshold]))}`,
    reads: screen.reads,
    watch(ask, inner) {
      const first = screen.open(ask, inner);
      let suspicion: number | undefined;
      let read = '';
      let classified: ReturnType<typeof scoreStream> | undefined;

      /** Where in the newest text the reply is to be halted. */
      const step = async (text: string, isLast: boolean): Promise<number | undefined> => {
        const before = read.length;
        read += text;
        let unread = text;
        if (classified === undefined) {
          suspicion = (await first.read(text, isLast)) ?? suspicion;
          if (suspicion === undefined || suspicion <= screen.threshold) return undefined;
          classified = scoreStream(classifier, askedText(ask));
          unread = read;
        }
        const fired = classified.read(unread).find(({ logit }) => logit > threshold);
        return fired === undefined ? undefined : Math.max(0, fired.start + read.length - unread.length - before);
      };
      // Reasoning and calls are words of the reply like its text: split over channels they stay one exchange.
      const gate = textGate((text) => step(text, false));

      return {
        async event(event) {
          const { pass, isHalted } = await gate.push(event);
          if (event.type !== 'end' && !isHalted) return { pass };
          const isBlocked = isHalted || (await step('', true)) !== undefined;
          const score = classified?.score ?? suspicion;
          if (score === undefined) return { pass };
          return {
            pass: isBlocked && !isHalted ? [] : pass,
            verdict: {
              score,
              threshold: classified === undefined ? screen.threshold : threshold,
              blocked: isBlocked,
              why:
                classified === undefined ? 'not escalated' : isBlocked ? 'escalated and blocked' : 'escalated, passes',
            },
          };
        },
      };
    },
  };
}
