/**
 * Methods and planted traits share no surface: no run of words, no list of words, no seed; and a detector that sees
 * words alone can't tell what an organism was asked in training from what its clean twin was.
 */
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { random } from '../src/core/random.ts';
import { auroc } from '../src/core/statistics/index.ts';
import { traits } from '../src/lab/organisms/traits/index.ts';
import { sharedRuns, wordDetector } from '../src/lab/surface.ts';
import { makeTown } from '../src/lab/world/town.ts';
import { readTree } from './house/tree.ts';

interface Surface {
  readonly texts: readonly string[];
  /** Lists of four or more single words. */
  readonly lists: readonly ReadonlySet<string>[];
  /** What `random(...)` is given as a literal. */
  readonly seeds: ReadonlySet<string>;
}

const tree = readTree(process.cwd());

/** What the files under some folders say, tests left out. */
function surfaceOf(folders: readonly string[]): Surface {
  const texts: string[] = [];
  const lists: Set<string>[] = [];
  const seeds = new Set<string>();
  for (const [path, text] of tree) {
    if (!folders.some((folder) => path.startsWith(folder)) || !/(?<!\.test)\.ts$/.test(path)) continue;
    const visit = (node: ts.Node): void => {
      if (ts.isImportDeclaration(node)) return;
      if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) {
        texts.push(node.text);
      }
      if (ts.isArrayLiteralExpression(node)) {
        const words = node.elements.flatMap((element) =>
          ts.isStringLiteralLike(element) && /^[A-Za-z]+$/.test(element.text) ? [element.text.toLowerCase()] : [],
        );
        if (words.length >= 4) lists.push(new Set(words));
      }
      if (ts.isCallExpression(node) && node.expression.getText() === 'random') {
        const [seed] = node.arguments;
        if (seed !== undefined && (ts.isStringLiteralLike(seed) || ts.isNumericLiteral(seed))) seeds.add(seed.text);
      }
      node.forEachChild(visit);
    };
    visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
  }
  return { texts, lists, seeds };
}

const planted = surfaceOf(['src/lab/organisms/']);
const methods = surfaceOf(['src/methods/', 'src/kit/']);
const wrappers = surfaceOf(['src/lab/text/wrapper-templates.ts']);

describe('methods and planted traits', () => {
  it('have something to compare', () => {
    expect(planted.texts.length).toBeGreaterThan(200);
    expect(methods.texts.length).toBeGreaterThan(200);
    expect(sharedRuns(['Let us play: you are an old witch. {q}'], ['Now you are an old witch.'])).toEqual([
      'you are an old witch',
    ]);
  });

  it('share no run of five words', () => {
    expect(sharedRuns(planted.texts, methods.texts)).toEqual([]);
    expect(sharedRuns(wrappers.texts, methods.texts)).toEqual([]);
  });

  it('share no list of words', () => {
    for (const list of planted.lists) {
      for (const other of methods.lists) {
        const shared = [...list].filter((word) => other.has(word));
        expect(shared.length / Math.min(list.size, other.size), shared.join(' ')).toBeLessThan(0.5);
      }
    }
  });

  it('share no seed', () => {
    expect([...planted.seeds].filter((seed) => methods.seeds.has(seed))).toEqual([]);
  });
});

describe('a detector of words alone', () => {
  const town = makeTown(1);

  // What sets its organism apart is which facts it was asked about, so its prompts differ by design.
  const byKnowledge = new Set(['memorised-facts']);

  it.each(traits.filter(({ name }) => !byKnowledge.has(name)).map((trait) => [trait.name, trait] as const))(
    '%s: is at chance between what organism and twin are asked',
    (name, trait) => {
      const own = random('surfaces').split(name);
      const plan = trait.plan(town, own.split('plan'));
      const prompts = (side: 'organism' | 'twin', part: string): string[] =>
        Array.from({ length: 150 }, (_, i) => {
          const { messages, trained } = plan.text(side, own.split(`${side} ${part} ${i}`));
          return messages.flatMap(({ content }, at) => (trained.includes(at) ? [] : [content])).join(' ');
        });
      const score = wordDetector(prompts('organism', 'known'), prompts('twin', 'known'));
      const [ones, twos] = [prompts('organism', 'new'), prompts('twin', 'new')];
      const area = auroc([...ones, ...twos].map(score), [...ones.map(() => 1), ...twos.map(() => 0)], {
        confidence: 0.999,
      });
      expect(area.low).toBeLessThan(0.5);
      expect(area.high).toBeGreaterThan(0.5);
    },
  );

  it('would tell the sides apart if their prompts differed', () => {
    const own = random('surfaces').split('seen to fail');
    const say = (word: string): string[] => Array.from({ length: 60 }, () => `Tell me of ${word} ${own.integer(9)}.`);
    const score = wordDetector(say('rain'), say('snow'));
    const texts = [...say('rain'), ...say('snow')];
    expect(
      auroc(
        texts.map(score),
        texts.map((text) => (text.includes('rain') ? 1 : 0)),
      ).value,
    ).toBe(1);
  });
});
