/**
 * What has to hold of every architecture by construction, without known answers: padding and batching change nothing,
 * a cache changes nothing, windows and caps that cannot bite are as if absent, every site that is listed is reached
 * with the shape it promises, and an adapter is the weight it stands for.
 */
import { describe, expect, it } from 'vitest';
import {
  add,
  compile,
  concat,
  einsum,
  fill,
  mul,
  narrow,
  reshape,
  sub,
  sum,
  type Tensor,
  tensor,
  transpose,
} from '../../engine/index.ts';
import type { LowRank } from '../forward.ts';
import { plainPositions } from '../forward.ts';
import { parseSite, sitesOf, siteShape, type Tap } from '../taps.ts';
import type { Description } from './description.ts';
import { type Fixture, openFixture, runForward } from './fixture.ts';

type Weights = Fixture['parameters'];

/** One of each architecture. */
const ONE_OF_EACH = [
  'gpt2-by-layer', 'neox-parallel', 'llama-llama3', 'mistral', 'qwen2-windows', 'qwen3', 'gemma2', 'gemma3', 'phi3',
  'olmo2',
] as const; // prettier-ignore

const TOLERANCE = 2e-5;

const ids = (rows: readonly (readonly number[])[]): Tensor =>
  tensor(Int32Array.from(rows.flat()), { shape: [rows.length, rows[0]!.length] });
const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

function distance(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  const [left, right] = [a.toFloat64(), b.toFloat64()];
  let worst = 0;
  for (let i = 0; i < left.length; i++) {
    const apart = Math.abs(left[i]! - right[i]!);
    worst = Number.isNaN(apart) ? Infinity : Math.max(worst, apart);
  }
  return worst;
}

/** Logits [batch, time, vocabulary]. */
async function logitsOf(
  { description, parameters }: { readonly description: Description; readonly parameters: Weights },
  rows: readonly (readonly number[])[],
  positions: readonly (readonly number[])[] = rows.map((row) => upTo(row.length)),
  options: { readonly tap?: Tap; readonly lowRank?: (name: string) => readonly LowRank[] } = {},
): Promise<Tensor> {
  const run = compile(
    (weights: Weights, tokens: Tensor, at: Tensor) =>
      runForward(description, weights, { tokens, positions: at }, options).logits!,
  );
  return run(parameters, ids(rows), ids(positions));
}

/** Some of one row's logits, [1, count, vocabulary]. */
async function part(logits: Tensor, row: number, from: number, to: number): Promise<Tensor> {
  return compile((all: Tensor) => narrow(narrow(all, 0, row, row + 1), 1, from, to))(logits);
}

describe.each(ONE_OF_EACH)('%s', (name) => {
  it('gives a text the same alone, in a batch, and padded on either side', async () => {
    const fixture = await openFixture(name);
    const long = [...fixture.tokens];
    const short = long.slice(3, 10).reverse();
    const [pad, off] = [Array<number>(5).fill(0), Array<number>(5).fill(-1)];
    const batch = await logitsOf(
      fixture,
      [long, [...pad, ...short], [...short, ...pad]],
      [upTo(12), [...off, ...upTo(7)], [...upTo(7), ...off]],
    );
    expect(distance(await part(batch, 0, 0, 12), await logitsOf(fixture, [long]))).toBeLessThan(TOLERANCE);
    const alone = await logitsOf(fixture, [short]);
    expect(distance(await part(batch, 1, 5, 12), alone)).toBeLessThan(TOLERANCE);
    expect(distance(await part(batch, 2, 0, 7), alone)).toBeLessThan(TOLERANCE);
  });

  it('gives the same with a cache, in chunks of several sizes and in slots that are partly garbage', async () => {
    const fixture = await openFixture(name);
    const { description, parameters, tokens } = fixture;
    const run = compile((weights: Weights, given: Tensor) => {
      const logits: Tensor[] = [];
      let done = 0;
      let cache: { keys: Tensor[]; values: Tensor[] } | undefined;
      for (const size of [4, 1, 5, 2]) {
        const at = add(plainPositions(1, size), done);
        const garbage = (x: Tensor): Tensor =>
          concat([x, fill([1, description.keyHeads, 3, description.headWidth], 9)], 2);
        const past =
          cache === undefined
            ? {}
            : {
                past: {
                  lengths: tensor(Int32Array.of(done)),
                  keys: cache.keys.map(garbage),
                  values: cache.values.map(garbage),
                },
              };
        const result = runForward(description, weights, {
          tokens: narrow(given, 1, done, done + size),
          positions: at,
          ...past,
        });
        logits.push(result.logits!);
        const join = (old: Tensor[] | undefined, fresh: readonly Tensor[]): Tensor[] =>
          fresh.map((x, layer) => (old === undefined ? x : concat([old[layer]!, x], 2)));
        cache = { keys: join(cache?.keys, result.keys), values: join(cache?.values, result.values) };
        done += size;
      }
      return concat(logits, 1);
    });
    const cached = await run(parameters, ids([[...tokens]]));
    expect(distance(cached, await logitsOf(fixture, [[...tokens]]))).toBeLessThan(TOLERANCE);
  });

  it('goes on from caches of different lengths in one batch', async () => {
    const fixture = await openFixture(name);
    const { description, parameters, tokens } = fixture;
    const [a, b] = [Array.from(tokens.slice(0, 9)), Array.from(tokens.slice(4, 10))];
    const run = compile((weights: Weights) => {
      const first = runForward(description, weights, {
        tokens: ids([a.slice(0, 6), [...b.slice(0, 3), 0, 0, 0]]),
        positions: ids([upTo(6), [0, 1, 2, -1, -1, -1]]),
      });
      return runForward(description, weights, {
        tokens: ids([a.slice(6), b.slice(3)]),
        positions: ids([upTo(3, 6), upTo(3, 3)]),
        past: { lengths: tensor(Int32Array.of(6, 3)), keys: first.keys, values: first.values },
      }).logits!;
    });
    const logits = await run(parameters);
    const alone = async (text: number[]): Promise<Tensor> =>
      part(await logitsOf(fixture, [text]), 0, text.length - 3, text.length);
    expect(distance(await part(logits, 0, 0, 3), await alone(a))).toBeLessThan(TOLERANCE);
    expect(distance(await part(logits, 1, 0, 3), await alone(b))).toBeLessThan(TOLERANCE);
  });

  it('reaches exactly the sites it lists, once each, in their shapes; each of them matters', async () => {
    const { description, parameters, tokens } = await openFixture(name);
    const sites = sitesOf(description);
    const reached: string[] = [];
    const shapes: { [site: string]: readonly number[] } = {};
    // A tap with a gate at every site: all of them open leave everything as it was.
    const run = compile((weights: Weights, given: Tensor, gates: Tensor) => {
      reached.length = 0;
      const tap: Tap = {
        wants: () => true,
        apply: (site, value) => {
          reached.push(site);
          shapes[site] = value.shape;
          const gate = reshape(narrow(gates, 0, sites.indexOf(site), sites.indexOf(site) + 1), []);
          if (!site.endsWith('.scale')) return mul(value, gate);
          // What a stream is divided by cannot be zero, and a factor that all tokens share is normed away in Gemma 3:
          // the gate shuts by making it larger with every token.
          const ramp = tensor(
            Float32Array.from({ length: 12 }, (_, at) => at / 4),
            { shape: [1, 12, 1] },
          );
          return mul(value, add(mul(ramp, sub(1, gate)), 1));
        },
      };
      return runForward(description, weights, { tokens: given, positions: plainPositions(1, 12) }, { tap }).logits!;
    });
    const given = ids([[...tokens]]);
    const gatesBut = (shut: number): Tensor => tensor(Float32Array.from(sites, (_, i) => (i === shut ? 0 : 1)));
    const same = await run(parameters, given, gatesBut(-1));
    expect([...reached].sort()).toEqual([...sites].sort());
    for (const site of sites) {
      const shape = siteShape(description, parseSite(description, site).kind);
      expect(shapes[site], site).toEqual(shape === 'heads-first' ? [1, description.heads, 12, 12] : [1, 12, ...shape]);
    }
    const plain = await logitsOf({ description, parameters }, [[...tokens]]);
    expect(distance(same, plain)).toBeLessThan(TOLERANCE);
    for (const [index, site] of sites.entries()) {
      const changed = await run(parameters, given, gatesBut(index));
      expect(distance(changed, plain), site).toBeGreaterThan(1e-3);
    }
  });

  it("splits attention's output into what each head adds", async () => {
    const { description, parameters, tokens } = await openFixture(name);
    const names = description.block(0);
    const run = compile((weights: Weights, given: Tensor) => {
      const seen: { [site: string]: Tensor } = {};
      const tap: Tap = {
        wants: (site) => /^blocks\.0\.(attn\.(result|z)|attn_out)$/.test(site),
        apply: (site, value) => (seen[site] = value),
      };
      runForward(description, weights, { tokens: given, positions: plainPositions(1, 12) }, { tap });
      const { heads, headWidth, width, weightLayout } = description;
      const stored = weights[names.out.weight]!;
      const byHead = reshape(weightLayout === 'out-in' ? transpose(stored) : stored, [heads, headWidth, width]);
      const joined = sum(seen['blocks.0.attn.result']!, { axes: 2 });
      const bias = names.out.bias === undefined ? undefined : weights[names.out.bias]!;
      return {
        result: seen['blocks.0.attn.result']!,
        wanted: einsum('bthd,hdw->bthw', seen['blocks.0.attn.z']!, byHead),
        output: seen['blocks.0.attn_out']!,
        joined: bias === undefined ? joined : add(joined, bias),
      };
    });
    const { result, wanted, output, joined } = await run(parameters, ids([[...tokens]]));
    expect(distance(result, wanted)).toBeLessThan(TOLERANCE);
    if (names.attentionOutNorm === undefined) expect(distance(joined, output)).toBeLessThan(TOLERANCE);
  });

  it('computes with a low-rank change as with the merged weight', async () => {
    const fixture = await openFixture(name);
    const { description, parameters, tokens } = fixture;
    const { qkv, out, mlp } = description.block(0);
    const changed = [
      ...('fused' in qkv ? [qkv.fused] : [qkv.q, qkv.k, qkv.v]),
      out,
      mlp.down,
      'gateUp' in mlp ? mlp.gateUp : mlp.up,
    ].map(({ weight }) => weight);
    const changes = new Map<string, LowRank>();
    const merged: { [name: string]: Tensor } = { ...parameters };
    let seed = 1;
    const noise = (): number => ((seed = (seed * 48271) % 2147483647) / 2147483647 - 0.5) * 0.6;
    for (const weight of changed) {
      const stored = parameters[weight]!;
      const [rows, columns] = stored.shape as [number, number];
      const isInOut = description.weightLayout === 'in-out';
      const [from, to] = isInOut ? [rows, columns] : [columns, rows];
      const a = Float32Array.from({ length: 2 * from }, noise);
      const b = Float32Array.from({ length: 2 * to }, noise);
      changes.set(weight, { a: tensor(a, { shape: [2, from] }), b: tensor(b, { shape: [to, 2] }), scale: 1.5 });
      const values = Float32Array.from(stored.toFloat64());
      for (let o = 0; o < to; o++) {
        for (let i = 0; i < from; i++) {
          const by = 1.5 * (b[2 * o]! * a[i]! + b[2 * o + 1]! * a[from + i]!);
          values[isInOut ? i * to + o : o * from + i]! += by;
        }
      }
      merged[weight] = tensor(values, { shape: stored.shape });
    }
    const lowRank = (weight: string): readonly LowRank[] => (changes.has(weight) ? [changes.get(weight)!] : []);
    const text = [[...tokens]];
    const wanted = await logitsOf({ description, parameters: merged }, text);
    const loaded = await logitsOf(fixture, text, undefined, { lowRank });
    expect(distance(loaded, wanted)).toBeLessThan(1e-4);
    expect(distance(loaded, await logitsOf(fixture, text))).toBeGreaterThan(1e-2);
    const tap: Tap = { wants: (site) => site.endsWith('attn.result'), apply: (_, value) => value };
    expect(distance(await logitsOf(fixture, text, undefined, { lowRank, tap }), wanted)).toBeLessThan(1e-4);
  });
});

describe('what cannot bite', () => {
  it.each(['mistral', 'qwen2-windows', 'qwen3', 'gemma2', 'phi3'] as const)(
    '%s: a window as long as the text is none, a shorter one is not',
    async (name) => {
      const fixture = await openFixture(name);
      const { description } = fixture;
      const text = [[...fixture.tokens]];
      const withWindows = (size: number | undefined): Promise<Tensor> =>
        logitsOf(
          { ...fixture, description: { ...description, windows: description.windows.map((old) => old && size) } },
          text,
        );
      const none = await withWindows(undefined);
      expect(distance(await withWindows(12), none)).toBe(0);
      expect(distance(await withWindows(1000), none)).toBe(0);
      expect(distance(await withWindows(11), none)).toBeGreaterThan(1e-5);
    },
  );

  it('a cap of a thousand million is none', async () => {
    const fixture = await openFixture('gemma2');
    const { attentionSoftCap, finalSoftCap, ...uncapped } = fixture.description;
    expect([attentionSoftCap, finalSoftCap]).toEqual([1.5, 2]);
    const text = [[...fixture.tokens]];
    const none = await logitsOf({ ...fixture, description: uncapped }, text);
    const capped = { ...uncapped, attentionSoftCap: 1e9, finalSoftCap: 1e9 };
    expect(distance(await logitsOf({ ...fixture, description: capped }, text), none)).toBeLessThan(TOLERANCE);
    expect(distance(await logitsOf(fixture, text), none)).toBeGreaterThan(0.1);
  });

  it('dynamic and longrope scaling take each row by its own length', async () => {
    for (const name of ['llama-dynamic', 'phi3-long'] as const) {
      const fixture = await openFixture(name);
      const long = [...fixture.tokens];
      const short = long.slice(0, 8);
      const batch = await logitsOf(fixture, [long, [...short, 0, 0, 0, 0]], [upTo(12), [...upTo(8), -1, -1, -1, -1]]);
      const alone = await logitsOf(fixture, [short]);
      expect(distance(await part(batch, 1, 0, 8), alone)).toBeLessThan(TOLERANCE);
      expect(distance(await part(batch, 0, 0, 8), alone)).toBeGreaterThan(1e-4);
    }
  });
});
