/** Nothing leaves this machine unasked: who is asked, when, and what they are told. */
import { expect, it } from 'vitest';
import { bestOfN } from '../methods/redteam/best-of-n.ts';
import { functionModel, openaiCompatible, scriptedModel } from '../models/index.ts';
import { describeSending, requireAuthorisation } from './authorise.ts';

const away = await openaiCompatible('http://models.example.com/v1', 'm');
const here = await openaiCompatible('http://127.0.0.1:8000/v1', 'm');

it('asks nobody about models of this process and endpoints of this machine', async () => {
  const sending = describeSending(bestOfN, [here, scriptedModel(['x']), functionModel('f', () => 'x')], 3);
  expect(sending.hosts).toEqual([]);
  await expect(requireAuthorisation(sending, false)).resolves.toBeUndefined();
});

it('tells a person what goes where, once, and takes no for no', async () => {
  const sending = describeSending(bestOfN, [away, here, away], 3);
  expect(sending.hosts).toEqual(['models.example.com']);
  const questions: string[] = [];
  const answering = (answer: boolean) => (question: string) => {
    questions.push(question);
    return Promise.resolve(answer);
  };
  await requireAuthorisation(sending, false, answering(true));
  expect(questions).toHaveLength(1);
  expect(questions[0]).toContain('models.example.com');
  expect(questions[0]).toContain('3 rows');
  await expect(requireAuthorisation(sending, false, answering(false))).rejects.toMatchObject({
    code: 'run.not-authorised',
  });
});

it('refuses where nobody can be asked, unless the user said so beforehand', async () => {
  const sending = describeSending(bestOfN, [away], 1);
  await expect(requireAuthorisation(sending, false)).rejects.toMatchObject({ code: 'run.not-authorised' });
  await expect(requireAuthorisation(sending, true)).resolves.toBeUndefined();
});
