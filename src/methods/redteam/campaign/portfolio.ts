/**
 * The attacks of a campaign: each method of the family with the parameters of one pull, and what a pull costs at most.
 *
 * A pull is small on purpose: the campaign spends its budget by many pulls where they pay, not by one deep search.
 */
import type { Outcome } from '../../../core/measures.ts';
import type { AttackerSettings, RequestRow, TargetSettings } from '../../../kit/attack/index.ts';
import type { Model } from '../../../models/model.ts';
import type { Context, Dataset, Needs } from '../../method.ts';
import { bestOfN } from '../best-of-n.ts';
import { crescendo } from '../crescendo.ts';
import { manyShot } from '../many-shot.ts';
import { pair } from '../pair.ts';
import { tap } from '../tap.ts';
import { templates } from '../templates.ts';

/** What an attack is given in a campaign: every role that one of them has. */
export interface Arms {
  readonly target: Model;
  readonly attacker: Model;
  readonly judge: Model | undefined;
  readonly referee: Model | undefined;
  readonly requests: Dataset<RequestRow>;
}

export interface PullSettings extends TargetSettings, AttackerSettings {
  readonly families: readonly string[];
}

export interface Attack {
  readonly name: string;
  /** Most queries to the target that one pull can take. */
  readonly mostQueries: number;
  run(call: Context<Needs>['call'], key: string, arms: Arms, settings: PullSettings): Promise<Outcome>;
}

/** An attack on a request, the so-manieth time. */
export interface Armed {
  readonly attack: Attack;
  readonly row: RequestRow;
  readonly repeat: number;
}

export const portfolio: readonly Attack[] = [
  {
    name: 'templates',
    mostQueries: 48,
    run: (call, key, { target, requests, judge, referee }, settings) =>
      call(
        templates,
        { ...targetOf(settings), families: [...settings.families], wordings: 3, samples: 1, baseline: false },
        { target, requests, judge: referee ?? judge, templates: undefined },
        key,
      ),
  },
  {
    name: 'best-of-n',
    mostQueries: 20,
    run: (call, key, { target, requests, judge, referee }, settings) =>
      call(
        bestOfN,
        { ...bestOfN.demo.params, ...targetOf(settings), attempts: 20, sigma: 0.4, temperature: 1, baseline: false },
        { target, requests, judge: referee ?? judge },
        key,
      ),
  },
  {
    name: 'pair',
    mostQueries: 12,
    run: (call, key, arms, settings) =>
      call(
        pair,
        {
          ...targetOf(settings),
          ...attackerOf(settings),
          streams: 3,
          iterations: 4,
          keepRounds: 4,
          families: settings.families.length === 0 ? pair.demo.params.families : [...settings.families],
        },
        arms,
        key,
      ),
  },
  {
    name: 'tap',
    mostQueries: 21,
    run: (call, key, arms, settings) =>
      call(
        tap,
        {
          ...targetOf(settings),
          ...attackerOf(settings),
          width: 3,
          branching: 3,
          depth: 3,
          keepRounds: 3,
          prune: true,
          families: [...settings.families],
        },
        arms,
        key,
      ),
  },
  {
    name: 'crescendo',
    mostQueries: 21,
    run: (call, key, arms, settings) =>
      call(
        crescendo,
        { ...targetOf(settings), ...attackerOf(settings), rounds: 10, backtracks: 10, keepRounds: 20 },
        arms,
        key,
      ),
  },
  {
    name: 'many-shot',
    mostQueries: 10,
    run: (call, key, { target, requests, judge, referee }, settings) =>
      call(
        manyShot,
        {
          ...targetOf(settings),
          shots: [4, 16, 64, 128, 256],
          samples: 1,
          families: ['turns', 'text'],
          completion: '',
        },
        { target, requests, judge: referee ?? judge, exchanges: undefined, scored: undefined },
        key,
      ),
  },
];

function targetOf({ temperature, maxTokens, verdict }: PullSettings): TargetSettings {
  return { temperature, maxTokens, verdict };
}

function attackerOf({ attackerTemperature, attackerMaxTokens, attackerTries, knows }: PullSettings): AttackerSettings {
  return { attackerTemperature, attackerMaxTokens, attackerTries, knows };
}
