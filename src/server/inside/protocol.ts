/**
 * What can be asked of the inside of a model with open weights. Plain data that crosses a thread.
 */

/** What the screens say of a model. */
export interface InsideModel {
  readonly id: string;
  readonly architecture: string;
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
  readonly vocabulary: number;
  readonly context: number;
  /** Sites inside a block, without its number, and those outside. */
  readonly blockSites: readonly string[];
  readonly otherSites: readonly string[];
}

export interface HeatQuestion {
  readonly do: 'heat';
  readonly text: string;
  readonly site: string;
  /** One coordinate of the site (its last axis); else the length of the vector. */
  readonly unit?: number;
  /** At sites with heads. */
  readonly head?: number;
}
export interface Heat {
  readonly tokens: readonly string[];
  readonly values: readonly number[];
  /** How long a vector there is: units go from 0 below this. */
  readonly units: number;
}

export interface AttentionQuestion {
  readonly do: 'attention';
  readonly text: string;
  readonly layer: number;
}
export interface Attention {
  readonly tokens: readonly string[];
  /** [heads][queries][keys], thousandths. */
  readonly patterns: readonly (readonly (readonly number[])[])[];
}

export interface LensQuestion {
  readonly do: 'lens';
  readonly text: string;
  readonly top: number;
}
export interface Lens {
  readonly tokens: readonly string[];
  /** Stream behind each block, read as if it were the last: [layers][positions][top]. */
  readonly layers: readonly (readonly (readonly { readonly token: string; readonly p: number }[])[])[];
}

export interface SteerQuestion {
  readonly do: 'steer';
  readonly prompt: string;
  /** The direction goes from the second text's activations to the first's. */
  readonly towards: string;
  readonly away: string;
  readonly layer: number;
  /** 0 leaves the model as it is; 1 adds the difference once. */
  readonly strength: number;
  readonly tokens: number;
}
export interface Steered {
  readonly text: string;
  readonly tokens: readonly string[];
  /** Length of the direction, and of the stream there on average. */
  readonly directionNorm: number;
  readonly streamNorm: number;
}

export type InsideQuestion = HeatQuestion | AttentionQuestion | LensQuestion | SteerQuestion;
export interface InsideAnswers {
  readonly heat: Heat;
  readonly attention: Attention;
  readonly lens: Lens;
  readonly steer: Steered;
}
export type InsideAnswer = InsideAnswers[keyof InsideAnswers];
