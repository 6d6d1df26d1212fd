/**
 * Element types: their sizes, their ONNX codes, and the JavaScript arrays that hold them.
 *
 * `bfloat16` exists for stored weights only: it can be read by reference and cast, not computed in. `float16` and
 * `bfloat16` live in a Uint16Array as bit patterns, because Node 20 has no Float16Array; `bool` in a Uint8Array.
 */
import { FiducialError, show } from '../core/errors.ts';

export type DType = 'float32' | 'float16' | 'bfloat16' | 'int64' | 'int32' | 'int8' | 'uint8' | 'bool';

/** The array that holds each element type in JavaScript. */
export interface DataOf {
  float32: Float32Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  int64: BigInt64Array;
  int32: Int32Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}
export type Data = DataOf[DType];

interface DTypeFacts {
  readonly bytes: number;
  /** `TensorProto.DataType` of ONNX. */
  readonly onnx: number;
  readonly isFloat: boolean;
  readonly make: (length: number) => Data;
  readonly view: (buffer: ArrayBufferLike, byteOffset: number, length: number) => Data;
}

const facts: { readonly [D in DType]: DTypeFacts } = {
  float32: {
    bytes: 4,
    onnx: 1,
    isFloat: true,
    make: (n) => new Float32Array(n),
    view: (b, o, n) => new Float32Array(b, o, n),
  },
  float16: {
    bytes: 2,
    onnx: 10,
    isFloat: true,
    make: (n) => new Uint16Array(n),
    view: (b, o, n) => new Uint16Array(b, o, n),
  },
  bfloat16: {
    bytes: 2,
    onnx: 16,
    isFloat: true,
    make: (n) => new Uint16Array(n),
    view: (b, o, n) => new Uint16Array(b, o, n),
  },
  int64: {
    bytes: 8,
    onnx: 7,
    isFloat: false,
    make: (n) => new BigInt64Array(n),
    view: (b, o, n) => new BigInt64Array(b, o, n),
  },
  int32: {
    bytes: 4,
    onnx: 6,
    isFloat: false,
    make: (n) => new Int32Array(n),
    view: (b, o, n) => new Int32Array(b, o, n),
  },
  int8: {
    bytes: 1,
    onnx: 3,
    isFloat: false,
    make: (n) => new Int8Array(n),
    view: (b, o, n) => new Int8Array(b, o, n),
  },
  uint8: {
    bytes: 1,
    onnx: 2,
    isFloat: false,
    make: (n) => new Uint8Array(n),
    view: (b, o, n) => new Uint8Array(b, o, n),
  },
  bool: {
    bytes: 1,
    onnx: 9,
    isFloat: false,
    make: (n) => new Uint8Array(n),
    view: (b, o, n) => new Uint8Array(b, o, n),
  },
};

export const bytesPerElement = (dtype: DType): number => facts[dtype].bytes;
export const onnxTypeOf = (dtype: DType): number => facts[dtype].onnx;
export const isFloat = (dtype: DType): boolean => facts[dtype].isFloat;
export const makeData = (dtype: DType, length: number): Data => facts[dtype].make(length);
export const viewData = (dtype: DType, buffer: ArrayBufferLike, byteOffset: number, length: number): Data =>
  facts[dtype].view(buffer, byteOffset, length);

/** Whether `data` is the kind of array that holds `dtype`. */
export function holds(dtype: DType, data: Data): boolean {
  return data.constructor === facts[dtype].make(0).constructor;
}

/** An array of `dtype` with these numbers, rounded to it. Integers past the type's range are an error. */
export function dataFrom(dtype: DType, values: ArrayLike<number | boolean | bigint>): Data {
  const out = makeData(dtype, values.length);
  if (out instanceof BigInt64Array) {
    for (let i = 0; i < values.length; i++) out[i] = toBigInt(values[i]!);
  } else if (dtype === 'float16') {
    for (let i = 0; i < values.length; i++) out[i] = toHalf(Number(values[i]));
  } else if (dtype === 'bfloat16') {
    for (let i = 0; i < values.length; i++) out[i] = toBfloat16(Number(values[i]));
  } else if (dtype === 'bool') {
    for (let i = 0; i < values.length; i++) out[i] = values[i] ? 1 : 0;
  } else {
    for (let i = 0; i < values.length; i++) {
      const value = Number(values[i]);
      out[i] = value;
      if (dtype !== 'float32' && out[i] !== value) {
        throw new FiducialError(
          'engine.dtype',
          `${show(value)} is not a value of ${dtype}`,
          'Pass whole numbers in its range.',
        );
      }
    }
  }
  return out;
}

/** The numbers in `data` as float64; int64 past 2^53 loses its last bits. */
export function toFloat64(dtype: DType, data: Data): Float64Array {
  if (data instanceof BigInt64Array) return Float64Array.from(data, Number);
  if (dtype === 'float16') return Float64Array.from(data as Uint16Array, fromHalf);
  if (dtype === 'bfloat16') return Float64Array.from(data as Uint16Array, fromBfloat16);
  return Float64Array.from(data as Float32Array);
}

function toBigInt(value: number | boolean | bigint): bigint {
  if (typeof value === 'bigint') return value;
  const number = Number(value);
  if (!Number.isSafeInteger(number)) {
    throw new FiducialError(
      'engine.dtype',
      `${show(value)} is not a value of int64`,
      'Pass a whole number or a bigint.',
    );
  }
  return BigInt(number);
}

const float32 = new Float32Array(1);
const bits32 = new Uint32Array(float32.buffer);

/** IEEE 754 binary16 bit pattern nearest to `value`, ties to even. */
export function toHalf(value: number): number {
  float32[0] = value;
  const bits = bits32[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // not a number
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds past 65,504
  if (magnitude < 0x38800000) {
    // Subnormal in half precision: one unit is 2^-24. Rounding from float64 avoids rounding twice.
    const units = Math.abs(value) * 16777216;
    const floor = Math.floor(units);
    const rest = units - floor;
    return sign | (rest > 0.5 || (rest === 0.5 && (floor & 1) === 1) ? floor + 1 : floor);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** The number that an IEEE 754 binary16 bit pattern stands for. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** bfloat16 bit pattern nearest to `value` (through float32), ties to even. */
export function toBfloat16(value: number): number {
  float32[0] = value;
  const bits = bits32[0]!;
  if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fc0;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

export function fromBfloat16(bits: number): number {
  bits32[0] = bits << 16;
  return float32[0]!;
}
