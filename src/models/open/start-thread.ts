/**
 * A file of this package as a thread: through tsx from source, as it is from the compiled package. Its settings are not
 * the parent's own flags, because those of a test runner or a debugger would follow it there.
 */
import { Worker } from 'node:worker_threads';

/**
 * @param file without its ending, beside `importer`: `./worker`
 * @param importer the `import.meta.url` of the file that asks
 * @param maxHeapMiB JavaScript heap of the thread; Node's own limit unless told
 * @example const thread = startThread('./worker', import.meta.url, { folder });
 */
export function startThread(file: string, importer: string, data: unknown, maxHeapMiB?: number): Worker {
  const isSource = importer.endsWith('.ts');
  const url = new URL(`${file}${isSource ? '.ts' : '.js'}`, importer);
  const settings = {
    workerData: data,
    execArgv: [],
    ...(maxHeapMiB === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: maxHeapMiB } }),
  };
  if (!isSource) return new Worker(url, settings);
  const tsx = import.meta.resolve('tsx/esm/api');
  const load = `import(${JSON.stringify(tsx)}).then(({ register }) => {
    register();
    return import(${JSON.stringify(url.href)});
  });`;
  return new Worker(load, { ...settings, eval: true });
}
