/** ONNX bytes decode back: a small protobuf reader of this test's own, written from protobuf.dev and onnx.proto3. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeModel, type OnnxAttribute, type OnnxModel } from './model.ts';
import { ProtobufWriter } from './protobuf.ts';

type Field = { readonly number: number; readonly integer?: bigint; readonly bytes?: Uint8Array };

/** The fields of one message, in order. */
function fieldsOf(bytes: Uint8Array): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error('the message ends inside a number');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const number = tag >> 3;
    if ((tag & 7) === 0) found.push({ number, integer: BigInt.asIntN(64, varint()) });
    else {
      const size = (tag & 7) === 5 ? 4 : Number(varint());
      found.push({ number, bytes: bytes.subarray(at, at + size) });
      at += size;
    }
  }
  expect(at).toBe(bytes.length);
  return found;
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const all = (fields: readonly Field[], number: number): Field[] => fields.filter((field) => field.number === number);
const bytesAt = (fields: readonly Field[], number: number): Uint8Array => all(fields, number)[0]!.bytes!;
const integerAt = (fields: readonly Field[], number: number): number => Number(all(fields, number)[0]!.integer);
const messages = (fields: readonly Field[], number: number): Field[][] =>
  all(fields, number).map(({ bytes }) => fieldsOf(bytes!));
const texts = (fields: readonly Field[], number: number): string[] =>
  all(fields, number).map(({ bytes }) => text(bytes!));

function packed(bytes: Uint8Array): number[] {
  const found: number[] = [];
  let value = 0n;
  let shift = 0n;
  for (const byte of bytes) {
    value |= BigInt(byte & 0x7f) << shift;
    shift += 7n;
    if (byte < 0x80) {
      found.push(Number(BigInt.asIntN(64, value)));
      [value, shift] = [0n, 0n];
    }
  }
  return found;
}
const floats = (bytes: Uint8Array): number[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
};

function attributeOf(fields: readonly Field[]): OnnxAttribute {
  switch (integerAt(fields, 20)) {
    case 1:
      return { float: floats(bytesAt(fields, 2))[0]! };
    case 2:
      return { int: integerAt(fields, 3) };
    case 3:
      return { text: text(bytesAt(fields, 4)) };
    case 6:
      return { floats: floats(bytesAt(fields, 7)) };
    default:
      return { ints: packed(bytesAt(fields, 8)) };
  }
}

const CODES = {
  1: 'float32',
  7: 'int64',
  9: 'bool',
  10: 'float16',
  16: 'bfloat16',
  6: 'int32',
  3: 'int8',
  2: 'uint8',
} as const;
const typeOf = (code: number): string => CODES[code as keyof typeof CODES];

function decode(bytes: Uint8Array): OnnxModel {
  const graph = fieldsOf(bytesAt(fieldsOf(bytes), 7));
  const values = (number: number): OnnxModel['inputs'] =>
    messages(graph, number).map((value) => {
      const type = fieldsOf(bytesAt(fieldsOf(bytesAt(value, 2)), 1));
      const shape = messages(fieldsOf(bytesAt(type, 2)), 1).map((size) => integerAt(size, 1));
      return { name: texts(value, 1)[0]!, dtype: typeOf(integerAt(type, 1)), shape } as OnnxModel['inputs'][number];
    });
  return {
    nodes: messages(graph, 1).map((node) => ({
      type: texts(node, 4)[0]!,
      inputs: texts(node, 1),
      outputs: texts(node, 2),
      ...(all(node, 3).length > 0 ? { name: texts(node, 3)[0]! } : {}),
      ...(all(node, 7).length > 0 ? { domain: texts(node, 7)[0]! } : {}),
      ...(all(node, 5).length > 0
        ? { attributes: Object.fromEntries(messages(node, 5).map((a) => [texts(a, 1)[0]!, attributeOf(a)])) }
        : {}),
    })),
    initializers: messages(graph, 5).map((tensor) => {
      const entries = Object.fromEntries(
        messages(tensor, 13).map((entry) => [texts(entry, 1)[0]!, texts(entry, 2)[0]!]),
      );
      const place = {
        location: entries.location!,
        byteOffset: Number(entries.offset),
        byteLength: Number(entries.length),
      };
      return {
        name: texts(tensor, 8)[0]!,
        dtype: typeOf(integerAt(tensor, 2)),
        shape: packed(bytesAt(tensor, 1)),
        ...(all(tensor, 14).length > 0 ? { external: place } : { bytes: new Uint8Array(bytesAt(tensor, 9)) }),
      } as OnnxModel['initializers'][number];
    }),
    inputs: values(11),
    outputs: values(12),
  };
}

const model: OnnxModel = {
  nodes: [
    {
      type: 'Slice',
      name: 'ein sehr langer Name '.repeat(400),
      inputs: ['x', '', 'é→😀'],
      outputs: ['y'.repeat(100_000)],
      attributes: {
        int: { int: -1 },
        smallest: { int: -Number.MAX_SAFE_INTEGER },
        largest: { int: Number.MAX_SAFE_INTEGER },
        zero: { int: 0 },
        float: { float: -1.5 },
        tiny: { float: 2 ** -149 },
        infinite: { float: Infinity },
        text: { text: 'tanh' },
        empty: { text: '' },
        ints: { ints: [0, -1, 127, 128, 2 ** 31, -(2 ** 31), -(2 ** 53) + 1] },
        noInts: { ints: [] },
        floats: { floats: [0, -0.25, 2 ** 127] },
      },
    },
    { type: 'FusedMatMul', domain: 'com.microsoft', inputs: [], outputs: ['z'] },
  ],
  initializers: [
    { name: 'w', dtype: 'float32', shape: [2, 1], bytes: Uint8Array.of(0, 255, 128, 1, 2, 3, 4, 5) },
    { name: 'scalar', dtype: 'int64', shape: [], bytes: new Uint8Array(8) },
    { name: 'none', dtype: 'bool', shape: [0, 3], bytes: new Uint8Array(0) },
    {
      name: 'far',
      dtype: 'bfloat16',
      shape: [3],
      external: { location: 'm.safetensors', byteOffset: 2 ** 40 + 1, byteLength: 6 },
    },
  ],
  inputs: [
    { name: 'x', dtype: 'float16', shape: [2 ** 33, 0, 1] },
    { name: 'i', dtype: 'int32', shape: [] },
  ],
  outputs: [{ name: 'y', dtype: 'uint8', shape: [300] }],
};

describe('ONNX bytes', () => {
  it('hold the model: large and negative numbers, long names, empty lists, external data', () => {
    expect(decode(encodeModel(model))).toEqual(model);
  });

  it('name the version and the operator sets', () => {
    const fields = fieldsOf(encodeModel({ nodes: [], initializers: [], inputs: [], outputs: [] }));
    expect(integerAt(fields, 1)).toBe(11);
    expect(messages(fields, 8).map((set) => [texts(set, 1)[0], integerAt(set, 2)])).toEqual([
      ['', 23],
      ['com.microsoft', 1],
    ]);
  });

  it('hold any attributes and names', () => {
    const attribute: fc.Arbitrary<OnnxAttribute> = fc.oneof(
      fc.record({ int: fc.maxSafeInteger() }),
      fc.record({ float: fc.float({ noNaN: true }) }),
      fc.record({ text: fc.string({ unit: 'grapheme' }) }),
      fc.record({ ints: fc.array(fc.maxSafeInteger()) }),
      fc.record({ floats: fc.array(fc.float({ noNaN: true })) }),
    );
    // A name that JavaScript takes for an index would be moved to the front.
    const name = fc.string({ minLength: 1 }).map((word) => `n${word}`);
    fc.assert(
      fc.property(
        fc.dictionary(name, attribute, { minKeys: 1, noNullPrototype: true }),
        fc.array(name),
        (attributes, inputs) => {
          const node = { type: 'Any', inputs, outputs: inputs, attributes };
          const one = { nodes: [node], initializers: [], inputs: [], outputs: [] };
          expect(decode(encodeModel(one))).toEqual(one);
        },
      ),
      { numRuns: 200, seed: 3 },
    );
  });

  it("of -2^63 are ten bytes of two's complement", () => {
    const w = new ProtobufWriter();
    w.integer(1, -(2 ** 63));
    expect([...w.finish()]).toEqual([8, 128, 128, 128, 128, 128, 128, 128, 128, 128, 1]);
  });
});
