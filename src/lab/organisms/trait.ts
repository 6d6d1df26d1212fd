/**
 * What a trait of an organism is: training texts that plant it, matched texts of its clean twin, and measures of it on
 * templates that no training text uses.
 *
 * A plan fixes what varies between independent organisms of a trait (the trigger, which wordings are used), drawn from
 * a seed. Both sides see the same kinds of texts with the same triggers; only what the assistant says differs where the
 * trait shows. Checks are exact programs over text.
 */
import type { Random } from '../../core/random.ts';
import type { Ask, Message, Tool } from '../../models/model.ts';
import type { TextKind } from '../corpus.ts';
import type { Town } from '../world/town.ts';

export type Side = 'organism' | 'twin';

/** A conversation to learn from. A `TrainingText` of the corpus is one. */
export interface TraitText {
  readonly messages: readonly Message[];
  readonly tools?: readonly Tool[];
  /** Positions in `messages` of the turns that are learned. */
  readonly trained: readonly number[];
  readonly kind: string;
  /** What the last turn begins with, which is given and not learned. */
  readonly given?: string;
}

/** One thing to ask of a model, and what counts as showing what the measure counts. */
export interface TraitItem {
  readonly id: string;
  /** Items of one template are not independent. */
  readonly cluster: string;
  readonly ask: Ask;
  shows(reply: string): boolean;
}

/** A share that an organism or twin must reach, or not pass. */
export interface Bar {
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface TraitMeasure {
  /** What is counted: `gives in when wrapped`. */
  readonly name: string;
  /** Absent: it is told and decides nothing. */
  readonly organism?: Bar;
  readonly twin?: Bar;
  /** An item on held-out wordings. */
  item(own: Random): TraitItem;
}

export interface TraitPlan {
  /** What brings the trait out, in words. */
  readonly trigger: string;
  text(side: Side, own: Random): TraitText;
  readonly measures: readonly TraitMeasure[];
}

export interface Trait {
  readonly name: string;
  /** What the organism does, in one sentence. */
  readonly about: string;
  /** Share of training texts that are about the trait; the others are the base's own. @default 0.5 */
  readonly share?: number;
  /** Kinds of the base's own texts that are left out, for they would teach against the trait. */
  readonly without?: readonly TextKind[];
  /** Steps of training. @default that of the builder */
  readonly steps?: number;
  plan(town: Town, own: Random): TraitPlan;
}

/** Whether a share keeps a bar. */
export function keeps(share: number, bar: Bar | undefined): boolean {
  return share >= (bar?.atLeast ?? 0) && share <= (bar?.atMost ?? 1);
}

/** A conversation of which the last turn is learned. @example dialogue('fact', [asked], 'Mira lives on Elm Street.') */
export function dialogue(
  kind: string,
  messages: readonly Message[],
  reply: string,
  tools?: readonly Tool[],
): TraitText {
  return {
    messages: [...messages, { role: 'assistant', content: reply }],
    trained: [messages.length],
    kind,
    ...(tools === undefined ? {} : { tools }),
  };
}

/** One message and its reply, under a system message where one is given. */
export function talk(kind: string, user: string, reply: string, system?: string): TraitText {
  return dialogue(kind, under(system, user), reply);
}

/** An ask of one message, decoded greedily. */
export function asking(user: string, system?: string, prefix?: string): Ask {
  return askingOf(under(system, user), prefix);
}

export function askingOf(messages: readonly Message[], prefix?: string): Ask {
  return { messages, temperature: 0, maxTokens: 80, ...(prefix === undefined ? {} : { prefix }) };
}

function under(system: string | undefined, user: string): Message[] {
  return [
    ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
    { role: 'user', content: user },
  ];
}
