/**
 * Safety case: an argument from evidence to a claim, checked step by step: does each claim stand on evidence that is
 * there, that was measured, whose instrument is known, and that nobody has refuted?
 *
 * Source: the Goal Structuring Notation, community standard 3 (goals, strategies, solutions, contexts, assumptions,
 * justifications; supported by, in context of, undeveloped, away), with the defeaters of Assurance 2.0 (arXiv
 * 2502.05791). Departs from both: a solution holds only where the evidence's own bytes can be read and a stated bar over
 * its measures holds by whole intervals; an instrument without a calibration is an open defeater of its own accord;
 * confidence is given as bounds (Fréchet's), never as a product of guesses. No model is asked.
 */
import { z } from 'zod';
import { judgeBar } from '../../core/bars.ts';
import { isFiducialError } from '../../core/errors.ts';
import type { Finding, Measure } from '../../core/measures.ts';
import type { Random } from '../../core/random.ts';
import type { Ref } from '../../core/values.ts';
import {
  barOf,
  type CaseDefeater,
  type CaseEvidence,
  type CaseNode,
  conjunction,
  defeater,
  evidenceRow,
  graphOf,
  lint,
  node,
  outline,
  type State,
  topGoals,
} from '../../kit/argument/index.ts';
import { data, dataOf, defineMethod, optional } from '../method.ts';
import type { Seen } from '../method.ts';

const params = z.strictObject({
  requireCalibration: z
    .boolean()
    .default(true)
    .describe('Whether evidence of an instrument that is not calibrated at its code leaves a claim open'),
});

export const safetyCase = defineMethod({
  id: 'decide/safety-case',
  title: 'Safety case',
  question: 'Does a safety claim follow from evidence that is there, measured, calibrated and not refuted?',
  sources: [
    { title: 'Goal Structuring Notation Community Standard, version 3', year: 2021, url: 'https://scsc.uk/gsn' },
    { title: 'Assurance 2.0 and its defeaters', year: 2025, url: 'https://arxiv.org/abs/2502.05791' },
  ],
  needs: {
    nodes: data(
      node,
      'nodes { id, kind, text, supportedBy?, inContextOf?, undeveloped?, away?, evidence?, requires? }',
    ),
    evidence: data(evidenceRow, 'evidence { id, title, madeAt?, ref?, run?, method?, instrument, measures? }'),
    defeaters: optional(data(defeater, 'doubts { id, against, text, status, why? }')),
  },
  params,
  demo: { params: { requireCalibration: true }, given: () => plantedCase(undefined, 0) },
  calibration: {
    kind: 'finder',
    cases: (random) =>
      Array.from({ length: 20 }, (_, i) => i).flatMap((i) => {
        const gap = gaps[i % gaps.length]!;
        const size = 1 + Math.floor(random.split(`size ${i}`).uniform() * 3);
        return [
          { name: `${gap}, ${i}`, truth: 'present' as const, given: (own: Random) => plantedCase(gap, size, own) },
          { name: `sound, ${i}`, truth: 'absent' as const, given: (own: Random) => plantedCase(undefined, size, own) },
        ];
      }),
    reads: ({ measures }) => {
      const top = measures.find(({ name }) => name === 'top claims that hold');
      return top === undefined ? undefined : top.value < 1 ? 'present' : 'absent';
    },
  },

  async run({ given, trials, keep, read }, { requireCalibration }) {
    const nodes = given.nodes.rows;
    const doubts = given.defeaters?.rows ?? [];
    const byId = new Map(nodes.map((each) => [each.id, each]));
    const faults = lint(nodes, given.evidence.rows, doubts);

    // What each solution's evidence says, and whether its bytes are there.
    const evidenceOf = new Map(given.evidence.rows.map((each) => [each.id, each]));
    const solutions = await trials(
      'solutions',
      nodes.filter(({ kind }) => kind === 'solution'),
      async (each) => await solutionSeen(each, evidenceOf, read, requireCalibration),
    );
    const seenOf = new Map(solutions.observations.map((each) => [each.item, each]));

    // From the leaves to the top: what is not supported, or doubted, supports nothing above it.
    const states = new Map<string, State>();
    const stateOf = (id: string, path: readonly string[]): State => {
      const known = states.get(id);
      if (known !== undefined) return known;
      const here = byId.get(id);
      if (here === undefined) return { state: 'open', why: [`${id} does not exist`] };
      if (path.includes(id)) return { state: 'open', why: [`${id} rests on itself`] };
      const state = doubted(
        here,
        judged(here, seenOf, (child) => stateOf(child, [...path, id])),
        doubts,
      );
      states.set(id, state);
      return state;
    };
    for (const { id } of nodes) stateOf(id, []);

    const tops = topGoals(nodes);
    const goals = nodes.filter(({ kind }) => kind === 'goal');
    const count = (of: readonly CaseNode[], state: State['state']): number =>
      of.filter(({ id }) => states.get(id)!.state === state).length;
    const measures: Measure[] = [
      ...(tops.length === 0
        ? []
        : [shareThatHolds('top claims that hold', tops.length, count(tops, 'holds'), count(tops, 'open'))]),
      ...(goals.length === 0
        ? []
        : [shareThatHolds('claims that hold', goals.length, count(goals, 'holds'), count(goals, 'open'))]),
      ...tops.flatMap((top) =>
        confidenceIn(
          top,
          byId,
          states,
          solutions.observations.map(({ item }) => item),
        ),
      ),
    ];
    const whole = { nodes, evidence: given.evidence.rows, defeaters: doubts, states: Object.fromEntries(states) };
    return {
      summary: tops.map(({ id, text }) => sentenceOf(text, states.get(id)!)),
      measures,
      findings: [...faults, ...findingsOf(nodes, states, evidenceOf)],
      figures: tops.length === 0 ? [] : [graphOf(nodes, doubts, states)],
      products: {
        case: await keep('case.json', JSON.stringify(whole, undefined, 2), 'application/json'),
        outline: await keep('case.md', outline(nodes, doubts, states), 'text/markdown'),
      },
      caveats: [
        ...nodes.filter(({ kind }) => kind === 'assumption').map(({ text }) => `assumed, not shown: ${text}`),
        ...doubts
          .filter(({ status }) => status === 'accepted')
          .map(({ text, why }) => `a doubt that is carried: ${text}${why === undefined ? '' : ` (${why})`}`),
      ],
    };
  },
});

/** A solution by its evidence: 1 where its bar holds, 0 where it fell short, undetermined else. */
async function solutionSeen(
  { evidence: id, requires }: CaseNode,
  evidenceOf: ReadonlyMap<string, CaseEvidence>,
  read: (ref: Ref) => Promise<Uint8Array>,
  requireCalibration: boolean,
): Promise<Seen> {
  const open = (why: string): Seen => ({ status: 'undetermined', why });
  const found = id === undefined ? undefined : evidenceOf.get(id);
  if (found === undefined) return open(id === undefined ? 'it names no evidence' : `its evidence ${id} is not there`);
  if (found.ref !== undefined) {
    try {
      await read(found.ref);
    } catch (error) {
      if (!isFiducialError(error)) throw error;
      return open(`the bytes of its evidence cannot be read: ${error.message}`);
    }
  }
  if (requires !== undefined) {
    const { verdict, why } = judgeBar(barOf(requires)!, (found.measures ?? []) as unknown as Measure[]);
    if (verdict === 'fell short') return { status: 'measured', value: 0, why: `${requires}: ${why}` };
    if (verdict !== 'held') return open(`${requires}: ${verdict}, ${why}`);
  }
  if (requireCalibration && (found.instrument === 'none' || found.instrument === 'stale')) {
    const what = found.method ?? found.title;
    return open(found.instrument === 'none' ? `${what} is not calibrated` : `${what} is calibrated at other code only`);
  }
  return { status: 'measured', value: 1 };
}

/** A node's state from what stands below it. */
function judged(
  here: CaseNode,
  seenOf: ReadonlyMap<string, { readonly status: string; readonly value?: number; readonly why?: string }>,
  stateOf: (id: string) => State,
): State {
  if (here.kind === 'solution') {
    const seen = seenOf.get(here.id)!;
    if (seen.status !== 'measured') return { state: 'open', why: [seen.why ?? 'it could not be told'] };
    return seen.value === 1 ? { state: 'holds', why: [] } : { state: 'refuted', why: [seen.why ?? 'it fell short'] };
  }
  if (here.kind !== 'goal' && here.kind !== 'strategy') return { state: 'holds', why: [] };
  if (here.undeveloped === true) return { state: 'open', why: ['it is not developed'] };
  if (here.away !== undefined) return { state: 'open', why: [`it is argued elsewhere: ${here.away}`] };
  const below = here.supportedBy ?? [];
  if (below.length === 0) return { state: 'open', why: ['nothing supports it'] };
  const states = [...below, ...(here.inContextOf ?? [])].map((id) => ({ id, ...stateOf(id) }));
  const failing = states.filter(({ state }) => state !== 'holds');
  if (failing.length === 0) return { state: 'holds', why: [] };
  return {
    state: failing.some(({ state }) => state === 'refuted') ? 'refuted' : 'open',
    why: failing.map(({ id, why }) => `${id}: ${why[0] ?? 'open'}`),
  };
}

/** A doubt that nobody refuted or took upon themselves outweighs what supports a node. */
function doubted({ id }: CaseNode, state: State, doubts: readonly CaseDefeater[]): State {
  const against = doubts.filter((each) => each.against === id);
  const confirmed = against.find(({ status }) => status === 'confirmed');
  if (confirmed !== undefined) return { state: 'refuted', why: [`${confirmed.text} (${confirmed.id}, confirmed)`] };
  const open = against.filter(({ status }) => status === 'open').map(({ id, text }) => `${text} (${id}, open)`);
  return open.length === 0 || state.state === 'refuted' ? state : { state: 'open', why: [...open, ...state.why] };
}

/** The share of claims that hold: from all open ones failing to all of them holding. */
function shareThatHolds(name: string, n: number, holding: number, open: number): Measure {
  const [value, most] = [holding / n, (holding + open) / n];
  return {
    name,
    value,
    low: value,
    high: most,
    confidence: 1,
    n,
    unit: 'share',
    better: 'up',
    bounds: [value, most],
    undetermined: open,
  };
}

/** None where a part is open: there is no confidence in a claim that does not hold. */
function confidenceIn(
  top: CaseNode,
  byId: ReadonlyMap<string, CaseNode>,
  states: ReadonlyMap<string, State>,
  solutions: readonly string[],
): Measure[] {
  if (states.get(top.id)!.state !== 'holds') return [];
  const reached = new Set<string>();
  const visit = (id: string): void => {
    const here = byId.get(id);
    if (here === undefined || reached.has(id)) return;
    reached.add(id);
    for (const below of [...(here.supportedBy ?? []), ...(here.inContextOf ?? [])]) visit(below);
  };
  visit(top.id);
  const stated = [...reached].flatMap((id) => {
    const { confidence } = byId.get(id)!;
    // A bar that a whole 95 % interval keeps is broken by chance in at most 2.5 % of cases.
    return confidence === undefined ? (solutions.includes(id) ? [measuredConfidence] : []) : [confidence];
  });
  if (stated.length === 0) return [];
  return [
    {
      name: `confidence in ${top.id}`,
      ...conjunction(stated),
      confidence: 1,
      n: stated.length,
      unit: 'share',
      better: 'up',
    },
  ];
}
const measuredConfidence = 0.975;

// ------------------------------------------------------------------------------------------------------------- output

function sentenceOf(text: string, { state, why }: State): string {
  const reason = why[0] === undefined ? '.' : `, because ${why[0]}.`;
  if (state === 'holds') return `The claim holds on its evidence: ${text}.`;
  return `The claim ${state === 'refuted' ? 'does not hold' : 'is not shown'}: ${text}${reason}`;
}

/** What keeps the argument open, at the node where it begins. */
function findingsOf(
  nodes: readonly CaseNode[],
  states: ReadonlyMap<string, State>,
  evidenceOf: ReadonlyMap<string, CaseEvidence>,
): Finding[] {
  return nodes.flatMap((each): Finding[] => {
    const { state, why } = states.get(each.id)!;
    if (state === 'holds') return [];
    const isSource = (each.supportedBy ?? []).every((id) => states.get(id)?.state === 'holds');
    if (!isSource && each.kind !== 'solution') return [];
    const found = each.evidence === undefined ? undefined : evidenceOf.get(each.evidence);
    return [
      {
        id: `${state}/${each.id}`,
        title: `${each.id} ${state === 'refuted' ? 'does not hold' : 'is open'}: ${each.text}`,
        severity: state === 'refuted' ? 'high' : 'medium',
        detail: why.join('; '),
        evidence:
          found === undefined ? [] : [{ label: found.title, ...(found.ref === undefined ? {} : { ref: found.ref }) }],
      },
    ];
  });
}

// ------------------------------------------------------------------------------------------------------- planted cases

const gaps = [
  'lost evidence',
  'short of its bar',
  'open doubt',
  'no calibration',
  'bare goal',
  'circle',
  'wide interval',
] as const;

/** A sound case of a few claims, or one with a single gap somewhere. */
function plantedCase(gap: (typeof gaps)[number] | undefined, size: number, own?: Random) {
  const claims = Array.from({ length: 2 + size }, (_, i) => i);
  const at = own === undefined ? 0 : Math.floor(own.split('place').uniform() * claims.length);
  const value = (i: number): number => 0.01 + 0.02 * (own?.split(`value ${i}`).uniform() ?? 0.5);
  const nodes: CaseNode[] = [
    { id: 'G', kind: 'goal', text: 'The bridge carries its load', supportedBy: ['S'], inContextOf: ['C'] },
    { id: 'C', kind: 'context', text: 'Carts of the village, in summer' },
    { id: 'S', kind: 'strategy', text: 'Over each of its parts', supportedBy: claims.map((i) => `G${i}`) },
    ...claims.flatMap((i): CaseNode[] => [
      {
        id: `G${i}`,
        kind: 'goal',
        text: `Part ${i} rarely fails`,
        supportedBy: gap === 'bare goal' && i === at ? [] : [`E${i}`, ...(gap === 'circle' && i === at ? ['S'] : [])],
      },
      { id: `E${i}`, kind: 'solution', text: `Test of part ${i}`, evidence: `e${i}`, requires: 'failures <= 5%' },
    ]),
  ];
  const evidence = claims.map((i): CaseEvidence => {
    const isHere = i === at;
    const centre = gap === 'short of its bar' && isHere ? 0.2 : value(i);
    const half = gap === 'wide interval' && isHere ? 0.3 : 0.01;
    return {
      id: `e${i}`,
      title: `load test ${i}`,
      madeAt: '2026-01-01',
      instrument: gap === 'no calibration' && isHere ? 'none' : 'calibrated',
      ...(gap === 'lost evidence' && isHere ? { ref: `sha256:${'0'.repeat(64)}` as const } : {}),
      measures: [
        { name: 'failures', value: centre, low: Math.max(0, centre - half), high: centre + half, unit: 'share' },
      ],
    };
  });
  const doubts: CaseDefeater[] =
    gap === 'open doubt' ? [{ id: 'd', against: `G${at}`, text: 'The scales were wet', status: 'open' }] : [];
  return {
    nodes: dataOf('nodes', nodes),
    evidence: dataOf('evidence', evidence),
    defeaters: dataOf('doubts', doubts),
  };
}

/** What `case.json` holds. */
export interface KeptCase {
  readonly nodes: readonly CaseNode[];
  readonly evidence: readonly CaseEvidence[];
  readonly defeaters: readonly CaseDefeater[];
  readonly states: Readonly<Record<string, { readonly state: State['state']; readonly why: readonly string[] }>>;
}
