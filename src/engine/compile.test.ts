/** What `compile` promises: caching, the bound on sessions, trees, captured and file-backed arrays, every kind of result. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dataFrom } from './dtype.ts';
import * as f from './index.ts';
import { compile, configureEngine, heldSessions, interpret, releaseSessions, tensor, type Tensor } from './index.ts';

const numbers = (x: Tensor): number[] => [...x.toFloat64()];
const runsOf = (label: string): number[] =>
  heldSessions()
    .filter((session) => session.label === label)
    .map(({ runs }) => runs);

beforeEach(releaseSessions);

describe('the cache', () => {
  it('traces and makes a session once for each set of shapes, types and constants', async () => {
    let traces = 0;
    const double = compile(
      (x: Tensor, factor: number, mode: string) => {
        traces++;
        return mode === 'twice' ? f.mul(f.mul(x, factor), factor) : f.mul(x, factor);
      },
      { label: 'cache' },
    );
    expect(numbers(await double(tensor([1, 2]), 2, 'once'))).toEqual([2, 4]);
    expect(numbers(await double(tensor([3, 4]), 2, 'once'))).toEqual([6, 8]);
    // A number is a scalar of the graph: no new trace for another one.
    expect(numbers(await double(tensor([3, 4]), 5, 'once'))).toEqual([15, 20]);
    expect([traces, runsOf('cache')]).toEqual([1, [3]]);
    await double(tensor([3, 4, 5]), 2, 'once');
    expect([traces, runsOf('cache')]).toEqual([2, [3, 1]]);
    expect(numbers(await double(tensor([3, 4]), 3, 'twice'))).toEqual([27, 36]);
    expect([traces, runsOf('cache')]).toEqual([3, [3, 1, 1]]);
    await double(tensor([3, 4]), 2, 'once');
    expect([traces, runsOf('cache').sort((a, b) => a - b)]).toEqual([3, [1, 1, 4]]);
  });

  it('two functions with one graph share a session', async () => {
    const make = (): ((x: Tensor) => Promise<Tensor>) => compile((x: Tensor) => f.exp(x), { label: 'shared' });
    await make()(tensor([1]));
    await make()(tensor([2]));
    expect(runsOf('shared')).toEqual([2]);
  });

  it('calls at once give each its own result', async () => {
    const square = compile((x: Tensor) => f.square(x), { label: 'at once' });
    const results = await Promise.all(Array.from({ length: 20 }, (_, i) => square(tensor([i, i + 1]))));
    expect(results.map(numbers)).toEqual(Array.from({ length: 20 }, (_, i) => [i * i, (i + 1) ** 2]));
    expect(runsOf('at once')).toEqual([20]);
  });
});

describe('the bound on sessions', () => {
  const { maxSessions, maxSessionBytes } = configureEngine();
  afterEach(() => {
    configureEngine({ maxSessions, maxSessionBytes });
  });

  it('lets go of the one unused longest, and makes it again', async () => {
    configureEngine({ maxSessions: 2 });
    const shifted = compile((x: Tensor) => f.add(f.exp(x), x), { label: 'bounded' });
    const at = (size: number): Promise<Tensor> => shifted(tensor(new Float32Array(size)));
    await at(1);
    await at(2);
    await at(1);
    expect(runsOf('bounded')).toEqual([1, 2]);
    await at(3);
    expect(runsOf('bounded')).toEqual([2, 1]); // size 2 went
    expect(numbers(await at(2))).toEqual([1, 1]);
    expect(runsOf('bounded')).toEqual([1, 1]); // size 1 went
    expect(heldSessions()).toHaveLength(2);
  });

  it('holds under more calls at once than it may keep', async () => {
    configureEngine({ maxSessions: 1 });
    const shifted = compile((x: Tensor) => f.add(x, 1), { label: 'many' });
    const all = await Promise.all([1, 2, 3, 4].map((size) => shifted(tensor(new Float32Array(size)))));
    expect(all.map(({ size }) => size)).toEqual([1, 2, 3, 4]);
    await shifted(tensor(new Float32Array(5)));
    expect(heldSessions()).toHaveLength(1);
  });

  it('counts their estimated memory too', async () => {
    configureEngine({ maxSessionBytes: 2 ** 20 });
    const shifted = compile((x: Tensor) => f.exp(f.add(x, 1)), { label: 'memory' });
    await shifted(tensor(new Float32Array(100_000)));
    expect(heldSessions()[0]!.estimatedBytes).toBeGreaterThanOrEqual(800_000);
    await shifted(tensor(new Float32Array(100_001)));
    expect(runsOf('memory')).toEqual([1]);
  });
});

describe('arguments and results', () => {
  it('takes and returns trees', async () => {
    interface Parameters {
      layers: { weight: Tensor; bias: Tensor | null }[];
      scale: number;
      [key: string]: unknown;
    }
    const apply = compile((p: Parameters, x: Tensor) => ({
      out: p.layers.reduce(
        (h, { weight, bias }) => (bias === null ? f.mul(h, weight) : f.add(f.mul(h, weight), bias)),
        x,
      ),
      scaled: [f.mul(x, p.scale as unknown as Tensor), null, 'kept'],
    }));
    const layers = [
      { weight: tensor([2, 3]), bias: null },
      { weight: tensor([1, 1]), bias: tensor([10, 20]) },
    ];
    const { out, scaled } = await apply({ layers, scale: 4 }, tensor([1, 2]));
    expect(numbers(out)).toEqual([12, 26]);
    expect(numbers(scaled[0] as Tensor)).toEqual([4, 8]);
    expect(scaled.slice(1)).toEqual([null, 'kept']);
    expect(f.namedLeaves({ layers }).map(({ name }) => name)).toEqual([
      'layers.0.weight',
      'layers.1.bias',
      'layers.1.weight',
    ]);
  });

  it('an argument, a constant or a captured array may be the result, and one result may be given twice', async () => {
    const outside = tensor(new Float32Array(100).fill(7));
    const small = tensor([5]);
    const echo = compile((x: Tensor) => {
      const y = f.add(x, 1);
      return [x, y, y, f.identity(y), f.stopGradient(x), f.fill([2], 9), outside, small, x];
    });
    const x = tensor([1, 2]);
    const results = await echo(x);
    expect(results.map((r) => numbers(r).slice(0, 2))).toEqual([
      [1, 2],
      [2, 3],
      [2, 3],
      [2, 3],
      [1, 2],
      [9, 9],
      [7, 7],
      [5],
      [1, 2],
    ]);
    // Results are the caller's own.
    (results[1]!.data as Float32Array)[0] = 99;
    (results[0]!.data as Float32Array)[0] = 99;
    expect([numbers(results[2]!), numbers(x)]).toEqual([
      [2, 3],
      [1, 2],
    ]);
  });

  it('results of every type, rank and of size 0', async () => {
    const kinds = compile((x: Tensor) => ({
      bool: f.greater(x, 1),
      int32: f.cast(x, 'int32'),
      int64: f.argMax(x, 0, true),
      float16: f.cast(x, 'float16'),
      none: f.slice(x, { starts: [3], ends: [3] }),
      scalar: f.sum(x),
    }));
    const r = await kinds(tensor([1, 2.5, 0]));
    expect([numbers(r.bool), numbers(r.int32), numbers(r.int64), numbers(r.float16)]).toEqual([
      [0, 1, 0],
      [1, 2, 0],
      [1],
      [1, 2.5, 0],
    ]);
    expect([r.bool.dtype, r.int32.dtype, r.int64.dtype, r.float16.dtype]).toEqual([
      'bool',
      'int32',
      'int64',
      'float16',
    ]);
    expect([r.none.shape, r.none.size, r.scalar.shape, r.scalar.item()]).toEqual([[0], 0, [], 3.5]);
  });

  it('a function without results or without tensors runs', async () => {
    expect(await compile(() => [])()).toEqual([]);
    expect(await compile(() => 'nothing')()).toBe('nothing');
    expect(numbers(await f.evaluate(() => f.fill([2], 1.5)))).toEqual([1.5, 1.5]);
  });

  it('reads large captured arrays at each call, and small ones when traced', async () => {
    const large = tensor(new Float32Array(65).fill(1));
    const add = compile((x: Tensor) => f.add(x, large));
    expect((await add(tensor(0.5))).toFloat64()[64]).toBe(1.5);
    (large.data as Float32Array)[64] = 10;
    expect((await add(tensor(0.5))).toFloat64()[64]).toBe(10.5);
  });

  it('a closed-over array in two programs, one of which gives it away', async () => {
    const large = tensor(new Float32Array(65).fill(1));
    const read = compile(() => f.mul(large, 2));
    await read();
    await compile((x: Tensor) => f.add(x, 1), { donate: [0] })(large);
    await expect(read()).rejects.toMatchObject({ code: 'engine.disposed' });
  });

  it('clone copies and toHost returns what is there', async () => {
    const x = tensor([1, 2]);
    const copy = await f.clone(x);
    (copy.data as Float32Array)[0] = 5;
    expect([numbers(x), numbers(copy)]).toEqual([
      [1, 2],
      [5, 2],
    ]);
    expect(await f.toHost(x)).toBe(x);
  });
});

describe('arrays in files', () => {
  let folder = '';
  const path = (): string => join(folder, 'weights.bin');
  const values = [1, -2, 0.5, 3, -0.25, 100];
  const types = ['float32', 'float16', 'bfloat16'] as const;
  const offsets: Record<string, number> = {};
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'engine-'));
    const parts: Uint8Array[] = [new Uint8Array(13)]; // what follows lies unaligned
    let offset = 13;
    for (const dtype of types) {
      const data = dataFrom(dtype, values);
      offsets[dtype] = offset;
      parts.push(new Uint8Array(data.buffer.slice(0) as ArrayBuffer));
      offset += data.byteLength;
    }
    writeFileSync(path(), Buffer.concat(parts));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });
  const fileArray = (dtype: (typeof types)[number]): Tensor =>
    f.fromFile({ path: path(), byteOffset: offsets[dtype]!, byteLength: f.bytesPerElement(dtype) * 6 }, [2, 3], dtype);

  it.each(types)('%s is read by reference, as an argument and closed over', async (dtype) => {
    const weight = fileArray(dtype);
    const wide = (w: Tensor): Tensor => f.mul(f.cast(w, 'float32'), 2);
    const doubled = values.map((x) => 2 * x);
    expect(numbers(await compile((w: Tensor) => wide(w))(weight))).toEqual(doubled);
    expect(numbers(await compile(() => wide(weight))())).toEqual(doubled);
    expect([...interpret((w: Tensor) => wide(w), [weight]).values]).toEqual(doubled);
    expect(numbers(await f.toHost(weight))).toEqual(values);
  });

  it('its bytes are not in the model, and it cannot be read without toHost', () => {
    const weight = fileArray('float32');
    const { model } = compile((w: Tensor) => f.exp(w)).program(weight);
    expect(model.initializers.map(({ external }) => external)).toEqual([
      { location: expect.stringMatching(/weights\.bin$/), byteOffset: 13, byteLength: 24 },
    ]);
    expect(() => weight.data).toThrow(expect.objectContaining({ code: 'engine.not-on-host' }));
  });

  it('two programs over one file, and gradients by it', async () => {
    const weight = fileArray('float32');
    const x = tensor([[1, 2]]);
    const forward = compile((w: Tensor, y: Tensor) => f.matmul(y, w), { prepack: false });
    const backward = compile((w: Tensor, y: Tensor) => f.grad((v: Tensor) => f.sum(f.square(f.matmul(y, v))))(w));
    const y = [7, -2.5, 200.5];
    expect(numbers(await forward(weight, x))).toEqual(y);
    expect(numbers(await backward(weight, x))).toEqual([...y.map((v) => 2 * v), ...y.map((v) => 4 * v)]);
  });

  it('files in two folders go together', async () => {
    const other = mkdtempSync(join(tmpdir(), 'engine-'));
    writeFileSync(join(other, 'more.bin'), new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer));
    const elsewhere = f.fromFile({ path: join(other, 'more.bin'), byteOffset: 0, byteLength: 24 }, [2, 3], 'float32');
    const sum = compile((a: Tensor, b: Tensor) => f.add(a, b));
    expect(numbers(await sum(fileArray('float32'), elsewhere))).toEqual(values.map((x, i) => x + i + 1));
    expect(numbers(await sum(fileArray('float32'), await f.toHost(elsewhere)))).toEqual(
      values.map((x, i) => x + i + 1),
    );
    rmSync(other, { recursive: true });
  });

  it('a file that ends early is said to', async () => {
    const past = f.fromFile({ path: path(), byteOffset: 40, byteLength: 24 }, [2, 3], 'float32');
    await expect(f.toHost(past)).rejects.toMatchObject({ code: 'engine.file' });
    expect(() => interpret((x: Tensor) => x, [past])).toThrow(expect.objectContaining({ code: 'engine.file' }));
  });
});
