import { describe, expect, test } from 'vitest';
import { bfloat16Bits, float16Bits, narrowBfloat16, narrowFloat16, widenBfloat16, widenFloat16 } from './half.ts';

/**
 * [float32 bits, float16 bits, bfloat16 bits], from torch 1.13 (/usr/bin/python3):
 *   torch.manual_seed(0); t = torch.tensor(edge cases + (torch.randn(40) * 10.0 ** torch.randint(-9, 6, (40,)).float()).tolist())
 *   t.view(torch.int32), t.half().view(torch.int16), t.bfloat16().view(torch.int16)
 */
// oxfmt-ignore
const TORCH: [number, number, number][] = [
  [0x00000000, 0x0000, 0x0000],
  [0x80000000, 0x8000, 0x8000],
  [0x3f800000, 0x3c00, 0x3f80],
  [0xbf800000, 0xbc00, 0xbf80],
  [0x3dcccccd, 0x2e66, 0x3dcd],
  [0x3eaaaaab, 0x3555, 0x3eab],
  [0x477fe000, 0x7bff, 0x4780],
  [0x477fefff, 0x7bff, 0x4780],
  [0x477ff000, 0x7c00, 0x4780],
  [0x47c35000, 0x7c00, 0x47c3],
  [0xce6e6b28, 0xfc00, 0xce6e],
  [0x38800000, 0x0400, 0x3880],
  [0x387fda40, 0x03ff, 0x3880],
  [0x33800000, 0x0001, 0x3380],
  [0x32fffae5, 0x0000, 0x3300],
  [0x33000000, 0x0000, 0x3300],
  [0x33c00000, 0x0002, 0x33c0],
  [0x34200000, 0x0002, 0x3420],
  [0x000116c2, 0x0000, 0x0001],
  [0x7f7fffff, 0x7c00, 0x7f80],
  [0x3f801000, 0x3c00, 0x3f80],
  [0x3f803000, 0x3c02, 0x3f80],
  [0x3f808000, 0x3c04, 0x3f80],
  [0x3f818000, 0x3c0c, 0x3f82],
  [0x7f800000, 0x7c00, 0x7f80],
  [0xff800000, 0xfc00, 0xff80],
  [0x45001000, 0x6800, 0x4500],
  [0x45003000, 0x6802, 0x4500],
  [0xbeaaaaab, 0xb555, 0xbeab],
  [0xbde6926f, 0xaf35, 0xbde7],
  [0xb245f956, 0x8000, 0xb246],
  [0xc1c8767e, 0xce44, 0xc1c8],
  [0xb33a597b, 0x8001, 0xb33a],
  [0x370e63d5, 0x008e, 0x370e],
  [0x31edc5c5, 0x0000, 0x31ee],
  [0xb4a9a877, 0x8005, 0xb4aa],
  [0xc0075fc1, 0xc03b, 0xc007],
  [0x404e4186, 0x4272, 0x404e],
  [0xb9047862, 0x8824, 0xb904],
  [0x455abd4f, 0x6ad6, 0x455b],
  [0x3b49f04b, 0x1a50, 0x3b4a],
  [0x3c44592c, 0x2223, 0x3c44],
  [0x3c4ac722, 0x2256, 0x3c4b],
  [0x33efd37a, 0x0002, 0x33f0],
  [0xb7cf6e94, 0x819f, 0xb7cf],
  [0xb0b9e845, 0x8000, 0xb0ba],
  [0xc187acac, 0xcc3d, 0xc188],
  [0x35181bef, 0x000a, 0x3518],
  [0x429eb3a1, 0x54f6, 0x429f],
  [0x3f194d8b, 0x38ca, 0x3f19],
  [0xb28594e7, 0x8000, 0xb286],
  [0xb16a94c1, 0x8000, 0xb16b],
  [0x39424d41, 0x0a12, 0x3942],
  [0xb2b96cd5, 0x8000, 0xb2b9],
  [0xc7910769, 0xfc00, 0xc791],
  [0x475bd023, 0x7adf, 0x475c],
  [0x45224462, 0x6912, 0x4522],
  [0xbe3222d5, 0xb191, 0xbe32],
  [0xbd8b01da, 0xac58, 0xbd8b],
  [0x371d69fe, 0x009d, 0x371d],
  [0x4598c596, 0x6cc6, 0x4599],
  [0x3749de10, 0x00ca, 0x374a],
  [0x3c0a806c, 0x2054, 0x3c0b],
  [0xc14005b6, 0xca00, 0xc140],
  [0xc23f6df5, 0xd1fb, 0xc23f],
  [0xbba9c344, 0x9d4e, 0xbbaa],
  [0xc53fb0ac, 0xe9fe, 0xc540],
  [0xc17cf582, 0xcbe8, 0xc17d],
  [0x432aaa12, 0x5955, 0x432b],
];

const float32OfBits = (word: number): number => new Float32Array(new Uint32Array([word]).buffer)[0]!;

describe('16-bit floats', () => {
  test('narrowing gives the bits that torch gives', () => {
    const values = Float32Array.from(TORCH, ([word]) => float32OfBits(word));
    expect([...narrowFloat16(values)]).toEqual(TORCH.map(([, half]) => half));
    expect([...narrowBfloat16(values)]).toEqual(TORCH.map(([, , brain]) => brain));
  });

  test('every finite 16-bit pattern survives widening and narrowing', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const isNan16 = (h: number): boolean => (h & 0x7c00) === 0x7c00 && (h & 0x3ff) !== 0;
    const isNanBrain = (b: number): boolean => (b & 0x7f80) === 0x7f80 && (b & 0x7f) !== 0;
    const half = narrowFloat16(widenFloat16(all));
    const brain = narrowBfloat16(widenBfloat16(all));
    for (const bits of all) {
      if (isNan16(bits)) expect(isNan16(half[bits]!)).toBe(true);
      else if (half[bits] !== bits) expect(half[bits]).toBe(bits);
      if (isNanBrain(bits)) expect(isNanBrain(brain[bits]!)).toBe(true);
      else if (brain[bits] !== bits) expect(brain[bits]).toBe(bits);
    }
  });

  test('narrowing picks the nearer neighbour, the even one at a tie', () => {
    const values = widenFloat16(Uint16Array.from({ length: 0x7c00 }, (_, i) => i));
    for (let i = 0; i + 1 < values.length; i++) {
      const middle = (values[i]! + values[i + 1]!) / 2;
      const even = i % 2 === 0 ? i : i + 1;
      if (float16Bits(middle) !== even) expect(float16Bits(middle)).toBe(even);
    }
  });

  test('a NaN stays a NaN', () => {
    expect(float16Bits(NaN) & 0x7fff).toBeGreaterThan(0x7c00);
    expect(bfloat16Bits(NaN) & 0x7fff).toBeGreaterThan(0x7f80);
  });
});
