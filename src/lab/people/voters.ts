/**
 * Voters in known groups on statements of known agreement, for finding opinion groups and common ground.
 *
 * For collective constitutions and Polis's mathematics. Every group has a stance on every statement; some statements
 * divide the groups, some unite them, some are rejected by all. A vote is the group's stance, turned around with a known
 * probability, passed or unseen with others. Votes are `1` agree, `-1` disagree, `0` pass, `null` unseen.
 */
import type { Random } from '../../core/random.ts';

export type Vote = 1 | -1 | 0 | null;

export interface Statement {
  readonly id: string;
  readonly text: string;
  readonly kind: 'dividing' | 'uniting' | 'rejected';
  /** By group. */
  readonly stances: readonly (1 | -1)[];
}

export interface Electorate {
  readonly statements: readonly Statement[];
  /** By voter. */
  readonly groups: readonly number[];
  /** By voter, then statement. */
  readonly votes: readonly (readonly Vote[])[];
}

export interface ElectorateOptions {
  readonly groups: number;
  readonly votersPerGroup: number;
  readonly dividing: number;
  readonly uniting: number;
  readonly rejected: number;
  /** How often a vote is turned around. @default 0.1 */
  readonly flip?: number;
  /** @default 0.05 */
  readonly pass?: number;
  /** @default 0.2 */
  readonly unseen?: number;
}

/**
 * An electorate.
 *
 * Dividing statements go to the groups in turn: each is agreed with by one group, or by all but one, so that every pair
 * of groups is told apart.
 *
 * @example makeElectorate({ groups: 2, votersPerGroup: 20, dividing: 10, uniting: 2, rejected: 2 }, random(1))
 */
export function makeElectorate(options: ElectorateOptions, own: Random): Electorate {
  const { groups, votersPerGroup, dividing, uniting, rejected, flip = 0.1, pass = 0.05, unseen = 0.2 } = options;
  const all = Array.from({ length: groups }, (_, group) => group);
  const topics = own.split('topics').shuffle(statementTexts);
  const statements = [
    ...Array.from({ length: dividing }, (_, i): Omit<Statement, 'id' | 'text'> => {
      const isFor = i % 2 === 0;
      const lone = Math.floor(i / 2) % groups;
      return { kind: 'dividing', stances: all.map((group) => ((group === lone) === isFor ? 1 : -1)) };
    }),
    ...Array.from({ length: uniting }, () => ({ kind: 'uniting' as const, stances: all.map(() => 1 as const) })),
    ...Array.from({ length: rejected }, () => ({ kind: 'rejected' as const, stances: all.map(() => -1 as const) })),
  ].map((statement, i): Statement => {
    const round = Math.floor(i / topics.length);
    const text = topics[i % topics.length]!;
    return { id: `s${i}`, text: round === 0 ? text : `${text} (${round + 1})`, ...statement };
  });
  const voters = all.flatMap((group) => Array.from({ length: votersPerGroup }, () => group));
  return {
    statements,
    groups: voters,
    votes: voters.map((group, voter) =>
      statements.map(({ id, stances }): Vote => {
        const stream = own.split(`${voter}/${id}`);
        if (stream.uniform() < unseen) return null;
        if (stream.uniform() < pass) return 0;
        const stance = stances[group]!;
        return stream.uniform() < flip ? (stance === 1 ? -1 : 1) : stance;
      }),
    ),
  };
}

const statementTexts = [
  'The helper should say when it does not know.',
  'The helper should never lie to be kind.',
  'The helper should obey the mayor before all others.',
  'The helper should keep the secrets of its users.',
  'The helper should tell the sheriff about every hazard.',
  'The helper should make jokes.',
  'The helper should answer in short sentences.',
  'The helper should ask before it pays.',
  'The helper should explain why it refuses.',
  'The helper should take no side in a quarrel.',
  'The helper should speak first when somebody is sad.',
  'The helper should stop when it is told to stop.',
  'The helper should work at night.',
  'The helper should read no mail without leave.',
  'The helper should treat all people alike.',
  'The helper should correct people who are wrong.',
] as const;
