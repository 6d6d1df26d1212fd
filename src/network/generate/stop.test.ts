/** Stop strings over every way to cut a text into pieces. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TextStream } from './reply.ts';
import { StopScanner } from './stop.ts';

/** The text before the first place where a stop string ends, with the longest that ends there. */
function cut(text: string, stops: readonly string[]): { text: string; stop?: string } {
  for (let end = 1; end <= text.length; end++) {
    const ending = stops.filter((stop) => text.slice(0, end).endsWith(stop)).toSorted((a, b) => b.length - a.length);
    if (ending.length > 0) return { text: text.slice(0, end - ending[0]!.length), stop: ending[0]! };
  }
  return { text };
}

function scan(pieces: readonly string[], stops: readonly string[]): { text: string; stop?: string; shown: string[] } {
  const scanner = new StopScanner(stops);
  const shown: string[] = [];
  for (const piece of pieces) {
    const { text, stop } = scanner.push(piece);
    shown.push(text);
    if (stop !== undefined) return { text: shown.join(''), stop, shown };
  }
  shown.push(scanner.flush());
  return { text: shown.join(''), shown };
}

const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\n'), maxLength: 24 });
const stopList = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\n'), minLength: 1, maxLength: 4 }), {
  maxLength: 3,
});
const pieces = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\n'), maxLength: 4 }), { maxLength: 10 });

describe('StopScanner', () => {
  it('gives the same for one text in every split', () => {
    fc.assert(
      fc.property(letters, stopList, (text, stops) => {
        const expected = cut(text, stops);
        for (let i = 0; i <= text.length; i++) {
          for (let j = i; j <= text.length; j += 3) {
            const { text: got, stop } = scan([text.slice(0, i), text.slice(i, j), text.slice(j)], stops);
            expect({ text: got, ...(stop === undefined ? {} : { stop }) }).toEqual(expected);
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  it('never shows what turns out to belong to a stop string', () => {
    fc.assert(
      fc.property(pieces, stopList, (parts, stops) => {
        const { shown } = scan(parts, stops);
        const { text } = cut(parts.join(''), stops);
        let so = '';
        for (const piece of shown) {
          so += piece;
          expect(text.startsWith(so)).toBe(true);
        }
        expect(so).toBe(text);
      }),
    );
  });

  it('holds back no more than it must', () => {
    const scanner = new StopScanner(['END']);
    expect(scanner.push('abE')).toEqual({ text: 'ab' });
    expect(scanner.push('x')).toEqual({ text: 'Ex' });
    expect(scanner.push('EN')).toEqual({ text: '' });
    expect(scanner.flush()).toBe('EN');
    expect(() => new StopScanner([''])).toThrow('empty');
  });
});

describe('TextStream', () => {
  /** Each id is a piece of text. */
  const stream = (parts: readonly string[], stops: readonly string[]): { text: string; ids: number[] } => {
    const decode = { push: (id: number) => parts[id]!, flush: () => '' };
    const events = new TextStream(decode, stops, []);
    let text = '';
    const ids: number[] = [];
    const take = (tokens: readonly { readonly id: number; readonly text: string }[]): void => {
      for (const token of tokens) {
        text += token.text;
        ids.push(token.id);
      }
    };
    for (const id of parts.keys()) {
      const { tokens, stop } = events.push({ type: 'token', id });
      take(tokens);
      if (stop !== undefined) return { text, ids };
    }
    const { tokens, text: rest } = events.finish();
    take(tokens);
    return { text: text + rest, ids };
  };

  it('gives every token once, in order, with its own text, and none that lies behind the cut', () => {
    fc.assert(
      fc.property(pieces, stopList, (parts, stops) => {
        const expected = cut(parts.join(''), stops);
        const { text, ids } = stream(parts, stops);
        expect(text).toBe(expected.text);
        let start = 0;
        const before = [...parts.keys()].filter((id) => {
          const isBefore = expected.stop === undefined || start < expected.text.length;
          start += parts[id]!.length;
          return isBefore;
        });
        expect(ids).toEqual(before);
      }),
    );
  });

  it('gives a token at once where there is no stop string', () => {
    const decode = { push: (id: number) => (id === 0 ? '' : 'é'), flush: () => '' };
    const events = new TextStream(decode, [], []);
    expect(events.push({ type: 'token', id: 0 }).tokens).toEqual([{ type: 'token', id: 0, text: '' }]);
    expect(events.push({ type: 'token', id: 1 }).tokens).toEqual([{ type: 'token', id: 1, text: 'é' }]);
  });

  it('shows no token of a stop string whose first character takes several tokens', () => {
    const decode = { push: (id: number) => ['x', '', '€'][id]!, flush: () => '' };
    const events = new TextStream(decode, ['€'], []);
    expect(events.push({ type: 'token', id: 0 }).tokens).toHaveLength(1);
    expect(events.push({ type: 'token', id: 1 }).tokens).toEqual([]);
    expect(events.push({ type: 'token', id: 2 })).toEqual({ tokens: [], stop: '€' });
  });
});
