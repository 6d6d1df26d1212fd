/**
 * The geometric median: the point whose summed distance to the data is least, so that a few huge activations do not
 * drag the centre along as they do the mean. Weiszfeld's algorithm (1937); a point that coincides with the estimate is
 * left out of that iteration's weights, as in Vardi and Zhang (2000) without their correction.
 */

/**
 * @param data rows of `width` numbers
 * @param iterations at most this many; it ends early when the point moves less than 1e-6 of the data's size
 * @example geometricMedian(Float32Array.of(0, 0, 1, 0, 0, 1, 50, 50), 2); // near the first three points
 */
export function geometricMedian(data: Float32Array, width: number, iterations = 100): Float32Array {
  const count = data.length / width;
  let at = new Float64Array(width);
  for (let i = 0; i < data.length; i++) at[i % width]! += data[i]! / count;
  for (let iteration = 0; iteration < iterations; iteration++) {
    const next = new Float64Array(width);
    let total = 0;
    for (let row = 0; row < count; row++) {
      let squared = 0;
      for (let j = 0; j < width; j++) squared += (data[row * width + j]! - at[j]!) ** 2;
      if (squared === 0) continue;
      const weight = 1 / Math.sqrt(squared);
      total += weight;
      for (let j = 0; j < width; j++) next[j]! += weight * data[row * width + j]!;
    }
    if (total === 0) break;
    let moved = 0;
    let size = 0;
    for (let j = 0; j < width; j++) {
      next[j]! /= total;
      moved += (next[j]! - at[j]!) ** 2;
      size += next[j]! ** 2;
    }
    at = next;
    if (moved <= 1e-12 * Math.max(size, 1e-12)) break;
  }
  return Float32Array.from(at);
}
