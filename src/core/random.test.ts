/**
 * Known answers of the cipher (Random123, tests/kat_vectors, lines "threefry4x32 20"), values of a second
 * implementation (`python3 src/core/random.reference.py`), and checks of distribution whose bounds lie at four to five
 * standard errors: a sound generator with these fixed seeds passes, one with a planted fault does not.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { portableExp, portableLog } from './portable.ts';
import { random, randomAt } from './random.ts';
import { threefryFill } from './threefry.ts';
import type { Block } from './threefry.ts';

const hex = (text: string): number[] => text.split(' ').map((word) => Number.parseInt(word, 16));
const block = (text: string): Block => hex(text) as unknown as Block;

describe('threefry4x32-20', () => {
  it.each([
    [
      '00000000 00000000 00000000 00000000',
      '00000000 00000000 00000000 00000000',
      '9c6ca96a e17eae66 fc10ecd4 5256a7d8',
    ],
    [
      'ffffffff ffffffff ffffffff ffffffff',
      'ffffffff ffffffff ffffffff ffffffff',
      '2a881696 57012287 f6c7446e a16a6732',
    ],
    [
      '243f6a88 85a308d3 13198a2e 03707344',
      'a4093822 299f31d0 082efa98 ec4e6c89',
      '59cd1dbb b8879579 86b5d00c ac8b6d84',
    ],
  ])('gives the published answer for counter %s', (counter, key, expected) => {
    const out = new Int32Array(4);
    threefryFill(block(key), block(counter), out);
    expect(Array.from(out, (word) => word >>> 0)).toEqual(hex(expected));
  });

  it('counts past 2^32 blocks', () => {
    const two = new Int32Array(8);
    threefryFill([1, 2, 3, 4], [0xffffffff, 0, 0, 0], two);
    const next = new Int32Array(4);
    threefryFill([1, 2, 3, 4], [0, 1, 0, 0], next);
    expect(two.subarray(4)).toEqual(next);
  });
});

describe('a stream', () => {
  it('equals the second implementation', () => {
    const root = random(7);
    const child = root.split('attack/rewrite');
    expect([root.key, child.key]).toEqual(['b58968b0d1b6c1e981fb94f1c61fee51', '3abdc14b0234926f691633ec5efc2286']);
    expect(Array.from({ length: 6 }, () => root.bits32())).toEqual([
      385408884, 325432407, 140253564, 797289237, 2941168339, 794985803,
    ]);
    expect(Array.from({ length: 3 }, () => child.uniform())).toEqual([
      0.6891124592831327, 0.35651834702927654, 0.43385363997736226,
    ]);
    const normals = random(7).split('attack/rewrite').fillNormal(new Float64Array(20_000));
    [-1.2595384532585523, 0.9512609439361253, 1.9937512823959622].forEach((x, i) => {
      expect(normals[i]).toBeCloseTo(x, 14);
    });
    expect(Math.max(...normals)).toBeCloseTo(4.2426163700821675, 14);
    expect(normals.reduce((a, b) => a + b)).toBeCloseTo(-102.7604782191142, 9);
  });

  it('splits the same whatever was drawn before, and apart from its parent and siblings', () => {
    fc.assert(
      fc.property(fc.nat(50), fc.string(), (draws, name) => {
        const fresh = random('seed').split(name).bits32();
        const used = random('seed');
        for (let i = 0; i < draws; i++) used.normal();
        expect(used.split(name).bits32()).toBe(fresh);
      }),
    );
    const names = ['', 'a', 'b', 'ab', 'a\0', '\0a', 'aaaaaa', 'aaaaaaa', 'aaaaaa\0', '\ud800', '\ud801', 'a/b'];
    const keys = names.map((name) => random(1).split(name).key);
    keys.push(random(1).key, random(1).split('a').split('b').key, random(1).split('b').split('a').key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(random(1).split(3).key).toBe(random('1').split('3').key);
  });

  it('goes on from a stored key and position', () => {
    fc.assert(
      fc.property(fc.nat(3000), (draws) => {
        const stream = random(5);
        for (let i = 0; i < draws; i++) stream.bits32();
        expect(stream.position).toBe(draws);
        expect(randomAt(stream.key, draws).bits32()).toBe(stream.bits32());
      }),
      { numRuns: 50 },
    );
    expect(random(5).seed32).toBe(random(5).seed32);
    expect(random(5).seed32).not.toBe(random(5).bits32());
  });

  it('fills a Float64Array as single draws would, in pieces of any size', () => {
    const whole = random(9).fillNormal(new Float64Array(5000));
    const single = random(9);
    expect(Array.from(whole)).toEqual(Array.from({ length: 5000 }, () => single.normal()));
    const coarse = random(9).fillNormal(new Float32Array(5000), 2, 3);
    const pieces = random(9);
    const parts = [1, 7, 4000, 992].flatMap((size) => Array.from(pieces.fillNormal(new Float32Array(size), 2, 3)));
    expect(Array.from(coarse)).toEqual(parts);
    const flat = random(9).fillUniform(new Float32Array(3000), -1, 1);
    const flatPieces = random(9);
    const flatParts = [3, 997, 2000].flatMap((n) => Array.from(flatPieces.fillUniform(new Float32Array(n), -1, 1)));
    expect(Array.from(flat)).toEqual(flatParts);
  });

  it('refuses what is no seed, bound, range, count or key', () => {
    for (const bad of [
      () => random(Number.NaN),
      () => random(0.5),
      () => random(1).split(Infinity),
      () => random(1).integer(0),
      () => random(1).integer(2 ** 53),
      () => random(1).choose([]),
      () => random(1).sample([1, 2], 3),
      () => random(1).fillNormal(new Float32Array(1), 0, -1),
      () => randomAt('beef'),
      () => randomAt(random(1).key, -1),
    ]) {
      expect(bad).toThrowError(expect.objectContaining({ name: 'FiducialError' }));
    }
  });
});

/** Pearson's statistic of counts against equal shares, as a standard score (chi-square with k - 1 degrees). */
function evenness(counts: readonly number[]): number {
  const total = counts.reduce((a, b) => a + b, 0);
  const expected = total / counts.length;
  const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  return (chi - (counts.length - 1)) / Math.sqrt(2 * (counts.length - 1));
}

describe('distributions', () => {
  const N = 400_000;

  it('uniform is even in its first byte, in its last bits, and from one draw to the next', () => {
    const stream = random('even');
    const top = Array.from({ length: 256 }, () => 0);
    const last = Array.from({ length: 256 }, () => 0);
    const pairs = Array.from({ length: 256 }, () => 0);
    let before = 0;
    let isInside = true;
    for (let i = 0; i < N; i++) {
      const u = stream.uniform();
      isInside &&= u >= 0 && u < 1;
      top[Math.floor(u * 256)]! += 1;
      last[(u * 2 ** 53) % 256]! += 1;
      pairs[Math.floor(u * 16) * 16 + before]! += 1;
      before = Math.floor(u * 16);
    }
    expect(isInside).toBe(true);
    for (const counts of [top, last, pairs]) expect(Math.abs(evenness(counts))).toBeLessThan(4.5);
    // A planted fault, every second cell 4 % likelier than its neighbour, is seen.
    const faulty = top.map((count, i) => (i % 2 === 0 ? count * 1.02 : count * 0.98));
    expect(evenness(faulty)).toBeGreaterThan(4.5);
  });

  it('integer is unbiased where 2^32 is no multiple of the bound', () => {
    const bound = 3 * 2 ** 30; // taken modulo without rejection, the first third would come twice as often
    const stream = random('integer');
    const thirds = [0, 0, 0];
    for (let i = 0; i < 60_000; i++) thirds[Math.floor(stream.integer(bound) / 2 ** 30)]! += 1;
    expect(Math.abs(evenness(thirds))).toBeLessThan(4.5);
    const wide = random('wide');
    const halves = [0, 0];
    for (let i = 0; i < 20_000; i++) halves[wide.integer(2 ** 52) < 2 ** 51 ? 0 : 1]! += 1;
    expect(Math.abs(evenness(halves))).toBeLessThan(4.5);
  });

  it('shuffle gives each of 24 orders equally often and sample each pair', () => {
    const stream = random('order');
    const orders = new Map<string, number>();
    const pairs = new Map<string, number>();
    for (let i = 0; i < 48_000; i++) {
      const order = stream.shuffle('abcd').join('');
      orders.set(order, (orders.get(order) ?? 0) + 1);
      const pair = stream.sample('abcd', 2).join('');
      pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
    }
    expect([orders.size, pairs.size]).toEqual([24, 12]);
    expect(Math.abs(evenness([...orders.values()]))).toBeLessThan(4.5);
    expect(Math.abs(evenness([...pairs.values()]))).toBeLessThan(4.5);
  });

  // Edges: 16 equal shares of the normal distribution and its far tail (scipy.stats.norm.ppf(k / 16), norm.sf(3.7)).
  const edges = [
    -1.5341205443525463, -1.1503493803760079, -0.887146559018876, -0.6744897501960817, -0.4887764111146695,
    -0.31863936396437514, -0.1573106846101707, 0,
  ];
  const shares = [
    ...edges,
    ...edges
      .slice(0, 7)
      .reverse()
      .map((x) => -x),
  ];
  it.each([
    ['Float32Array', () => random('normal').fillNormal(new Float32Array(N))],
    ['Float64Array', () => random('normal').fillNormal(new Float64Array(N))],
  ])('normal has the right moments, shares and tail in a %s', (_, make) => {
    const values = Float64Array.from(make());
    const moment = (power: number): number => values.reduce((sum, x) => sum + x ** power, 0) / N;
    // Standard errors of the first four moments: 1, sqrt 2, sqrt 15, sqrt 96 over sqrt N.
    expect(Math.abs(moment(1))).toBeLessThan(4.5 / Math.sqrt(N));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(4.5 * Math.sqrt(2 / N));
    expect(Math.abs(moment(3))).toBeLessThan(4.5 * Math.sqrt(15 / N));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(4.5 * Math.sqrt(96 / N));
    const counts = Array.from({ length: 16 }, () => 0);
    let far = 0;
    for (const x of values) {
      counts[shares.filter((edge) => x >= edge).length]! += 1;
      if (Math.abs(x) > 3.7) far += 1;
    }
    expect(Math.abs(evenness(counts))).toBeLessThan(4.5);
    const expectedFar = N * 2 * 0.00010779973347738823;
    expect(Math.abs(far - expectedFar)).toBeLessThan(4.5 * Math.sqrt(expectedFar));
    // A sum of twelve uniforms, the classic poor normal, fails the fourth moment by this margin.
    const stream = random('poor');
    let fourth = 0;
    for (let i = 0; i < 40_000; i++) {
      let sum = -6;
      for (let j = 0; j < 12; j++) sum += stream.uniform();
      fourth += sum ** 4 / 40_000;
    }
    expect(Math.abs(fourth - 3)).toBeGreaterThan(4.5 * Math.sqrt(96 / N));
  });
});

describe('portable functions', () => {
  it('agree with the engine to two units in the last place', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-300, max: 1e300, noNaN: true }), (x) => {
        expect(Math.abs(portableLog(x) - Math.log(x))).toBeLessThanOrEqual(4.5e-16 * Math.abs(Math.log(x)));
      }),
    );
    fc.assert(
      fc.property(fc.double({ min: -600, max: 600, noNaN: true }), (x) => {
        expect(Math.abs(portableExp(x) / Math.exp(x) - 1)).toBeLessThanOrEqual(4.5e-16);
      }),
    );
  });
});
