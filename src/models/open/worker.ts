/**
 * The worker side of in-worker.ts: opens a model and answers calls until it is closed. Never imported; it is started as
 * a thread, through tsx from source and as it is from the compiled package.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { FiducialError } from '../../core/errors.ts';
import { releaseSessions } from '../../engine/index.ts';
import type { OpenModel } from './local-model.ts';
import { openModel } from './open-model.ts';
import {
  type FromWorker,
  type StreamCall,
  toPlain,
  type ToWorker,
  type ValueCall,
  type WorkerStart,
} from './protocol.ts';

if (parentPort === null) {
  throw new FiducialError('model.worker', 'worker.ts was started outside a worker', 'Call openModelInWorker.');
}
await serve(parentPort, workerData as WorkerStart);

async function serve(port: MessagePort, { folder, options }: WorkerStart): Promise<void> {
  const send = (message: FromWorker): void => port.postMessage(message);
  const running = new Map<number, AbortController>();
  let model: OpenModel;
  try {
    model = await openModel(folder, options);
  } catch (error) {
    send({ type: 'failed', error: toPlain(error) });
    port.once('message', () => process.exit(0));
    return;
  }

  const answer = async (id: number, call: StreamCall | ValueCall): Promise<void> => {
    const control = new AbortController();
    running.set(id, control);
    try {
      if (call.do === 'reply' || call.do === 'complete') {
        const { incremental } = call;
        const events =
          call.do === 'reply'
            ? model.reply(call.ask, control.signal, { incremental })
            : model.complete(call.text, call.settings, control.signal, { incremental });
        for await (const event of events) send({ type: 'event', id, event });
        send({ type: 'done', id });
      } else send({ type: 'value', id, value: await valueOf(model, call) });
    } catch (error) {
      if (!control.signal.aborted) send({ type: 'error', id, error: toPlain(error) });
    } finally {
      running.delete(id);
    }
  };

  port.on('message', (message: ToWorker) => {
    if (message.type === 'call') void answer(message.id, message.call);
    else if (message.type === 'cancel') running.get(message.id)?.abort(new Error('cancelled'));
    else {
      for (const control of running.values()) control.abort(new Error('closed'));
      // Sessions are freed before the thread ends: the runtime must not be torn down under one.
      void model
        .close()
        .then(releaseSessions)
        // Ends this thread only; closing the port would leave the loader of TypeScript running.
        .finally(() => process.exit(0));
    }
  });
  send({ type: 'open', id: model.id, weightsHash: model.weightsHash, capabilities: model.capabilities });
}

function valueOf(model: OpenModel, call: ValueCall): Promise<unknown> {
  switch (call.do) {
    case 'countTokens':
      return model.countTokens(call.ask);
    case 'logprobs':
      return model.logprobs(call.ask, call.completion);
    case 'score':
      return model.score(call.text, call.top);
    case 'embed':
      return model.embed(call.texts);
  }
}
