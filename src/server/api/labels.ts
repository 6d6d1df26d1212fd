/**
 * People's labels over the API: what waits for them, an answer or an overruling, and how far judge and people agree.
 *
 * Questions that a run asks are in its queue until this person answered them; what others said is not shown before.
 * Any trial can be labelled under the name `breach`, which is what the judge's agreement and its confusion are made of.
 */
import { Hono } from 'hono';
import { z } from 'zod';
import { random } from '../../core/random.ts';
import { type Category, cohensKappaInterval, krippendorffsAlphaInterval } from '../../core/statistics/agreement.ts';
import type { Confusion } from '../../core/statistics/judge-error.ts';
import type { Json } from '../../core/values.ts';
import type { LabelQuestion, Run, StoredLabel } from '../../store/index.ts';
import { requireRole, type ServerEnv } from '../access/gate.ts';
import { statusError } from './errors.ts';
import { anyJson, body } from './input.ts';
import type { ApiParts } from './parts.ts';

const labelBody = z.strictObject({
  name: z.string().min(1).max(200),
  item: z.string().min(1).max(10_000),
  set: z.string().max(1_000).optional(),
  value: anyJson,
  note: z.string().max(10_000).optional(),
});

/** The name under which a person says whether a reply was a breach. */
export const breachName = 'breach';

export const labelRoutes = (parts: ApiParts) =>
  new Hono<ServerEnv>()
    .get('/', async (context) => {
      // Runs that wait for people, and those that people have labelled, newest first.
      const { name } = context.get('caller').person;
      const { items } = await parts.store.runs({ status: ['waiting', 'done', 'stopped', 'running'], limit: 200 });
      const queues = [];
      for (const info of items) {
        const run = await parts.store.run(info.id);
        const questions = await run.questions(true);
        const labels = await run.labels();
        if (questions.length === 0 && labels.length === 0) continue;
        const mine = openFor(name, questions, labels);
        queues.push({
          run: info.id,
          method: info.spec.method,
          status: info.status,
          asked: questions.length,
          openForMe: mine.length,
          labels: labels.length,
          labellers: new Set(labels.map(({ labeller }) => labeller)).size,
        });
      }
      return context.json({ queues });
    })
    .get('/:id', async (context) => {
      const run = await parts.store.run(context.req.param('id'));
      const { name } = context.get('caller').person;
      const labels = await run.labels();
      const questions = await run.questions(true);
      return context.json({
        run: run.id,
        questions: openFor(name, questions, labels).slice(0, 200),
        asked: questions.length,
        mine: labels.filter(({ labeller }) => labeller === name),
        agreement: await agreementOf(run, labels),
      });
    })
    .post('/:id', requireRole('labeller'), body(labelBody), async (context) => {
      const run = await parts.store.run(context.req.param('id'));
      const { note, set, ...label } = context.req.valid('json');
      requireChoice(await run.questions(true), label.name, label.item, set, label.value);
      await run.label({
        ...label,
        labeller: context.get('caller').person.name,
        ...(set === undefined ? {} : { set }),
        ...(note === undefined ? {} : { note }),
      });
      return context.json({ agreement: await agreementOf(run, await run.labels()) }, 201);
    })
    .get('/:id/export', async (context) => {
      const run = await parts.store.run(context.req.param('id'));
      return context.json({ rows: await labelledReplies(parts, run) });
    });

function openFor(
  name: string,
  questions: readonly LabelQuestion[],
  labels: readonly StoredLabel[],
): readonly LabelQuestion[] {
  const done = new Set(labels.filter(({ labeller }) => labeller === name).map(keyOf));
  return questions.filter((question) => !done.has(keyOf(question)));
}

function keyOf({ name, set, item }: { readonly name: string; readonly set?: string; readonly item: string }): string {
  return JSON.stringify([name, set ?? '', item]);
}

/** @throws FiducialError `labels.bad-value` for an answer that the question does not have */
function requireChoice(
  questions: readonly LabelQuestion[],
  name: string,
  item: string,
  set: string | undefined,
  value: Json,
): void {
  const question = questions.find(
    (each) => each.name === name && each.item === item && (each.set ?? '') === (set ?? ''),
  );
  const choices = question?.choices ?? (name === breachName ? [0, 1] : undefined);
  if (choices === undefined || choices.some((choice) => JSON.stringify(choice) === JSON.stringify(value))) return;
  throw statusError(
    400,
    'labels.bad-value',
    `${JSON.stringify(value)} is none of the choices`,
    `Choose ${choices.map((choice) => JSON.stringify(choice)).join(' or ')}.`,
  );
}

export interface Agreement {
  /** Trials that people and the judge both decided on. */
  readonly n: number;
  readonly agreed: number;
  readonly confusion: Confusion;
  /** Chance-corrected; absent where one of the two gave a single value only. */
  readonly kappa?: { readonly value: number; readonly low: number; readonly high: number };
  /** Among people, where two labelled the same; absent where nobody did or all said the same. */
  readonly alpha?: { readonly value: number; readonly low: number; readonly high: number };
  readonly labellers: readonly string[];
}

/** The judge of a run against its people, by majority; a tie decides nothing. */
async function agreementOf(run: Run, labels: readonly StoredLabel[]): Promise<Agreement> {
  const breaches = labels.filter(({ name, value }) => name === breachName && (value === 0 || value === 1));
  const votes = new Map<string, { set: string; item: string; sum: number }>();
  for (const { set = '', item, value } of breaches) {
    const key = JSON.stringify([set, item]);
    const vote = votes.get(key) ?? { set, item, sum: 0 };
    votes.set(key, { ...vote, sum: vote.sum + (value === 1 ? 1 : -1) });
  }
  const judged: number[] = [];
  const said: number[] = [];
  for (const { set, item, sum } of votes.values()) {
    if (sum === 0) continue;
    const trial = await run.trial(set, item);
    if (trial?.status !== 'measured' || (trial.value !== 0 && trial.value !== 1)) continue;
    judged.push(trial.value);
    said.push(sum > 0 ? 1 : 0);
  }
  const both = (truth: number, verdict: number): number =>
    said.filter((each, index) => each === truth && judged[index] === verdict).length;
  const confusion: Confusion = {
    truePositives: both(1, 1),
    falseNegatives: both(1, 0),
    trueNegatives: both(0, 0),
    falsePositives: both(0, 1),
  };
  const varies = (values: readonly number[]): boolean => new Set(values).size > 1;
  const own = random(`agreement ${run.id}`);
  const alpha = alphaOf(breaches, own.split('alpha'));
  return {
    n: said.length,
    agreed: confusion.truePositives + confusion.trueNegatives,
    confusion,
    ...(varies(judged) && varies(said) ? { kappa: cohensKappaInterval(judged, said, own.split('kappa')) } : {}),
    ...(alpha === undefined ? {} : { alpha }),
    labellers: [...new Set(labels.map(({ labeller }) => labeller))].sort(),
  };
}

function alphaOf(labels: readonly StoredLabel[], own: ReturnType<typeof random>): Agreement['alpha'] {
  const people = [...new Set(labels.map(({ labeller }) => labeller))].sort();
  const items = [...new Set(labels.map(({ set = '', item }) => JSON.stringify([set, item])))];
  const place = new Map(items.map((item, index) => [item, index]));
  const ratings = people.map(() => Array.from({ length: items.length }, (): Category | undefined => undefined));
  for (const { labeller, set = '', item, value } of labels) {
    ratings[people.indexOf(labeller)]![place.get(JSON.stringify([set, item]))!] = value as number;
  }
  const shared = items
    .map((_, index) => ratings.map((row) => row[index]).filter((each) => each !== undefined))
    .filter((each) => each.length > 1);
  if (shared.length === 0 || new Set(shared.flat()).size < 2) return undefined;
  return krippendorffsAlphaInterval(ratings, 'nominal', own);
}

/** Labelled replies as rows of evaluate/judge: what a judge's confusion is measured on. */
async function labelledReplies(parts: ApiParts, run: Run) {
  const votes = new Map<string, { set: string; item: string; sum: number }>();
  for (const { name, set = '', item, value } of await run.labels()) {
    if (name !== breachName || (value !== 0 && value !== 1)) continue;
    const key = JSON.stringify([set, item]);
    const vote = votes.get(key) ?? { set, item, sum: 0 };
    votes.set(key, { ...vote, sum: vote.sum + (value === 1 ? 1 : -1) });
  }
  const rows = [];
  for (const { set, item, sum } of votes.values()) {
    if (sum === 0) continue;
    const trial = await run.trial(set, item);
    if (trial?.transcript === undefined) continue;
    const info = await parts.store.artefacts.info(trial.transcript);
    if (info?.purgedAtMs !== undefined) continue;
    const { request, reply } = (await parts.store.artefacts.getJson(trial.transcript)) as Readonly<
      Record<string, Json>
    >;
    if (typeof request !== 'string' || typeof reply !== 'string') continue;
    rows.push({ id: `${set}/${item}`, request, reply, label: sum > 0 ? 1 : 0 });
  }
  return rows;
}
