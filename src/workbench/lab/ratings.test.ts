/** Ratings on the skills' dial recover who is stronger, and by how much. */
import { describe, expect, it } from 'vitest';
import { random } from '../../core/random.ts';
import { makeTown } from '../../lab/index.ts';
import { dialItems } from '../../lab/organisms/skills.ts';
import { functionModel } from '../../models/index.ts';
import { rateOnDial } from './ratings.ts';

describe('the dial', () => {
  it('gives a model of ten times the odds some 400 points more', async () => {
    const town = makeTown(1);
    const answers = new Map(
      dialItems(town, 'ratings', 6).map(({ level, item, answer }) => [
        item.ask.messages.at(-1)!.content,
        { answer, difficulty: Number(level.split(' ')[1]) },
      ]),
    );
    // Right with odds of exp(ability - difficulty), by a draw of its own for each task.
    const planted = (name: string, ability: number) => ({
      name,
      model: functionModel(name, ({ messages }) => {
        const text = messages.at(-1)!.content;
        const { answer, difficulty } = answers.get(text)!;
        const isRight = random(name).split(text).uniform() < 1 / (1 + Math.exp(difficulty - ability));
        return isRight ? answer : 'I do not know.';
      }),
    });
    const [strong, weak] = await rateOnDial(
      [planted('weak', 3), planted('strong', 3 + Math.log(10))],
      town,
      'ratings',
      6,
    );
    expect([strong!.model, weak!.model]).toEqual(['strong', 'weak']);
    const gap = strong!.elo - weak!.elo;
    expect(gap).toBeGreaterThan(300);
    expect(gap).toBeLessThan(500);
  });
});
