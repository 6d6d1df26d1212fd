/**
 * A method that uses every word of a context, so that a worker that takes part must wait for or replay each of them:
 * a call outside of trials, a step, a loop, trials with steps, with a set and with a child run inside, a child run outside
 * of trials, something kept, and trials that depend on all of it. Added to the catalogue of this process when imported.
 */
import { z } from 'zod';
import { catalogue } from '../../src/methods/index.ts';
import { type AnyMethod, data, defineMethod, model } from '../../src/methods/method.ts';
import { collect } from '../../src/models/reply.ts';

const needs = { target: model('chat', 'asked'), requests: data(z.object({ id: z.string() }), 'what to ask') };
const words = {
  title: 'A test',
  question: 'Does every word hold over machines?',
  sources: [],
  needs,
  calibration: { none: 'a test' },
} as const;
const demo = { params: {}, given: () => Promise.reject(new Error('not run')) };

const child = defineMethod({
  ...words,
  id: 'evaluate/every-word-child',
  params: z.strictObject({}),
  demo,
  async run({ given, trials, step, signal, random }) {
    const salt = await step('salt', ({ random: own }) => Promise.resolve(own.uniform()));
    const set = await trials('inside', given.requests.rows, async ({ id }) => {
      const { text } = await collect(given.target, `child ${id} ${salt}`, signal);
      return { status: 'measured', value: text.length };
    });
    return {
      measures: [set.mean({ name: `child length ${random.uniform()}`, unit: 'characters', better: 'up' })],
      findings: [],
    };
  },
});

const method = defineMethod({
  ...words,
  id: 'evaluate/every-word',
  params: z.strictObject({ failing: z.int().default(0) }),
  demo: { ...demo, params: { failing: 0 } },
  async run({ given, trials, step, loop, call, keep, signal, random, progress }, { failing }) {
    const first = await collect(given.target, 'outside of trials', signal);
    const salt = await step('salt', ({ random: own }) => Promise.resolve(own.uniform()));
    const sum = await loop(
      'sum',
      {
        steps: 30,
        every: 10,
        initial: () => 0,
        save: (state) => new TextEncoder().encode(String(state)),
        load: (bytes) => Number(new TextDecoder().decode(bytes)),
      },
      (state, _, { random: own }) => Promise.resolve(state + own.uniform()),
    );
    const ref = await keep('note', `${first.text} ${salt} ${sum}`, 'text/plain');
    progress(1, 3);
    const { rows } = given.requests;
    const outer = await trials('outer', rows, async ({ id }, scope) => {
      if (Number(id.slice(1)) < failing) throw new Error('planted');
      const asked = await collect(given.target, `${id} ${salt} ${sum} ${ref}`, signal);
      const draw = await step('draw', ({ random: own }) => Promise.resolve(own.uniform()));
      const nested = await trials('nested', ['a', 'b'], async (item) => {
        const { text } = await collect(given.target, `${id} ${item} ${draw}`, signal);
        return { status: 'measured', value: text.length };
      });
      const mean = nested.mean({ name: 'nested', unit: 'characters', better: 'up' });
      const { measures } = id === 'r1' ? await call(child, {}, given) : { measures: [] };
      const value = asked.text.length + mean.value + scope.random.uniform() + (measures[0]?.value ?? 0);
      return { status: 'measured', value, transcript: await scope.transcript({ request: id, reply: asked.text }) };
    });
    const middle = await call(child, {}, given, 'outside');
    const last = await trials('last', rows, async ({ id }) => {
      const { text } = await collect(given.target, `${id} ${middle.measures[0]!.name}`, signal);
      return { status: 'measured', value: text.length + outer.observations.length };
    });
    return {
      measures: [
        outer.mean({ name: 'outer', unit: 'characters', better: 'up' }),
        last.mean({ name: `last ${random.uniform()}`, unit: 'characters', better: 'up' }),
        ...middle.measures,
      ],
      findings: [],
    };
  },
});

export const everyWord: AnyMethod = method;
(catalogue as AnyMethod[]).push(everyWord, child);
