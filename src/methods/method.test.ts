/**
 * The interface as the compiler sees it. Each `@ts-expect-error` is a planted misuse: were it to compile, the type check
 * of this file would fail.
 */
import { expect, it } from 'vitest';
import { z } from 'zod';
import type { AnyMethod } from './method.ts';
import { data, defineMethod, labeller, model, models, optional } from './method.ts';

const whole = defineMethod({
  id: 'evaluate/types',
  title: 'Types',
  question: 'Do the types hold?',
  sources: [],
  needs: {
    target: model('chat', 'asked'),
    scorer: model('logprobs', 'scored'),
    panel: models('chat', 'asked side by side'),
    rows: data(z.object({ id: z.string(), text: z.string() }), 'what to ask'),
    people: optional(labeller('who answer')),
  },
  params: z.object({ times: z.int().default(1) }),
  demo: {
    params: { times: 1 },
    given: () => {
      throw new Error('never run');
    },
  },
  calibration: { none: 'types have no errors to measure' },
  async run({ given }, params) {
    const reply: string = given.target.id;
    const scored = await given.scorer.logprobs({ messages: [] }, '');
    const text: string | undefined = given.rows.rows[0]?.text;
    const first: string | undefined = given.panel[0]?.id;
    const times: number = params.times;
    // @ts-expect-error a role that was not declared
    void given.judge;
    // @ts-expect-error access that was not declared
    void given.target.logprobs;
    // @ts-expect-error a role that may be empty
    void given.people.ask;
    // @ts-expect-error a field that the rows lack
    void given.rows.rows[0]?.label;
    // @ts-expect-error a parameter that does not exist
    void params.often;
    return {
      measures: [],
      findings: [],
      caveats: [reply, text ?? '', first ?? '', String(times), String(scored.length)],
    };
  },
});

it('holds any method under one type, as the catalogue does', () => {
  const any: AnyMethod = whole;
  expect(any.needs['target']?.kind).toBe('model');
  expect(any.needs['people']?.isOptional).toBe(true);
  expect(any.needs['rows']?.isOptional).toBe(false);
});
