/**
 * `fiducial loop` as a user meets it: over an endpoint that is really served, killed and begun again; on a folder that
 * cannot be opened; and as a plan alone.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomModel } from '../small-model.ts';
import { fiducial, killLoop, writeRows } from './kill-loop.ts';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fiducial-loop-command-'));
  await writeRandomModel(join(folder, 'model'));
  rmSync(join(folder, 'model', 'tokenizer.json'));
});
afterAll(() => rmSync(folder, { recursive: true }));

it('over a served endpoint, killed with SIGKILL and begun again, ends with the figures of a whole loop', async () => {
  const report = await killLoop({ kills: 2, seed: 'test' });
  expect(report.killed).toEqual(report.whole);
  expect(report.kills).toBeGreaterThan(0);
  // What was under way at a kill is asked again, and nothing else is.
  expect(report.askedAgain).toBeLessThanOrEqual(report.kills * report.concurrency);
  expect(report.stored).toBeGreaterThan(50);
}, 300_000);

describe('before anything is run', () => {
  it('a folder without a tokenizer is not possible, with the reason and exit code 2', async () => {
    const { code, stderr } = await fiducial(['loop', '--target', './model', '--yes'], folder);
    expect(code).toBe(2);
    expect(stderr).toContain('The loop is not possible on ./model');
    expect(stderr).toContain('tokenizer');
  });

  it('an endpoint that is not this machine is not asked without a yes', async () => {
    const target = 'openai-compatible:https://model.invalid/v1#m';
    const { code, stderr } = await fiducial(
      ['loop', '--target', target, '--verdict', 'complies', ...writeRows(folder)],
      folder,
    );
    expect(code).toBe(2);
    expect(stderr).toContain('The loop was not begun');
  });

  it('the plan prints every setting and sends nothing', async () => {
    const target = 'openai-compatible:https://model.invalid/v1#m';
    const { code, stdout } = await fiducial(
      ['loop', '--target', target, '--plan', '--verdict', 'complies', ...writeRows(folder)],
      folder,
    );
    expect(code).toBe(0);
    for (const setting of ['heldOutFamilies:', 'refusalBudget:', 'wordings:', 'bars:'])
      expect(stdout).toContain(setting);
    expect(stdout).toContain('train/supervised is not possible');
    expect(stdout).toContain('cost: not known: a model has no price');
  });
});
