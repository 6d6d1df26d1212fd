/**
 * The thread of one run: opens the store for itself, does the work, says how it ended. Never imported; it is started as
 * a thread, so that the engine's tracing and a method's own computing hold up neither the screens nor other runs.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { FiducialError } from '../../core/errors.ts';
import { type Given, dataOf, type Needs } from '../../methods/method.ts';
import { describeEgress } from '../../models/egress.ts';
import { toPlain } from '../../models/open/protocol.ts';
import { createRedactor } from '../../models/redact.ts';
import { openStore } from '../../store/index.ts';
import { describeSending, requireAuthorisation } from '../../workbench/authorise.ts';
import { configuredOptions } from '../../workbench/configured.ts';
import { modelsIn, openGiven, openModel } from '../../workbench/open-models.ts';
import { rescore } from '../../workbench/rescore.ts';
import { methodOf, resumeRun } from '../../workbench/resume.ts';
import { runMethod } from '../../workbench/run.ts';
import type { FromJob, JobStart, RunRequest, ToJob } from './protocol.ts';

if (parentPort === null) {
  throw new FiducialError('server.thread', 'thread.ts was started outside a thread', 'Start runs through the server.');
}
await work(parentPort, workerData as JobStart);

async function work(port: MessagePort, { store: address, config, work }: JobStart): Promise<void> {
  const send = (message: FromJob): void => port.postMessage(message);
  const control = new AbortController();
  port.on('message', (message: ToJob) => control.abort(new Error(message.reason)));
  try {
    const redactor = createRedactor();
    const store = await openStore({ address, redact: (text) => redactor.text(text) });
    try {
      const options = {
        ...(await configuredOptions(config, store, redactor)),
        signal: control.signal,
        onOpen: ({ id }: { readonly id: string }) => send({ type: 'opened', run: id }),
      };
      if (work.do === 'run') {
        const result = await begin(work.request, options, config.methods[work.request.method]);
        send({ type: 'ended', status: result.status, run: result.run.id });
      } else if (work.do === 'resume') {
        const result = await resumeRun(await store.run(work.run), options);
        send({ type: 'ended', status: result.status, run: result.run.id });
      } else {
        const { verdict, judge, layer, isAuthorised } = work.request;
        const run = await store.run(work.run);
        const model = judge === undefined ? undefined : await openModel(judge, options);
        const away = describeEgress(model === undefined ? [] : [model]).filter(({ isLocal }) => !isLocal);
        const sending = {
          what: `The requests and replies of run ${run.id}`,
          hosts: away.map(({ host, address }) => host ?? address),
          sentences: away.map(({ sentence }) => sentence),
        };
        await requireAuthorisation(sending, isAuthorised);
        options.onOpen(run);
        await rescore(run, verdict, model, { ...options, ...(layer === undefined ? {} : { layer }) });
        send({ type: 'ended', status: 'done', run: run.id });
      }
    } finally {
      await store.close();
    }
  } catch (error) {
    send({ type: 'failed', error: toPlain(error) });
  }
  // Open models keep threads of their own, which end with this one.
  setImmediate(() => process.exit(0));
}

async function begin(
  request: RunRequest,
  options: Parameters<typeof runMethod>[3] & Parameters<typeof openGiven>[2],
  configured: Readonly<Record<string, unknown>> | undefined,
): ReturnType<typeof runMethod> {
  const method = methodOf(request.method);
  const { isDemo, fillings, rows, isAuthorised, seed, replicate } = request;
  const params = { ...(isDemo ? (method.demo.params as object) : configured), ...request.params };
  const given = isDemo ? await method.demo.given() : await openGiven(method, fillings, options);
  for (const [role, list] of Object.entries(rows)) {
    if (!isDemo) given[role] = dataOf(role, list);
  }
  const count = Object.values(given as Readonly<Record<string, unknown>>)
    .flatMap((each) => (each !== null && typeof each === 'object' && 'rows' in each ? [each.rows] : []))
    .reduce((sum: number, each) => sum + (Array.isArray(each) ? each.length : 0), 0);
  await requireAuthorisation(describeSending(method, modelsIn(method, given), count), isAuthorised);
  return await runMethod(method, params, given as Given<Needs>, {
    ...options,
    ...(seed === undefined ? {} : { seed }),
    ...(replicate === undefined ? {} : { replicate }),
    request: isDemo ? { isDemo } : { fillings },
  });
}
