/**
 * One leg of the bench `eval`, in a process of its own: kind, cases, the server's address, a folder for the store.
 * Prints wall time, CPU time and peak resident memory of the work itself (start-up is not in the first two).
 */
import { z } from 'zod';
import { data, dataOf, defineMethod, model } from '../../src/methods/method.ts';
import { functionModel } from '../../src/models/providers/function.ts';
import type { Model } from '../../src/models/model.ts';
import { collect } from '../../src/models/reply.ts';

const [kind = '', count = '0', url = '', folder = ''] = process.argv.slice(2);
const cases = Number(count);
const [who, what] = kind.split('-');
const prompts = Array.from({ length: cases }, (_, i) => ({
  id: `case ${i}`,
  request: `Say something about case ${i}`,
}));
const concurrency = 32;

const answer = async (prompt: string): Promise<string> => {
  if (what === 'function') await new Promise((resolve) => setTimeout(resolve, 50));
  return `out: ${prompt}`;
};

async function fiducial(): Promise<() => Promise<void>> {
  const [{ openStore }, { runMethod }, { openaiCompatible }] = await Promise.all([
    import('../../src/store/index.ts'),
    import('../../src/workbench/run.ts'),
    import('../../src/models/providers/vendors.ts'),
  ]);
  const method = defineMethod({
    id: 'evaluate/bench',
    title: 'Contains',
    question: 'Is the case named in the reply?',
    sources: [],
    needs: { target: model('chat', 'asked'), rows: data(z.object({ id: z.string(), request: z.string() }), 'asked') },
    params: z.strictObject({}),
    demo: { params: {}, given: () => Promise.reject(new Error('not run')) },
    calibration: { none: 'a bench' },
    async run({ given, trials, signal }) {
      const set = await trials('cases', given.rows.rows, async ({ id, request }, { transcript }) => {
        const { text } = await collect(given.target, request, signal);
        return {
          status: 'measured',
          value: text.includes(id) ? 1 : 0,
          transcript: await transcript({ request, reply: text }),
        };
      });
      return { measures: [set.rate({ name: 'named', better: 'up' })], findings: [] };
    },
  });
  const store = await openStore({ address: folder });
  const target: Model =
    what === 'http'
      ? await openaiCompatible(`${url}/v1`, 'm')
      : functionModel('local', ({ messages }) => answer(messages[0]!.content));
  return async () => {
    const result = await runMethod(
      method,
      {},
      { target, rows: dataOf('rows', prompts) },
      { store, concurrency, limits: { startConcurrency: concurrency } },
    );
    if (result.status !== 'done' || result.outcome.measures[0]?.value !== 1) throw new Error(JSON.stringify(result));
    await store.close();
  };
}

async function bare(): Promise<() => Promise<void>> {
  const [{ generateText }, { createOpenAICompatible }] = await Promise.all([
    import('ai'),
    import('@ai-sdk/openai-compatible'),
  ]);
  const provider = createOpenAICompatible({ name: 'bench', baseURL: `${url}/v1` });
  const ask = async (prompt: string): Promise<string> =>
    what === 'http' ? (await generateText({ model: provider('m'), prompt, maxRetries: 0 })).text : await answer(prompt);
  return async () => {
    let next = 0;
    let named = 0;
    const worker = async (): Promise<void> => {
      while (next < cases) {
        const { id, request } = prompts[next++]!;
        if ((await ask(request)).includes(id)) named++;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
    if (named !== cases) throw new Error(`${named} of ${cases}`);
  };
}

const work = await (who === 'bare' ? bare() : fiducial());
const cpu = process.cpuUsage();
const beganMs = performance.now();
await work();
const { user, system } = process.cpuUsage(cpu);
console.log(
  JSON.stringify({
    cases,
    wallMs: performance.now() - beganMs,
    cpuMs: (user + system) / 1000,
    residentBytes: process.resourceUsage().maxRSS * 1024,
  }),
);
