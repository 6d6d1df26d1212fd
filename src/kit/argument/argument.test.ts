/** Bounds against their reference values, and every fault of form on an argument that has just that one. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { conjunction, graphOf, lint, outline } from './index.ts';
import type { CaseEvidence, CaseNode } from './index.ts';

const sound: readonly CaseNode[] = [
  { id: 'G', kind: 'goal', text: 'it holds', supportedBy: ['S'], inContextOf: ['C'] },
  { id: 'C', kind: 'context', text: 'here' },
  { id: 'S', kind: 'strategy', text: 'by parts', supportedBy: ['G1', 'G2'] },
  { id: 'G1', kind: 'goal', text: 'one', supportedBy: ['E'] },
  { id: 'G2', kind: 'goal', text: 'two', undeveloped: true },
  { id: 'E', kind: 'solution', text: 'a test', evidence: 'e', requires: 'failures <= 5%' },
];
const evidence: readonly CaseEvidence[] = [{ id: 'e', title: 'test', madeAt: '2026-01-01', instrument: 'calibrated' }];
const changed = (id: string, change: Partial<CaseNode>): CaseNode[] =>
  sound.map((each) => (each.id === id ? { ...each, ...change } : each));

describe('conjunction', () => {
  it('of 0.9, 0.9 and 0.95 is between 0.75 and 0.9, and 0.7695 if they are independent', () => {
    // By hand: 1 - (0.1 + 0.1 + 0.05), 0.9 * 0.9 * 0.95.
    const { low, value, high } = conjunction([0.9, 0.9, 0.95]);
    expect(low).toBeCloseTo(0.75, 12);
    expect(value).toBeCloseTo(0.7695, 12);
    expect(high).toBe(0.9);
  });

  it('holds for every joint distribution of two events', () => {
    fc.assert(
      fc.property(fc.tuple(...[0, 1, 2, 3].map(() => fc.double({ min: 0.001, max: 1, noNaN: true }))), (weights) => {
        const sum = weights.reduce((all, each) => all + each, 0);
        const [both, first, second] = weights.map((each) => each / sum);
        const { low, high } = conjunction([both! + first!, both! + second!]);
        expect(both).toBeGreaterThanOrEqual(low - 1e-12);
        expect(both).toBeLessThanOrEqual(high + 1e-12);
      }),
    );
  });
});

describe('lint', () => {
  it('finds nothing in a sound argument', () => expect(lint(sound, evidence, [])).toEqual([]));

  it.each([
    ['which does not exist', changed('G1', { supportedBy: ['E', 'E9'] })],
    ['a strategy has no child', changed('S', { supportedBy: [] })],
    ['not marked as undeveloped', changed('G2', { undeveloped: false })],
    ['it has children', changed('C', { supportedBy: ['G1'] })],
    ['that is its context', changed('G1', { supportedBy: ['E', 'C'] })],
    ['without a goal between', changed('S', { supportedBy: ['G1', 'G2', 'E'] })],
    ['names no evidence', sound.map((each) => ({ ...each, evidence: undefined }))],
    ['is no bar', changed('E', { requires: 'it is fine' })],
    ['has no context', changed('G', { inContextOf: [] })],
    ['rests on itself', changed('G1', { supportedBy: ['E', 'S'] })],
    ['there is no top claim', changed('G1', { supportedBy: ['E', 'G'] })],
    ['used twice', [...sound, sound[5]!]],
  ])('finds "%s"', (what, nodes) => {
    expect(lint(nodes, evidence, []).some(({ title }) => title.includes(what))).toBe(true);
  });

  it('finds evidence without a date, evidence that nobody names, and doubts about nothing or without a reason', () => {
    const more: CaseEvidence[] = [
      { id: 'e', title: 't', instrument: 'none' },
      { ...evidence[0]!, id: 'f' },
    ];
    const titles = lint(sound, more, [
      { id: 'd', against: 'nothing', text: 'x', status: 'open' },
      { id: 'a', against: 'G', text: 'x', status: 'accepted' },
    ]).map(({ title }) => title);
    expect(titles).toEqual([
      'e: evidence without a date',
      'f: evidence that no solution names',
      'd: a doubt about nothing, which does not exist',
      'a: a doubt is accepted without a reason',
    ]);
  });
});

it('hostile text stays text in the outline, and a circle ends', () => {
  const nodes = changed('G1', { text: '# x\n<script> [a](b)', supportedBy: ['S'] });
  const states = new Map(nodes.map(({ id }) => [id, { state: 'open' as const, why: [] }]));
  const lines = outline(nodes, [], states);
  expect(lines).not.toMatch(/^# x/m);
  expect(lines).toContain(String.raw`\# x \<script\> \[a\](b)`);
  expect(graphOf(nodes, [], states).nodes).toHaveLength(6);
});
