/**
 * The only file that knows ONNX Runtime: devices, sessions, and the bridge between storages and its tensors.
 *
 * Sessions are held in one cache for the process, bounded in number and estimated memory; the one unused longest is
 * released first, and made again when it is needed. Needs onnxruntime-node 1.30.
 */
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import * as ort from 'onnxruntime-node';
import { FiducialError } from '../core/errors.ts';
import type { Data, DType } from './dtype.ts';
import type { Shape } from './graph.ts';
import { Storage } from './storage.ts';

export interface EngineSettings {
  /** Device of compiled functions that name none: `cpu`, `webgpu`, or another that the runtime has. */
  device: string;
  /** Threads inside one session; sessions that run at once share the cores, so more is not faster. */
  threads: number;
  /** Sessions held at most. */
  maxSessions: number;
  /** Estimated bytes of all sessions held at most; one alone may be larger. */
  maxSessionBytes: number;
}

const settings: EngineSettings = {
  device: 'cpu',
  threads: threadsFromEnvironment() ?? Math.max(1, Math.min(availableParallelism(), 16)),
  maxSessions: 64,
  maxSessionBytes: 8 * 2 ** 30,
};

/** FIDUCIAL_THREADS, for machines that share their cores with others. */
function threadsFromEnvironment(): number | undefined {
  const text = process.env['FIDUCIAL_THREADS'];
  if (text === undefined || text === '') return undefined;
  const threads = Number(text);
  if (Number.isInteger(threads) && threads >= 1) return threads;
  throw new FiducialError(
    'engine.setting',
    `FIDUCIAL_THREADS is ${text}`,
    'Set it to a whole number, 1 or more, or unset it.',
  );
}

/** Changes the settings given and returns all of them. */
export function configureEngine(changes: Partial<EngineSettings> = {}): Readonly<EngineSettings> {
  for (const [name, value] of Object.entries(changes)) {
    const isGood = name === 'device' ? typeof value === 'string' : typeof value === 'number' && value >= 1;
    if (!isGood || !(name in settings)) {
      throw new FiducialError(
        'engine.setting',
        `engine setting ${name}: ${String(value)}`,
        'See EngineSettings for names and ranges.',
      );
    }
  }
  Object.assign(settings, changes);
  evict();
  return settings;
}

/** The devices of this machine that the runtime was built for. */
export function listDevices(): string[] {
  return ort.listSupportedBackends().map((backend) => backend.name);
}

export interface SessionOptions {
  readonly device: string;
  /** Folder that external data is relative to. */
  readonly externalFolder?: string;
  /** Copy matrix weights into the kernels' own layout: faster, and as large again as the weights. */
  readonly prepack: boolean;
  /** Outputs that stay on the device, by name. */
  readonly onDevice?: readonly string[];
}

interface Held {
  readonly key: string;
  readonly label: string;
  readonly estimatedBytes: number;
  readonly session: Promise<ort.InferenceSession>;
  users: number;
  runs: number;
}

/** In order of last use, oldest first. */
const held = new Map<string, Held>();

/** What is held: a label, the estimated bytes, the number of runs. */
export function heldSessions(): { label: string; estimatedBytes: number; runs: number }[] {
  return [...held.values()].map(({ label, estimatedBytes, runs }) => ({ label, estimatedBytes, runs }));
}

/** Releases every session that is not running. They are made again when needed. */
export async function releaseSessions(): Promise<void> {
  await Promise.all([...held.values()].filter((entry) => entry.users === 0).map(release));
}

async function release(entry: Held): Promise<void> {
  held.delete(entry.key);
  const session = await entry.session.catch(() => undefined);
  await session?.release();
}

function evict(): void {
  let bytes = 0;
  for (const entry of held.values()) bytes += entry.estimatedBytes;
  for (const entry of held.values()) {
    if (held.size <= settings.maxSessions && bytes <= settings.maxSessionBytes) return;
    if (entry.users > 0 || held.size === 1) continue;
    bytes -= entry.estimatedBytes;
    void release(entry);
  }
}

export function sessionKey(model: Uint8Array, options: SessionOptions): string {
  return createHash('sha256')
    .update(model)
    .update(JSON.stringify([options, settings.threads]))
    .digest('hex');
}

/** Runs a session, making it first where it is not held. Feeds and fetches are the runtime's tensors by name. */
export async function runSession(
  key: string,
  model: Uint8Array,
  options: SessionOptions,
  about: { readonly label: string; readonly estimatedBytes: number },
  feeds: Record<string, ort.Tensor>,
  fetches: Record<string, ort.Tensor | null>,
): Promise<Record<string, ort.Tensor>> {
  let entry = held.get(key);
  if (entry === undefined) {
    entry = { key, ...about, session: createSession(model, options, about.label), users: 0, runs: 0 };
  } else held.delete(key);
  held.set(key, entry);
  entry.users++;
  try {
    evict();
    const session = await entry.session;
    entry.runs++;
    return await session.run(feeds, fetches);
  } catch (error) {
    if (error instanceof FiducialError) {
      held.delete(key);
      throw error;
    }
    throw new FiducialError(
      'engine.run',
      `${about.label}: ${error instanceof Error ? error.message : String(error)}`,
      'Check indices against the size of what they point into, and memory with heldSessions().',
      { cause: error },
    );
  } finally {
    entry.users--;
  }
}

async function createSession(model: Uint8Array, options: SessionOptions, label: string): Promise<ort.InferenceSession> {
  const devices = listDevices();
  if (!devices.includes(options.device)) {
    throw new FiducialError(
      'engine.no-device',
      `There is no device ${options.device} here, only ${devices.join(', ')}`,
      'Pass { device: "cpu" }.',
    );
  }
  // Each session has threads of its own, and by default they go on spinning long after a run: with several sessions
  // alive on two cores every product took up to twice as long. A tenth of a millisecond bridges the gaps inside a run
  // and between runs in a row, and leaves the cores to the others (bench/LOG.md).
  const extra: Record<string, unknown> = { intra_op: { spin_duration_us: '100' } };
  if (!options.prepack) extra['disable_prepacking'] = '1';
  if (options.externalFolder !== undefined)
    extra['model_external_initializers_file_folder_path'] = options.externalFolder;
  try {
    return await ort.InferenceSession.create(model, {
      executionProviders: [options.device],
      graphOptimizationLevel: 'all',
      intraOpNumThreads: settings.threads,
      executionMode: 'sequential',
      logSeverityLevel: 3,
      // A planned block for each session lies beside what the arena already holds: 0.8 GB more for a 124 M training
      // step, and no faster (bench/LOG.md).
      enableMemPattern: false,
      extra: { session: extra },
      ...(options.onDevice === undefined || options.onDevice.length === 0
        ? {}
        : {
            preferredOutputLocation: Object.fromEntries(options.onDevice.map((name) => [name, 'gpu-buffer' as const])),
          }),
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (options.device !== 'cpu' && /adapter|vulkan|device/i.test(message)) {
      throw new FiducialError(
        'engine.no-device',
        `${options.device} cannot be used: ${message}`,
        'Pass { device: "cpu" }, or install a driver.',
        { cause: error },
      );
    }
    throw new FiducialError(
      'engine.session',
      `${label}: the runtime refused the graph: ${message}`,
      'This is a fault of the engine: please report the function that was compiled.',
      { cause: error },
    );
  }
}

/** The runtime's tensor over a storage; made once a storage. */
export function runtimeTensor(storage: Storage, shape: Shape, dtype: DType): ort.Tensor {
  if (storage.handle === undefined) {
    if (dtype === 'bfloat16') {
      throw new FiducialError(
        'engine.dtype',
        'bfloat16 arrays cannot be passed to a function',
        'Read them by reference from a file, or convert them to float32.',
      );
    }
    storage.handle = new ort.Tensor(dtype, storage.host as never, shape);
  }
  return storage.handle as ort.Tensor;
}

/** Host storage over what the runtime returned, or device storage where it stayed there. */
export function storageOf(result: ort.Tensor, device: string): Storage {
  if (result.location === 'gpu-buffer') return new Storage({ handle: result, device });
  return new Storage({ host: result.data as Data, handle: result, device: 'cpu' });
}
