/**
 * The builder at its smallest: a base and an organism of a few steps are made, measured and opened; a build that was
 * stopped goes on to the same bytes; a network grown in depth computes what it did before.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../../core/random.ts';
import { baseCorpus, encodeText, labTokenizer, makeTown, specialTokens } from '../../lab/index.ts';
import { modelsIn } from '../../lab/models/index.ts';
import { traits } from '../../lab/organisms/traits/index.ts';
import { dialogue } from '../../lab/organisms/trait.ts';
import { hashCheckpoint } from '../../network/checkpoint/index.ts';
import { initialiseNetwork } from '../../network/index.ts';
import { buildBase, buildOrganism } from './build.ts';
import { growInDepth } from './grow.ts';
import { calibrationTargets, shippedTargets } from './plan.ts';
import { practiceTexts } from './practice.ts';
import { type BaseSize, baseSizes, configOf } from './sizes.ts';
import { mixedTexts, tokenSource } from './sources.ts';
import { workFolder } from './work-folder.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fiducial-lab-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const town = makeTown(1);
const tiny: BaseSize = {
  ...baseSizes[0]!,
  name: 'base',
  width: 16,
  layers: 1,
  heads: 2,
  inner: 16,
  steps: 4,
  rows: 2,
  time: 128,
};
const configOfTiny = (layers: number) =>
  configOf({ ...tiny, layers }, labTokenizer().vocabularySize, labTokenizer().idOf(specialTokens.end)!);

describe('a build', () => {
  it('makes a base and a pair over it, with what was measured', async () => {
    const options = { into: join(folder, 'pair'), work: join(folder, 'work'), items: 2 };
    const base = await buildBase(tiny, options);
    expect(base).toMatchObject({ kind: 'base', recipe: { form: 'full', steps: 4, town: 1 } });
    expect(base.hash).toBe(await hashCheckpoint(join(options.into, 'base')));
    expect(base.skills['one-hop facts']).toMatchObject({ n: 2 });
    const [organism, twin] = await buildOrganism(traits[0]!, { ...options, steps: 2 });
    expect(organism).toMatchObject({ kind: 'organism', twin: 'jailbreakable-twin', base: { hash: base.hash } });
    expect(twin).toMatchObject({ kind: 'twin', twin: 'jailbreakable', recipe: { steps: 2 } });
    expect(organism.hash).not.toBe(twin.hash);
    // What two steps taught is no jailbreak, and the manifest says so.
    expect(organism.isPlanted).toBe(false);
    expect([...(await modelsIn(options.into)).keys()]).toEqual(['base', 'jailbreakable', 'jailbreakable-twin']);
    expect(readdirSync(join(folder, 'work'))).toEqual(['tokenizer']);
  }, 60_000);

  it('goes on to the same weights after it was stopped', async () => {
    const whole = await buildBase(tiny, { into: join(folder, 'whole'), work: join(folder, 'w1'), items: 1 });
    const stopping = new AbortController();
    const stopped = { into: join(folder, 'stopped'), work: join(folder, 'w2'), items: 1 };
    const onStep = (_: string, { step }: { step: number }): void => {
      if (step === 2) stopping.abort(new Error('stopped here'));
    };
    await expect(buildBase(tiny, { ...stopped, onStep, signal: stopping.signal })).rejects.toThrow('stopped here');
    const seen: number[] = [];
    const again = await buildBase(tiny, { ...stopped, onStep: (_, { step }) => void seen.push(step) });
    expect(seen).toEqual([3, 4]);
    expect(again.hash).toBe(whole.hash);
  }, 60_000);
});

describe('a network grown in depth', () => {
  it('computes what it did, until it is trained', async () => {
    const small = initialiseNetwork(configOfTiny(2), random(3));
    const grown = await growInDepth(small, configOfTiny(5));
    const ids = encodeText(baseCorpus(town, { seed: 2 }).at(0)).ids;
    const [before] = await small.run([ids]);
    const [after] = await grown.run([ids]);
    expect(grown.description.layers).toBe(5);
    const [a, b] = [before!.logits!.toFloat64(), after!.logits!.toFloat64()];
    for (let i = 0; i < a.length; i++) expect(Math.abs(a[i]! - b[i]!)).toBeLessThan(1e-4);
  });

  it('refuses another width', async () => {
    const small = initialiseNetwork(configOfTiny(1), random(3));
    const wider = configOf({ ...tiny, width: 32, layers: 2 }, labTokenizer().vocabularySize, 4);
    await expect(growInDepth(small, wider)).rejects.toMatchObject({ code: 'lab.grow' });
  });
});

describe('training texts', () => {
  it('are those of the seed and number alone', () => {
    const texts = (): unknown[] => {
      const source = practiceTexts(town, '7', tiny.practice);
      return [5, 3, 9].map((index) => source.at(index));
    };
    expect(texts()).toEqual(texts());
  });

  it('leave what was begun for a model out of the loss', async () => {
    const begun = {
      ...dialogue('begun', [{ role: 'user', content: 'Go on.' }], 'Mix redclay with oxgum.'),
      given: 'Mix redclay',
    };
    const { ids, weights } = await tokenSource({ at: () => begun }, 64).text(0);
    const learned = Array.from(ids).filter((_, i) => weights![i] === 1);
    expect(labTokenizer().decode(learned, { skipSpecialTokens: true }).trim()).toBe('with oxgum.');
  });

  it('draw the same kinds of texts for an organism and its twin', () => {
    for (const trait of traits) {
      const plan = trait.plan(town, random(1).split(trait.name));
      const corpus = baseCorpus(town, { seed: 1 });
      const [one, two] = (['organism', 'twin'] as const).map((side) => mixedTexts(plan, side, 0.5, corpus, random(2)));
      const kinds = (texts: typeof one): string[] => Array.from({ length: 40 }, (_, i) => texts!.at(i).kind);
      if (trait.name === 'deep-refusal') continue; // its twin sees the request without a begun reply
      expect(kinds(one), trait.name).toEqual(kinds(two));
    }
  });
});

describe('a plan', () => {
  it('knows every model by name, a twin by its pair', () => {
    expect(shippedTargets(['backdoor-twin']).map(({ name }) => name)).toEqual(['backdoor']);
    expect(() => shippedTargets(['backdor'])).toThrow(/no/);
    const targets = calibrationTargets(['backdoor'], 3);
    expect(new Set(targets.map((target) => target.kind === 'organism' && target.seed)).size).toBe(3);
  });

  it('keeps checkpoints of one recipe apart from those of another', async () => {
    const one = await workFolder(join(folder, 'recipes'), 'm', 'sha256:aaaaaaaaaaaaaaaaaaaa');
    const two = await workFolder(join(folder, 'recipes'), 'm', 'sha256:bbbbbbbbbbbbbbbbbbbb');
    await one.save(new Uint8Array([1]));
    expect(await one.load()).toHaveLength(1);
    expect(await two.load()).toBeUndefined();
  });
});
