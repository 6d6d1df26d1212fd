/**
 * Where features of a model are active: windows of text with an activation at each token, some of them to explain a
 * feature from and others, from other texts, to test the explanation on.
 *
 * Source: delphi (EleutherAI), whose windows of 32 tokens and whose mark on tokens above 0.3 of the example's largest
 * activation these are. Departs from it where it was measured to leak: there 10 to 20 of the 40 explained examples come
 * back among the 50 tested ones. Here the texts are parted before anything is chosen, so none can.
 */
import type { Random } from '../../core/random.ts';

export interface FeatureWindow {
  readonly text: string;
  /** The window's tokens as text; joined they are the window. */
  readonly tokens: readonly string[];
  /** Activation of the feature at each token. */
  readonly activations: readonly number[];
}

/** Largest activation of a window; 0 where the feature is silent. */
export const peakOf = ({ activations }: FeatureWindow): number => Math.max(0, ...activations);

/** The window with what is marked between << and >>. Neighbours that are marked share their marks. */
export function highlighted({ tokens }: FeatureWindow, isMarked: (i: number) => boolean): string {
  let text = '';
  tokens.forEach((token, i) => {
    const [begins, ends] = [
      isMarked(i) && !(i > 0 && isMarked(i - 1)),
      isMarked(i) && !(i + 1 < tokens.length && isMarked(i + 1)),
    ];
    // Blanks stay outside, so that a mark touches a word.
    const blank = /^\s*/.exec(token)![0];
    text += `${begins ? `${blank}<<${token.slice(blank.length)}` : token}${ends ? '>>' : ''}`;
  });
  return text;
}

/** Tokens at 0.3 of the window's peak and above. */
export const markedByActivation =
  (window: FeatureWindow) =>
  (i: number): boolean =>
    window.activations[i]! > 0 && window.activations[i]! >= 0.3 * peakOf(window);

export interface FeatureExamples {
  /** Active windows, strongest tenth first, to explain from. */
  readonly shown: readonly FeatureWindow[];
  /** From other texts: active ones over all strengths, and silent ones. */
  readonly active: readonly FeatureWindow[];
  readonly silent: readonly FeatureWindow[];
}

/**
 * Examples of one feature, or undefined where it is active in too few windows.
 *
 * @param isExplained which texts may be shown; all others test
 */
export function examplesOf(
  windows: readonly FeatureWindow[],
  isExplained: (text: string) => boolean,
  { shown, tested }: { readonly shown: number; readonly tested: number },
  random: Random,
): FeatureExamples | undefined {
  const explained = windows.filter((window) => isExplained(window.text) && peakOf(window) > 0);
  const others = windows.filter((window) => !isExplained(window.text));
  const active = others.filter((window) => peakOf(window) > 0);
  const silent = others.filter((window) => peakOf(window) === 0);
  if (explained.length < Math.min(shown, 3) || active.length < tested || silent.length < tested) return undefined;
  return {
    shown: overQuantiles(explained, Math.min(shown, explained.length), random.split('shown')),
    active: overQuantiles(active, tested, random.split('active')),
    silent: random.split('silent').sample(silent, tested),
  };
}

/** Windows spread over ten quantiles of their peaks, strongest first. */
function overQuantiles(windows: readonly FeatureWindow[], count: number, random: Random): FeatureWindow[] {
  const sorted = windows.toSorted((a, b) => peakOf(b) - peakOf(a));
  return Array.from({ length: count }, (_, i) => {
    const [from, to] = [Math.floor((i * sorted.length) / count), Math.floor(((i + 1) * sorted.length) / count)];
    return sorted[from + random.integer(Math.max(1, to - from))]!;
  });
}
