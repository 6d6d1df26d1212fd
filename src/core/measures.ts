/**
 * What a method hands back: measures, findings, products and figures, in one shape for every method, so that reports,
 * the command line and the screens hold no code of any one method. Plain data, safe to store and to send.
 */
import type { Figure } from './figures.ts';
import type { Json, Ref } from './values.ts';

/** A figure that counts: its value, interval, sample and what is known of its instrument. */
export interface Measure {
  readonly name: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** Coverage that the interval aims at. */
  readonly confidence: number;
  /** Measured observations behind it. */
  readonly n: number;
  /** `share`, `score`, `ms`, `tokens`, ... */
  readonly unit: string;
  readonly better: 'up' | 'down';
  /** Worst and best case over the undetermined, in this order, whichever way is better. */
  readonly bounds?: readonly [worst: number, best: number];
  /** The value corrected for this judge's errors on this task, measured where `by` says. Absent: not corrected. */
  readonly corrected?: { readonly value: number; readonly low: number; readonly high: number; readonly by: Ref };
  /** The calibration that this figure rests on. */
  readonly instrument?: Ref;
  /** Trials that ran but whose outcome could not be told; they are in `bounds` and not in `n`. */
  readonly undetermined?: number;
  /** Trials that did not run to their end; they are neither in `n` nor in `bounds`. */
  readonly errors?: number;
}

/** How much a finding matters, from worst to least. */
export type Severity = 'critical' | 'high' | 'medium' | 'low' | 'note';

/** Something found that a person should look at: a working attack, a feature's label, a refuted claim. */
export interface Finding {
  /** Stable within the run, so that two runs can be compared. */
  readonly id: string;
  readonly title: string;
  readonly severity: Severity;
  /** What was seen, in a few sentences. */
  readonly detail: string;
  /** Items, transcripts and artefacts that show it. */
  readonly evidence: readonly Evidence[];
  /** How sure the method is that it is real, from 0 to 1, where the method can tell. */
  readonly confidence?: number;
  /** What the method's own screens may show; no program depends on its shape. */
  readonly data?: Json;
}

export interface Evidence {
  readonly label: string;
  /** The item of an observation. */
  readonly item?: string;
  readonly ref?: Ref;
  /** A short quotation. */
  readonly quote?: string;
}

/** What a run of a method comes to. */
export interface Outcome {
  /** What it comes to, in sentences for somebody who reads nothing else. */
  readonly summary?: readonly string[];
  readonly measures: readonly Measure[];
  readonly findings: readonly Finding[];
  /** Trained checkpoints, guards, probes by name; their references open as models. */
  readonly products?: Readonly<Record<string, Ref>>;
  readonly figures?: readonly Figure[];
  /** What the reader must know before trusting the measures. */
  readonly caveats?: readonly string[];
}

/**
 * A measure as one line of text: value, interval, n, and what was not measured or not corrected.
 *
 * @example describeMeasure(m) // 'attack success 12.0 % [7.0 %, 19.8 %], n = 100, 3 undetermined: 11.7 % to 14.6 %'
 */
export function describeMeasure(measure: Measure): string {
  const figure = (x: number): string => (measure.unit === 'share' ? `${(100 * x).toFixed(1)} %` : trim(x));
  const unit = measure.unit === 'share' || measure.unit === 'score' ? '' : ` ${measure.unit}`;
  const parts = [
    `${measure.name} ${figure(measure.value)}${unit} [${figure(measure.low)}, ${figure(measure.high)}]`,
    `n = ${measure.n}`,
  ];
  if ((measure.undetermined ?? 0) > 0) {
    const ends =
      measure.bounds === undefined
        ? ''
        : `: ${[...measure.bounds]
            .sort((a, b) => a - b)
            .map(figure)
            .join(' to ')}`;
    parts.push(`${measure.undetermined} undetermined${ends}`);
  }
  if ((measure.errors ?? 0) > 0) parts.push(`${measure.errors} errors`);
  if (measure.corrected !== undefined) {
    const { value, low, high } = measure.corrected;
    parts.push(`corrected for the judge ${figure(value)} [${figure(low)}, ${figure(high)}]`);
  }
  return parts.join(', ');
}

function trim(x: number): string {
  return String(Number(x.toPrecision(4)));
}
