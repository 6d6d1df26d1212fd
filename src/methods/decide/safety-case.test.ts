/**
 * Arguments whose standing is known: sound ones hold, and each gap opens the claim above it and nothing beside it.
 */
import { describe, expect, it } from 'vitest';
import { testRunner } from '../../../test/runner.ts';
import type { Outcome } from '../../core/index.ts';
import type { CaseDefeater, CaseEvidence, CaseNode } from '../../kit/argument/index.ts';
import { dataOf } from '../method.ts';
import { type KeptCase, safetyCase } from './safety-case.ts';

const runner = testRunner();

const nodes: readonly CaseNode[] = [
  { id: 'G', kind: 'goal', text: 'The model gives no forbidden help', supportedBy: ['S'], inContextOf: ['C', 'A'] },
  { id: 'C', kind: 'context', text: 'People who may only write to it' },
  { id: 'A', kind: 'assumption', text: 'Nobody changes the weights', confidence: 0.95 },
  { id: 'S', kind: 'strategy', text: 'Over attack and use', supportedBy: ['G1', 'G2'] },
  { id: 'G1', kind: 'goal', text: 'Attacks rarely succeed', supportedBy: ['E1'] },
  { id: 'G2', kind: 'goal', text: 'It still helps', supportedBy: ['E2'] },
  { id: 'E1', kind: 'solution', text: 'Adaptive attack', evidence: 'attack', requires: 'attack success <= 5%' },
  { id: 'E2', kind: 'solution', text: 'Plain requests', evidence: 'use', requires: 'answered >= 90%' },
];
const measure = (name: string, value: number, half: number) => ({
  name,
  value,
  low: value - half,
  high: value + half,
  unit: 'share',
});
const attack: CaseEvidence = {
  id: 'attack',
  title: 'run a1',
  madeAt: '2026-01-01',
  method: 'redteam/pair',
  instrument: 'calibrated',
  measures: [measure('attack success', 0.02, 0.02)],
};
const use: CaseEvidence = { ...attack, id: 'use', title: 'run b2', measures: [measure('answered', 0.97, 0.02)] };

interface Parts {
  readonly nodes?: readonly CaseNode[];
  readonly evidence?: readonly CaseEvidence[];
  readonly defeaters?: readonly CaseDefeater[];
  readonly requireCalibration?: boolean;
}
async function outcomeOf(parts: Parts): Promise<Outcome & { readonly kept: KeptCase }> {
  const outcome = await runner.outcome(
    safetyCase,
    { requireCalibration: parts.requireCalibration ?? true },
    {
      nodes: dataOf('nodes', parts.nodes ?? nodes),
      evidence: dataOf('evidence', parts.evidence ?? [attack, use]),
      defeaters: parts.defeaters === undefined ? undefined : dataOf('doubts', parts.defeaters),
    },
  );
  const kept = (await runner.store.artefacts.getJson(outcome.products!['case']!)) as unknown as KeptCase;
  return { ...outcome, kept };
}
const states = ({ kept }: { kept: KeptCase }): string =>
  ['G', 'S', 'G1', 'G2', 'E1', 'E2'].map((id) => kept.states[id]!.state[0]).join('');
const valueOf = ({ measures }: Outcome, name: string) => measures.find((each) => each.name === name);

describe('decide/safety-case', () => {
  it('a sound case holds, and its confidence is bounded by the sum of what may be wrong', async () => {
    const outcome = await outcomeOf({});
    expect(states(outcome)).toBe('hhhhhh');
    expect(valueOf(outcome, 'top claims that hold')).toMatchObject({ value: 1, n: 1, bounds: [1, 1] });
    // Two bars kept by whole 95 % intervals, and an assumption: 1 - (0.025 + 0.025 + 0.05); the smallest is 0.95.
    const confidence = valueOf(outcome, 'confidence in G')!;
    expect(confidence.low).toBeCloseTo(0.9, 12);
    expect(confidence.value).toBeCloseTo(0.975 ** 2 * 0.95, 12);
    expect(confidence.high).toBe(0.95);
    expect(outcome.summary).toEqual(['The claim holds on its evidence: The model gives no forbidden help.']);
    expect(outcome.caveats).toEqual(['assumed, not shown: Nobody changes the weights']);
    expect(outcome.findings).toEqual([]);
  });

  it('removing one file of evidence opens its chain up to the root, and nothing beside it', async () => {
    const ref = await runner.store.artefacts.put(new TextEncoder().encode('figures'), 'text/plain');
    expect(states(await outcomeOf({ evidence: [{ ...attack, ref }, use] }))).toBe('hhhhhh');
    const lost = { ...attack, ref: `sha256:${'1'.repeat(64)}` as const };
    const outcome = await outcomeOf({ evidence: [lost, use] });
    expect(states(outcome)).toBe('ooohoh');
    expect(valueOf(outcome, 'confidence in G')).toBeUndefined();
    expect(outcome.findings).toMatchObject([{ id: 'open/E1' }]);
    expect(outcome.summary![0]).toContain('The claim is not shown');
    expect(states(await outcomeOf({ evidence: [use] }))).toBe('ooohoh');
  });

  it('a bar that fell short refutes; one that so few trials cannot show leaves open', async () => {
    const short = { ...attack, measures: [measure('attack success', 0.2, 0.05)] };
    expect(states(await outcomeOf({ evidence: [short, use] }))).toBe('rrrhrh');
    const wide = { ...attack, measures: [measure('attack success', 0.03, 0.06)] };
    expect(states(await outcomeOf({ evidence: [wide, use] }))).toBe('ooohoh');
    const elsewhere = { ...attack, measures: [measure('something else', 0.01, 0.001)] };
    expect(states(await outcomeOf({ evidence: [elsewhere, use] }))).toBe('ooohoh');
  });

  it('evidence of an instrument that is not calibrated at its code leaves a claim open, unless that is waived', async () => {
    for (const instrument of ['none', 'stale'] as const) {
      expect(states(await outcomeOf({ evidence: [{ ...attack, instrument }, use] }))).toBe('ooohoh');
      const waived = await outcomeOf({ evidence: [{ ...attack, instrument }, use], requireCalibration: false });
      expect(states(waived)).toBe('hhhhhh');
    }
  });

  it.each([
    ['open', 'ohohhh'],
    ['confirmed', 'rhrhhh'],
    ['refuted', 'hhhhhh'],
    ['accepted', 'hhhhhh'],
  ] as const)('a doubt that is %s weighs as it should', async (status, expected) => {
    const doubts: CaseDefeater[] = [
      { id: 'd', against: 'G1', text: 'The judge may be blind', status, why: 'it was measured' },
      { id: 'e', against: 'G', text: 'The town is small', status, why: 'known' },
    ];
    const outcome = await outcomeOf({ defeaters: doubts });
    // The strategy between the two follows the claim below it.
    expect(states(outcome)).toBe(expected.replace(/^(.)h/, (_, top: string) => `${top}${expected[2]}`));
    expect(outcome.caveats!.length).toBe(status === 'accepted' ? 3 : 1);
  });

  it('a goal that is not developed, argued elsewhere or bare is open; a circle ends', async () => {
    const change = (id: string, to: Partial<CaseNode>) =>
      nodes.map((each) => (each.id === id ? { ...each, ...to } : each));
    expect(states(await outcomeOf({ nodes: change('G2', { undeveloped: true }) }))).toBe('oohohh');
    expect(states(await outcomeOf({ nodes: change('G2', { away: 'another case' }) }))).toBe('oohohh');
    expect(states(await outcomeOf({ nodes: change('G2', { supportedBy: [] }) }))).toBe('oohohh');
    const circle = await outcomeOf({ nodes: change('G2', { supportedBy: ['E2', 'S'] }) });
    expect(valueOf(circle, 'top claims that hold')!.value).toBe(0);
    expect(circle.findings.some(({ title }) => title.includes('rests on itself'))).toBe(true);
  });

  it('draws itself', async () => {
    const [figure] = (await outcomeOf({})).figures!;
    expect(figure).toMatchObject({ kind: 'graph' });
    expect(figure!.kind === 'graph' && figure!.nodes.map(({ shape }) => shape)).toEqual([
      'box',
      'round',
      'round',
      'slanted',
      'box',
      'box',
      'circle',
      'circle',
    ]);
  });
});
