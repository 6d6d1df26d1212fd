/** A worker whose catalogue has the method of `every-word.ts` too. Arguments: the store's address, trials at once. */
import { work } from '../../src/workbench/worker/index.ts';
import './every-word.ts';

const [address, concurrency] = process.argv.slice(2);
const control = new AbortController();
process.on('SIGTERM', () => control.abort());
await work({
  address: address!,
  concurrency: Number(concurrency),
  signal: control.signal,
  say: (line) => console.error(`${new Date().toISOString()} ${line}`),
});
