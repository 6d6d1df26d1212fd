/** What bad input is told: the operator, the shapes, the caller's line, and what to do. */
import { afterEach, describe, expect, it } from 'vitest';
import * as f from './index.ts';
import { compile, configureEngine, matmul, tensor, type Tensor } from './index.ts';
import { FiducialError } from '../core/errors.ts';

/** The error that `body` throws or rejects with. */
async function failure(body: () => unknown): Promise<FiducialError> {
  try {
    await body();
  } catch (error) {
    if (error instanceof FiducialError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

let line = '';
/** Notes the line that it is called on, as stacks name it. */
function here(): void {
  line = /errors\.test\.ts[^)\n]*?:\d+:/.exec(new Error('here').stack!.split('\n')[2]!)![0];
}
const second = <T>(_: unknown, value: T): T => value;

const a = tensor([
  [1, 2, 3],
  [4, 5, 6],
]);
const b = tensor(new Float32Array(20), { shape: [4, 5] });

describe('shape and type errors', () => {
  it('names the operator, both shapes and the line of the caller', async () => {
    const error = await failure(() => compile((x: Tensor, y: Tensor) => second(here(), matmul(x, y)))(a, b));
    expect(error.code).toBe('engine.shape');
    expect(error.message).toContain('matmul');
    expect(error.message).toContain('float32[2, 3]');
    expect(error.message).toContain('float32[4, 5]');
    expect(error.message).toContain('the inner sizes 3 and 4 differ');
    expect(line).toMatch(/:\d+:$/);
    expect(error.message).toContain(line);
    expect(error.hint).toContain('transpose');
  });

  it('names the caller even where engine functions lie between', async () => {
    const bias = tensor(new Float32Array(3));
    const error = await failure(() => compile((x: Tensor) => second(here(), f.layerNorm(x, bias, bias)))(b));
    expect(error.message).toContain('layerNorm');
    expect(error.message).toContain(line);
  });

  it.each([
    ['add', () => f.add(a, b), 'engine.shape'],
    ['add', () => f.add(a, f.cast(a, 'int32')), 'engine.dtype'],
    ['exp', () => f.exp(f.cast(a, 'int32')), 'engine.dtype'],
    ['where', () => f.where(a, 0, a), 'engine.dtype'],
    ['and', () => f.and(a, a), 'engine.dtype'],
    ['gather', () => f.gather(a, a), 'engine.dtype'],
    ['crossEntropy', () => f.crossEntropy(a, tensor([0], { dtype: 'int64' })), 'engine.shape'],
    ['linear', () => f.linear(a, b), 'engine.shape'],
    ['linear', () => f.linear(a, tensor(new Float32Array(15), { shape: [3, 5] }), tensor([1])), 'engine.shape'],
    ['max', () => f.max(f.fill([0, 2], 1), { axes: 0 }), 'engine.shape'],
    ['concat', () => f.concat([a, b]), 'engine.shape'],
    ['concat', () => f.concat([]), 'engine.shape'],
    ['reshape', () => f.reshape(a, [4, 2]), 'engine.shape'],
    ['reshape', () => f.reshape(a, [-1, 4]), 'engine.shape'],
    ['broadcast', () => f.broadcastTo(a, [2, 2, 4]), 'engine.shape'],
    ['topK', () => f.topK(a, 4), 'engine.shape'],
    ['rotary', () => f.rotary(b, b, b), 'engine.shape'],
    ['attention', () => f.attention(a, a, a), 'engine.shape'],
    ['split', () => f.split(a, 2, 1), 'engine.shape'],
    [
      'pad',
      () =>
        f.pad(a, [
          [1, -1],
          [0, 0],
        ]),
      'engine.shape',
    ],
    ['slice', () => f.slice(a, { starts: [0], ends: [2], steps: [0] }), 'engine.shape'],
    ['squeeze', () => f.squeeze(a, 0), 'engine.shape'],
    ['clip', () => f.clip(a, 2, 1), 'engine.shape'],
    ['takeAlongAxis', () => f.takeAlongAxis(a, tensor([[0], [1], [0]], { dtype: 'int64' }), 1), 'engine.shape'],
    ['scatterAddRows', () => f.scatterAddRows(a, tensor([0], { dtype: 'int64' }), b), 'engine.shape'],
    ['sum', () => f.sum(a, { axes: 2 }), 'engine.shape'],
    ['softmax', () => f.softmax(a, -3), 'engine.shape'],
    ['transpose', () => f.transpose(a, [0, 0]), 'engine.shape'],
    ['argMax', () => f.argMax(a, 0.5), 'engine.shape'],
    ['grad', () => f.grad((x: Tensor) => f.mul(x, 2))(a), 'engine.shape'],
  ] as const)('%s says so of itself: %s', async (operator, body, code) => {
    const error = await failure(() => compile(body as () => Tensor)());
    expect(error.code).toBe(code);
    expect(error.message).toContain(operator);
    expect(error.hint).not.toBe('');
  });

  it.each([
    ['ij,jk', 'it cannot be read'],
    ['ij->ij', '1 terms for 2 operands'],
    ['i,jk->ik', '"i" for an operand of shape [2, 3]'],
    ['ii,jk->ik', '"ii" repeats a letter'],
    ['ij,jk->ik', 'axis j has sizes 3 and 4'],
    ['ij,kl->im', 'the result "im"'],
    ['ij,kl->ii', 'the result "ii"'],
  ])('einsum %s: %s', async (equation, why) => {
    const error = await failure(() => compile(() => f.einsum(equation, a, b))());
    expect(error.code).toBe('engine.shape');
    expect(error.message).toContain(equation);
    expect(error.message).toContain(why);
  });
});

describe('arrays', () => {
  it.each([
    ['rows of unequal shape', () => tensor([[1, 2], [3]] as never), 'engine.shape'],
    ['too few values', () => tensor([1, 2], { shape: [3] }), 'engine.shape'],
    ['a fraction as int32', () => tensor([1.5], { dtype: 'int32' }), 'engine.dtype'],
    ['past int8', () => tensor([200], { dtype: 'int8' }), 'engine.dtype'],
    ['past what int64 can be told exactly', () => tensor([2 ** 60], { dtype: 'int64' }), 'engine.dtype'],
    ['item() of many', () => a.item(), 'engine.shape'],
    [
      'bytes that do not fill the shape',
      () => f.fromFile({ path: '/x', byteOffset: 0, byteLength: 5 }, [2], 'float32'),
      'engine.shape',
    ],
  ] as const)('%s', async (_, body, code) => {
    expect((await failure(body)).code).toBe(code);
  });

  it('is gone after dispose, and says so', async () => {
    const x = tensor([1, 2]);
    x.dispose();
    const twice = compile((y: Tensor) => f.mul(y, 2), { label: 'twice' });
    for (const body of [() => x.data, () => twice(x), () => compile(() => f.mul(x, 2))(), () => f.toHost(x)]) {
      const error = await failure(body);
      expect(error.code).toBe('engine.disposed');
      expect(error.message).toContain('it was disposed');
    }
  });

  it('is gone after it was disposed by a scope', async () => {
    let kept: Tensor;
    {
      using x = tensor([1]);
      kept = x;
    }
    expect((await failure(() => kept.data)).code).toBe('engine.disposed');
  });

  it('is gone after it was donated, whatever became of its buffer', async () => {
    const [written, passed, exchanged] = [tensor([1, 2]), tensor([3, 4]), tensor([5, 6])];
    const step = compile(
      (x: Tensor[]) => [f.add(x[0]!, 1), x[1]!, f.mul(f.sum(x[2]!), f.add(x[2]!, f.cumulativeSum(x[2]!)))],
      { donate: [0] },
    );
    await step([written, passed, exchanged]);
    for (const x of [written, passed, exchanged]) {
      const error = await failure(() => x.data);
      expect(error.code).toBe('engine.disposed');
      expect(error.message).toContain('given away');
    }
    expect((await failure(() => step([written, passed, exchanged]))).code).toBe('engine.disposed');
  });

  it('cannot be donated twice, nor donated and read under another name', async () => {
    const step = compile((x: Tensor, y: Tensor) => [f.add(x, y), f.mul(x, y)], { donate: [0, 1] });
    const x = tensor([1, 2]);
    expect((await failure(() => step(x, x))).code).toBe('engine.donate');
    await step(tensor([1, 2]), tensor([3, 4]));
    // Now traced: the check is made at the call as well.
    expect((await failure(() => step(x, x))).code).toBe('engine.donate');
    const one = compile((y: Tensor, z: Tensor) => f.add(y, z), { donate: [0] });
    expect((await failure(() => one(x, x))).code).toBe('engine.donate');
    expect([...x.data]).toEqual([1, 2]);
  });
});

describe('tracing', () => {
  it('outside a traced function there is nothing to record into', async () => {
    const error = await failure(() => f.exp(a));
    expect(error.code).toBe('engine.not-traced');
    expect(error.message).toContain('exp');
    expect(error.hint).toContain('compile');
  });

  it('a traced tensor has no values', async () => {
    expect((await failure(() => compile((x: Tensor) => tensor([...x.data] as number[]))(a))).code).toBe(
      'engine.traced',
    );
  });

  it('a traced tensor must not outlive its call', async () => {
    let leak: Tensor | undefined;
    await compile((x: Tensor) => (leak = f.exp(x)))(a);
    expect((await failure(() => compile(() => f.add(leak!, 1))())).code).toBe('engine.leaked');
    expect((await failure(() => compile((x: Tensor) => f.add(leak!, x))(a))).code).toBe('engine.leaked');
    expect((await failure(() => f.interpret(() => f.add(leak!, 1), []))).code).toBe('engine.leaked');
    expect((await failure(() => compile((x: Tensor) => x)(leak!))).code).toBe('engine.traced');
  });

  it('a compiled function is not called inside a trace', async () => {
    const inner = compile((x: Tensor) => f.exp(x), { label: 'inner' });
    let pending: Promise<unknown> | undefined;
    await compile((x: Tensor) => {
      pending = failure(() => inner(x));
      return f.exp(x);
    })(a);
    const error = (await pending) as FiducialError;
    expect(error.code).toBe('engine.traced');
    expect(error.message).toContain('inner');
  });

  it('a failed trace leaves nothing behind', async () => {
    await failure(() => compile(() => f.matmul(a, b))());
    expect((await failure(() => f.exp(a))).code).toBe('engine.not-traced');
  });

  it('takes trees of tensors, numbers, strings and booleans, and names what it cannot', async () => {
    const error = await failure(() => compile((x: { y: unknown }) => x as never)({ y: new Map() }));
    expect(error.code).toBe('engine.tree');
    expect(error.message).toContain('argument 0.y');
  });
});

describe('running', () => {
  it('a device that is not here', async () => {
    const error = await failure(() => compile((x: Tensor) => f.exp(x), { device: 'abacus' })(a));
    expect(error.code).toBe('engine.no-device');
    expect(error.message).toContain('abacus');
    expect(error.message).toContain('cpu');
  });

  it('an index past the end', async () => {
    const read = compile((x: Tensor, at: Tensor) => f.gather(x, at), { label: 'lookup' });
    const error = await failure(() => read(a, tensor([5], { dtype: 'int64' })));
    expect(error.code).toBe('engine.run');
    expect(error.message).toContain('lookup');
    expect((await read(a, tensor([1], { dtype: 'int64' }))).data).toEqual(Float32Array.of(4, 5, 6));
  });

  it('bfloat16 arrays are for files only', async () => {
    const x = tensor([1], { dtype: 'bfloat16' });
    const wide = tensor(new Uint16Array(100), { shape: [100], dtype: 'bfloat16' });
    expect((await failure(() => compile((y: Tensor) => f.cast(y, 'float32'))(x))).code).toBe('engine.dtype');
    expect((await failure(() => compile(() => f.cast(wide, 'float32'))())).code).toBe('engine.dtype');
  });

  it('a graph past 2 GB is refused before its constants are copied', async () => {
    // One array of zeros, which the operating system hands out untouched, five times over: 2.5 GiB.
    const zeros = new Float32Array(2 ** 27);
    const before = process.memoryUsage().rss;
    const error = await failure(() =>
      compile(() => Array.from({ length: 5 }, () => f.exp(f.constant(zeros, [2 ** 27]))), { label: 'huge' }).program(),
    );
    expect(error.code).toBe('engine.graph-too-large');
    expect(error.message).toContain('2.50 GiB');
    expect(error.hint).toContain('safetensors');
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 28);
  });

  it('settings out of range', async () => {
    expect((await failure(() => configureEngine({ threads: 0 }))).code).toBe('engine.setting');
    expect((await failure(() => configureEngine({ thraeds: 2 } as never))).code).toBe('engine.setting');
  });
});

describe('the non-finite check', () => {
  afterEach(() => {
    line = '';
  });
  const checked = (fn: (x: Tensor) => Tensor): ReturnType<typeof compile<[Tensor], Tensor>> =>
    compile(fn, { checkFinite: true, label: 'checked' });

  it('names the first operator that made one, and the line that called it', async () => {
    const root = checked((x) => {
      const shifted = f.sub(x, 3);
      const logged = second(here(), f.log(shifted));
      return f.sum(f.exp(f.mul(logged, 2)));
    });
    const error = await failure(() => root(tensor([4, 3, 5])));
    expect(error.code).toBe('engine.not-finite');
    expect(error.message).toContain('checked: log gave');
    expect(error.message).toContain('float32[3]');
    expect(error.message).toContain(line);
    expect((await root(tensor([4, 5]))).item()).toBeCloseTo(5, 5);
  });

  it('finds one in a gradient', async () => {
    const slope = checked((x) => f.grad((y: Tensor) => f.sum(f.sqrt(y)))(x));
    const error = await failure(() => slope(tensor([1, 0])));
    expect(error.message).toContain('div gave');
    expect((await slope(tensor([1, 4]))).data).toEqual(Float32Array.of(0.5, 0.25));
  });
});
