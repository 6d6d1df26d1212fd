/**
 * People as an instrument: questions go into the run, the run ends as `waiting`, and goes on when all have an answer.
 *
 * The answers that a figure was made of are stored as a step, so that a label that comes later changes nothing.
 */
import type { Json } from '../core/values.ts';
import type { Answer, Labeller } from '../methods/method.ts';
import type { Run } from '../store/store.ts';
import { Halt } from './halt.ts';

/** @param claim makes the name of a set of questions unique in the run */
export function openLabeller(run: Run, claim: (name: string) => string): Labeller {
  return {
    async ask(name, questions, choices) {
      const step = `labels/${claim(name)}`;
      const stored = await run.step(step);
      if (stored !== undefined) return toMap(stored.value as unknown as Stored);
      await Promise.all(
        questions.map(({ item, show }) =>
          run.askLabel({ name, item, show, ...(choices === undefined ? {} : { choices }) }),
        ),
      );
      const wanted = new Set(questions.map(({ item }) => item));
      const answers: Record<string, Answer[]> = {};
      for (const label of await run.labels()) {
        if (label.name !== name || !wanted.has(label.item)) continue;
        (answers[label.item] ??= []).push({ labeller: label.labeller, value: label.value });
      }
      const missing = [...wanted].filter((item) => answers[item] === undefined).length;
      if (missing > 0) {
        throw new Halt(
          'waiting',
          `${missing} of ${wanted.size} labels ${JSON.stringify(name)} are missing: fiducial labels ${run.id} --out labels.csv`,
        );
      }
      for (const list of Object.values(answers)) list.sort((a, b) => (a.labeller < b.labeller ? -1 : 1));
      return toMap((await run.recordStep(step, answers as unknown as Json)) as unknown as Stored);
    },
  };
}

type Stored = Readonly<Record<string, readonly Answer[]>>;

function toMap(stored: Stored): ReadonlyMap<string, readonly Answer[]> {
  return new Map(Object.entries(stored));
}
