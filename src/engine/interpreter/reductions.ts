/** Float64 definitions of reductions, running sums, sorting and what is normalised along an axis. */
import type { OperatorName } from '../operators/attributes.ts';
import { linesAlong, mapLines, type Rule, total, type Value } from './value.ts';

const over =
  (of: (line: number[]) => number) =>
  (inputs: readonly Value[], { axes }: { readonly axes: readonly number[] }): ArrayLike<number>[] => {
    const x = inputs[0]!;
    return [linesAlong(x.shape, axes).map((line) => of(line.map((place) => x.values[place]!)))];
  };

function logSumExp(line: number[]): number {
  const largest = Math.max(...line);
  // Infinite: infinity minus infinity would be no number.
  return Number.isFinite(largest) ? largest + Math.log(total(line.map((x) => Math.exp(x - largest)))) : largest;
}

function logSoftmax(line: number[]): number[] {
  const normaliser = logSumExp(line);
  return line.map((x) => x - normaliser);
}

const average = (line: number[]): number => total(line) / line.length;

function runningSum(line: number[], exclusive: boolean): number[] {
  return line.map((_, i) => total(line.slice(0, exclusive ? i : i + 1)));
}

export const reductions = {
  sum: over(total),
  mean: over(average),
  max: over((line) => Math.max(...line)),
  min: over((line) => Math.min(...line)),
  prod: over((line) => line.reduce((product, x) => product * x, 1)),
  logSumExp: over(logSumExp),
  argMax: ([x], { axis }) => over((line) => line.indexOf(Math.max(...line)))([x!], { axes: [axis] }),
  cumulativeSum: ([x], { axis, exclusive, reverse }) => [
    mapLines(x!, axis, (line) =>
      reverse ? runningSum([...line].reverse(), exclusive).reverse() : runningSum(line, exclusive),
    ),
  ],
  // Equal values in order of their position.
  topK: ([x], { k, axis, largest }, results) => {
    const values = new Float64Array(results[0]!.shape.reduce((product, size) => product * size, 1));
    const positions = new Float64Array(values.length);
    const targets = linesAlong(results[0]!.shape, [axis]);
    linesAlong(x!.shape, [axis]).forEach((line, at) => {
      const order = line
        .map((place, i) => ({ value: x!.values[place]!, i }))
        .sort((a, b) => (largest ? b.value - a.value : a.value - b.value) || a.i - b.i)
        .slice(0, k);
      order.forEach(({ value, i }, rank) => {
        values[targets[at]![rank]!] = value;
        positions[targets[at]![rank]!] = i;
      });
    });
    return [values, positions];
  },

  softmax: ([x], { axis }) => [mapLines(x!, axis, (line) => logSoftmax(line).map(Math.exp))],
  logSoftmax: ([x], { axis }) => [mapLines(x!, axis, logSoftmax)],
  crossEntropy: (inputs) => {
    const [logits, targets] = inputs as [Value, Value];
    const logProbabilities = mapLines(logits, 1, logSoftmax);
    const loss = linesAlong(logits.shape, [1]).map((line, row) => -logProbabilities[line[targets.values[row]!]!]!);
    return [loss, logProbabilities];
  },

  layerNorm: (inputs, { epsilon }) => {
    const [x, scale, bias] = inputs as [Value, Value, Value];
    const last = x.shape.length - 1;
    const inverse = (line: number[]): number => {
      const mean = average(line);
      return 1 / Math.sqrt(average(line.map((v) => (v - mean) ** 2)) + epsilon);
    };
    const normalised = mapLines(x, last, (line) => {
      const [mean, factor] = [average(line), inverse(line)];
      return line.map((v, i) => (v - mean) * factor * scale.values[i]! + bias.values[i]!);
    });
    return [normalised, over(average)([x], { axes: [last] })[0]!, over(inverse)([x], { axes: [last] })[0]!];
  },
  rmsNorm: (inputs, { epsilon }) => {
    const [x, scale] = inputs as [Value, Value];
    const last = x.shape.length - 1;
    const inverse = (line: number[]): number => 1 / Math.sqrt(average(line.map((v) => v * v)) + epsilon);
    const normalised = mapLines(x, last, (line) => {
      const factor = inverse(line);
      return line.map((v, i) => v * factor * scale.values[i]!);
    });
    return [normalised, over(inverse)([x], { axes: [last] })[0]!];
  },
} satisfies { readonly [K in OperatorName]?: Rule<K> };
