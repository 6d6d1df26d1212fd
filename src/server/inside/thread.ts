/**
 * The thread that holds a model whose inside is looked at. Never imported; it is started as a thread, so that tracing a
 * graph and making a session do not hold the server. One question at a time.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { FiducialError } from '../../core/errors.ts';
import { openModel } from '../../models/open/index.ts';
import { toPlain } from '../../models/open/protocol.ts';
import { describeInside, look } from './look.ts';
import type { InsideQuestion } from './protocol.ts';

if (parentPort === null) {
  throw new FiducialError('server.thread', 'thread.ts was started outside a thread', 'Ask through the server.');
}
await serve(parentPort, (workerData as { readonly folder: string }).folder);

async function serve(port: MessagePort, folder: string): Promise<void> {
  let model;
  try {
    model = await openModel(folder);
  } catch (error) {
    port.postMessage({ id: 0, error: toPlain(error) });
    setImmediate(() => process.exit(0));
    return;
  }
  const opened = model;
  port.postMessage({ id: 0, value: describeInside(opened) });
  let before: Promise<void> = Promise.resolve();
  port.on('message', ({ id, question }: { readonly id: number; readonly question: InsideQuestion }) => {
    before = before.then(async () => {
      try {
        port.postMessage({ id, value: await look(opened, question) });
      } catch (error) {
        port.postMessage({ id, error: toPlain(error) });
      }
    });
  });
}
