import { mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FiducialError } from '../../core/errors.ts';
import {
  openSafetensors,
  readFloat32,
  readSafetensorsBytes,
  readTensor,
  safetensorsBytes,
  writeSafetensors,
  type TensorToWrite,
} from './safetensors.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A file with this header text and this many bytes of data. */
function fileOf(header: string | Uint8Array, dataBytes: number, headerLength?: bigint): Uint8Array {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(headerLength ?? BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataBytes, 1)]);
}

async function refusal(bytes: Uint8Array): Promise<FiducialError> {
  const path = join(folder, 'hostile.safetensors');
  await writeFile(path, bytes);
  try {
    await openSafetensors(path);
  } catch (error) {
    if (!(error instanceof FiducialError)) throw error;
    expect(error.message).toContain('hostile.safetensors');
    return error;
  }
  throw new Error('the hostile file was accepted');
}

const entry = (dtype: string, shape: unknown, offsets: unknown): string =>
  JSON.stringify({ dtype, shape, data_offsets: offsets });

describe('in memory', () => {
  const tensors: TensorToWrite[] = [
    { name: 'b', dtype: 'F32', shape: [2], data: Float32Array.of(1, -2) },
    { name: 'a', dtype: 'F32', shape: [1, 3], data: Float32Array.of(3, 4, 5) },
  ];
  test('the bytes are those of the file, and are read back', async () => {
    const path = join(folder, 'same.safetensors');
    await writeSafetensors(path, tensors, { note: 'x' });
    const bytes = await safetensorsBytes(tensors, { note: 'x' });
    expect(Buffer.from(bytes).equals(await readFile(path))).toBe(true);
    const { tensors: read, metadata } = readSafetensorsBytes(bytes);
    expect(metadata).toEqual({ note: 'x' });
    expect(read.get('a')).toEqual({ shape: [1, 3], data: Float32Array.of(3, 4, 5) });
    expect(read.get('b')).toEqual({ shape: [2], data: Float32Array.of(1, -2) });
  });
  test('cut short or of another type, it is refused', async () => {
    const bytes = await safetensorsBytes(tensors);
    expect(() => readSafetensorsBytes(bytes.subarray(0, 6))).toThrow(FiducialError);
    expect(() => readSafetensorsBytes(bytes.subarray(0, bytes.length - 4))).toThrow(FiducialError);
    const ids = await safetensorsBytes([{ name: 'i', dtype: 'I32', shape: [1], data: Int32Array.of(1) }]);
    expect(() => readSafetensorsBytes(ids)).toThrow(/I32/);
  });
});

describe('safetensors', () => {
  test('what is written is read back, every type and place', async () => {
    const path = join(folder, 'round.safetensors');
    const values = Float32Array.of(1, -2.5, 0.1, 1e-8, 65504, 3e38);
    const tensors: TensorToWrite[] = [
      { name: 'byte', dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 255) },
      { name: 'w32', dtype: 'F32', shape: [2, 3], data: values },
      { name: 'w16', dtype: 'F16', shape: [6], data: () => values },
      { name: 'wb16', dtype: 'BF16', shape: [3, 2], data: async () => values },
      { name: 'w64', dtype: 'F64', shape: [2], data: Float64Array.of(0.1, -3) },
      { name: 'ids', dtype: 'I64', shape: [2], data: BigInt64Array.of(-1n, 2n ** 60n) },
      { name: 'scalar', dtype: 'F32', shape: [], data: Float32Array.of(7) },
      { name: 'empty', dtype: 'F32', shape: [0, 4], data: new Float32Array(0) },
      { name: '__proto__', dtype: 'I32', shape: [1], data: Int32Array.of(5) },
    ];
    await writeSafetensors(path, tensors);
    const opened = await openSafetensors(path);
    expect(opened.metadata).toEqual({ format: 'pt' });
    expect([...opened.tensors.keys()].sort()).toEqual(tensors.map(({ name }) => name).sort());
    const floats = async (name: string): Promise<number[]> => [...(await readFloat32(opened.tensors.get(name)!))];
    expect(await floats('w32')).toEqual([...values]);
    // torch 1.13: torch.tensor(values).half().float().tolist() and .bfloat16().float().tolist()
    expect(await floats('w16')).toEqual([1, -2.5, 0.0999755859375, 0, 65504, Infinity]);
    expect(await floats('wb16')).toEqual([1, -2.5, 0.10009765625, 1.0011717677116394e-8, 65536, 3.00405527047391e38]);
    expect(await floats('w64')).toEqual([Math.fround(0.1), -3]);
    expect(await floats('scalar')).toEqual([7]);
    expect(await floats('empty')).toEqual([]);
    const ids = await readTensor(opened.tensors.get('ids')!);
    expect([...new BigInt64Array(ids.buffer)]).toEqual([-1n, 2n ** 60n]);
    await expect(readFloat32(opened.tensors.get('ids')!)).rejects.toThrow(/"ids" is I64/);
    for (const { byteOffset, dtype } of opened.tensors.values()) {
      if (dtype !== 'U8') expect(byteOffset % 2).toBe(0);
    }
    const raw = await readFile(path);
    expect((8 + Number(raw.readBigUInt64LE())) % 8).toBe(0);
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('a failed write leaves the old file and no temporary one', async () => {
    const path = join(folder, 'kept.safetensors');
    await writeSafetensors(path, [{ name: 'a', dtype: 'F32', shape: [1], data: Float32Array.of(1) }]);
    const before = await readFile(path);
    const wrong: TensorToWrite = { name: 'a', dtype: 'F32', shape: [3], data: Float32Array.of(1) };
    await expect(writeSafetensors(path, [wrong])).rejects.toThrow(/given 4 bytes.*takes 12/);
    expect(await readFile(path)).toEqual(before);
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test.each<[string, string, Uint8Array]>([
    ['checkpoint.truncated', 'has 3 bytes', Uint8Array.of(1, 2, 3)],
    ['checkpoint.truncated', 'header length', fileOf('{}', 0, 4000n)],
    ['checkpoint.header', 'header length', fileOf('{}', 0, 2n ** 63n)],
    ['checkpoint.header', 'not JSON', fileOf('{"a":', 0)],
    ['checkpoint.header', '"["', fileOf('[', 0)],
    ['checkpoint.header', 'UTF-8', fileOf(Uint8Array.of(0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d), 0)],
    ['checkpoint.header', 'deeper than three', fileOf(`{"a":${'['.repeat(100_000)}`, 0)],
    ['checkpoint.header', '__metadata__ is 3', fileOf('{"__metadata__":3}', 0)],
    ['checkpoint.header', '__metadata__.k', fileOf('{"__metadata__":{"k":1}}', 0)],
    ['checkpoint.header', '"a" is 7', fileOf('{"a":7}', 0)],
    [
      'checkpoint.duplicate',
      '"a" twice',
      fileOf(`{"a":${entry('U8', [1], [0, 1])},"\\u0061":${entry('U8', [0], [1, 1])}}`, 1),
    ],
    ['checkpoint.dtype', '"a".dtype is "F99"', fileOf(`{"a":${entry('F99', [1], [0, 1])}}`, 1)],
    ['checkpoint.dtype', '"a".dtype is "toString"', fileOf(`{"a":${entry('toString', [1], [0, 1])}}`, 1)],
    ['checkpoint.shape', '"a".shape', fileOf(`{"a":${entry('U8', [-1], [0, 1])}}`, 1)],
    ['checkpoint.shape', '"a".shape', fileOf(`{"a":${entry('U8', [1.5], [0, 1])}}`, 1)],
    ['checkpoint.shape', '"a".shape', fileOf(`{"a":${entry('U8', 'x', [0, 1])}}`, 1)],
    ['checkpoint.shape', 'takes 16', fileOf(`{"a":${entry('F32', [4], [0, 8])}}`, 8)],
    ['checkpoint.shape', 'counted', fileOf(`{"a":${entry('U8', [2 ** 40, 2 ** 40], [0, 8])}}`, 8)],
    ['checkpoint.offsets', '"a".data_offsets', fileOf(`{"a":${entry('U8', [1], [-1, 0])}}`, 1)],
    ['checkpoint.offsets', '"a".data_offsets', fileOf(`{"a":${entry('U8', [1], [0.5, 1.5])}}`, 2)],
    ['checkpoint.offsets', '"a".data_offsets', fileOf(`{"a":${entry('U8', [1], [0, 1e300])}}`, 2)],
    ['checkpoint.offsets', '"a".data_offsets', fileOf(`{"a":${entry('U8', [1], [0])}}`, 1)],
    ['checkpoint.offsets', 'before the begin', fileOf(`{"a":${entry('U8', [1], [1, 0])}}`, 1)],
    ['checkpoint.truncated', 'ends at 9', fileOf(`{"a":${entry('U8', [9], [0, 9])}}`, 4)],
    ['checkpoint.overlap', 'overlaps', fileOf(`{"a":${entry('U8', [4], [0, 4])},"b":${entry('U8', [4], [2, 6])}}`, 6)],
    ['checkpoint.offsets', 'leaves 2 bytes', fileOf(`{"a":${entry('U8', [2], [2, 4])}}`, 4)],
    ['checkpoint.offsets', '3 bytes after', fileOf(`{"a":${entry('U8', [1], [0, 1])}}`, 4)],
  ])('%s: %s', async (code, words, bytes) => {
    const error = await refusal(bytes);
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
  });

  test('an absent file, and one cut after it was opened', async () => {
    await expect(openSafetensors(join(folder, 'none'))).rejects.toMatchObject({ code: 'checkpoint.absent' });
    const path = join(folder, 'cut.safetensors');
    await writeSafetensors(path, [{ name: 'a', dtype: 'F32', shape: [4], data: new Float32Array(4) }]);
    const { tensors } = await openSafetensors(path);
    await truncate(path, tensors.get('a')!.byteOffset + 5);
    await expect(readTensor(tensors.get('a')!)).rejects.toMatchObject({ code: 'checkpoint.truncated' });
  });

  test('mutated files give entries inside the file, or a FiducialError', async () => {
    const good = join(folder, 'good.safetensors');
    await writeSafetensors(good, [
      { name: 'a', dtype: 'F32', shape: [2, 2], data: new Float32Array(4) },
      { name: 'b', dtype: 'F16', shape: [3], data: new Float32Array(3) },
      { name: 'c', dtype: 'U8', shape: [0], data: new Uint8Array(0) },
    ]);
    const valid = await readFile(good);
    const path = join(folder, 'fuzz.safetensors');
    const edit = fc.record({
      at: fc.nat(valid.length - 1),
      remove: fc.nat(6),
      insert: fc.oneof(
        fc.uint8Array({ maxLength: 4 }),
        fc
          .constantFrom('0', '-', '1e9', '"', '{', '}', '[', ']', ',', '"a"', '9', '\\', '.')
          .map((s) => Buffer.from(s)),
      ),
    });
    let parsed = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
        let bytes = Buffer.from(valid);
        for (const { at, remove, insert } of edits) {
          bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
        }
        await writeFile(path, bytes);
        try {
          const { tensors } = await openSafetensors(path);
          parsed++;
          for (const tensor of tensors.values()) {
            expect(tensor.byteOffset).toBeGreaterThanOrEqual(8);
            expect(tensor.byteOffset + tensor.byteLength).toBeLessThanOrEqual(bytes.length);
            expect((await readTensor(tensor)).byteLength).toBe(tensor.byteLength);
          }
        } catch (error) {
          if (!(error instanceof FiducialError)) throw error;
        }
      }),
      { numRuns: 400 },
    );
    expect(parsed).toBeGreaterThan(0);
  });
});
