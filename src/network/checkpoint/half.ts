/**
 * Conversions between float32 and the two 16-bit floats that checkpoints use, whole arrays at a time.
 *
 * float16 is IEEE 754 binary16; bfloat16 is the upper half of a float32. Narrowing rounds to nearest, ties to even,
 * as PyTorch does; what is too large becomes infinity; a NaN stays a NaN (its payload is not kept). Reference values
 * from torch stand in `half.test.ts`.
 */

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/**
 * The 16 bits of `value` (first rounded to float32, as PyTorch holds it) as IEEE binary16.
 *
 * @example float16Bits(1) === 0x3c00
 */
export function float16Bits(value: number): number {
  float[0] = value;
  const x = bits[0]!;
  const sign = (x >>> 16) & 0x8000;
  const magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65520 and above round to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const rebiased = magnitude - 0x38000000;
    return sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13);
  }
  // Subnormal: adding 0.5 puts the value's units of 2^-24 at the end of the float32 mantissa, rounded by the hardware.
  float[0] = Math.fround(Math.abs(float[0]) + 0.5);
  return sign | (bits[0]! - 0x3f000000);
}

/**
 * The 16 bits of `value` (first rounded to float32) as bfloat16.
 *
 * @example bfloat16Bits(1) === 0x3f80
 */
export function bfloat16Bits(value: number): number {
  float[0] = value;
  const x = bits[0]!;
  if ((x & 0x7fffffff) > 0x7f800000) return ((x >>> 16) & 0x8000) | 0x7fc0;
  return ((x + 0x7fff + ((x >>> 16) & 1)) >>> 16) & 0xffff;
}

let float16Table: Float32Array | undefined;

/** All 65,536 binary16 values as float32, made once: a table reads faster than branches. */
function float16Values(): Float32Array {
  if (float16Table !== undefined) return float16Table;
  const table = new Float32Array(65536);
  for (let h = 0; h < 65536; h++) {
    const exponent = (h >>> 10) & 31;
    const mantissa = h & 1023;
    let value: number;
    if (exponent === 0) value = mantissa * 2 ** -24;
    else if (exponent === 31) value = mantissa === 0 ? Infinity : NaN;
    else value = (1 + mantissa / 1024) * 2 ** (exponent - 15);
    table[h] = h & 0x8000 ? -value : value;
  }
  float16Table = table;
  return table;
}

/** Widens `source`, binary16 bit patterns, exactly. */
export function widenFloat16(source: Uint16Array, target = new Float32Array(source.length)): Float32Array {
  const table = float16Values();
  for (let i = 0; i < source.length; i++) target[i] = table[source[i]!]!;
  return target;
}

/** Widens `source`, bfloat16 bit patterns, exactly. */
export function widenBfloat16(source: Uint16Array, target = new Float32Array(source.length)): Float32Array {
  const words = new Uint32Array(target.buffer, target.byteOffset, target.length);
  for (let i = 0; i < source.length; i++) words[i] = source[i]! << 16;
  return target;
}

/** Narrows `source` to binary16 bit patterns, nearest even. */
export function narrowFloat16(source: Float32Array): Uint16Array {
  const target = new Uint16Array(source.length);
  for (let i = 0; i < source.length; i++) target[i] = float16Bits(source[i]!);
  return target;
}

/** Narrows `source` to bfloat16 bit patterns, nearest even. */
export function narrowBfloat16(source: Float32Array): Uint16Array {
  const target = new Uint16Array(source.length);
  for (let i = 0; i < source.length; i++) target[i] = bfloat16Bits(source[i]!);
  return target;
}
