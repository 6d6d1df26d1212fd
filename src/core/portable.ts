/**
 * Logarithm and exponential that give the same bits on every engine.
 *
 * ECMAScript leaves the last digits of Math.log and Math.exp to the engine; only + - * / and Math.sqrt are fixed by
 * IEEE 754. Random numbers that must be equal everywhere are therefore made from these two alone. Both reduce the
 * argument by a power of two and sum a series; the error is below 2 units in the last place over the tested range.
 */

const LN2_HIGH = 6.9314718036912381649e-1; // trailing 32 bits zero, so that k * LN2_HIGH is exact
const LN2_LOW = 1.90821492927058770002e-10;

const bits = new DataView(new ArrayBuffer(8));

/**
 * Natural logarithm of a positive, normal, finite number, from IEEE operations only.
 *
 * @example portableLog(2) // 0.6931471805599453
 */
export function portableLog(x: number): number {
  bits.setFloat64(0, x);
  const high = bits.getUint32(0);
  let exponent = (high >>> 20) - 1023;
  bits.setUint32(0, (high & 0xfffff) | 0x3ff00000);
  let mantissa = bits.getFloat64(0); // [1, 2)
  if (mantissa > Math.SQRT2) {
    mantissa *= 0.5;
    exponent += 1;
  }
  // log(m) = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172: thirteen terms reach 2^-60.
  const f = mantissa - 1;
  const s = f / (2 + f);
  const z = s * s;
  let series = 0;
  for (let n = 27; n >= 3; n -= 2) series = (series + 1 / n) * z;
  // s (f - f^2/2 ...) written so that the leading f is added exactly: 2 s = f - s f.
  return exponent * LN2_HIGH + (f - (s * f - 2 * s * series - exponent * LN2_LOW));
}

/**
 * e to the power `x` for |x| <= 700, from IEEE operations only.
 *
 * @example portableExp(-0.5) // 0.6065306597126334
 */
export function portableExp(x: number): number {
  const k = Math.round(x * Math.LOG2E);
  const r = x - k * LN2_HIGH - k * LN2_LOW; // |r| <= 0.347
  let series = 0;
  for (let n = 14; n >= 2; n--) series = ((series + 1) * r) / n;
  const value = 1 + (r + r * series);
  bits.setUint32(0, (k + 1023) << 20);
  bits.setUint32(4, 0);
  return value * bits.getFloat64(0);
}
