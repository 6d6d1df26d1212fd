import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { lookInside } from './look-inside.ts';

const folder = fileURLToPath(new URL('../src/network/fixtures/qwen3', import.meta.url));

it('says what the model answers, and its effects and saliencies agree with the model', async () => {
  const lines: string[] = [];
  const tokens = [3, 14, 15, 9, 2, 6];
  const { effects, saliency, logit } = await lookInside(folder, tokens, (line) => lines.push(line));
  expect(lines[0]).toMatch(/^qwen3: \d+ layers/);
  expect(effects.some(({ fall }) => Math.abs(fall) > 1e-3)).toBe(true);
  expect(saliency).toHaveLength(tokens.length);
  expect(saliency.every((length) => length > 0)).toBe(true);
  // Another first token must move the answer's logit, and the last line must say so for every token.
  const other = await lookInside(folder, [4, ...tokens.slice(1)], () => undefined);
  expect(Math.abs(other.logit - logit)).toBeGreaterThan(1e-6);
});
