/**
 * The checks of `fiducial doctor`: Node, the engine and its devices, configuration, store, keys, free space.
 *
 * A key is only ever said to be there or not; its value is never read into a message.
 */
import { statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism, freemem } from 'node:os';
import { isFiducialError } from '../core/errors.ts';
import { openStore } from '../store/index.ts';
import { readConfig } from '../workbench/config.ts';
import { readableBytes } from './columns.ts';

export interface Check {
  readonly name: string;
  /** `note`: works, with something to know. */
  readonly state: 'good' | 'note' | 'bad';
  readonly what: string;
  readonly todo?: string;
}

/** Everything about this machine that decides what can run here. */
export async function examine(store?: string, configPath?: string): Promise<Check[]> {
  const checks: Check[] = [node(), await engine()];
  let address = store;
  try {
    const { config, path } = await readConfig(configPath);
    address ??= config.store;
    checks.push({ name: 'configuration', state: 'good', what: path ?? 'none: every value is its default' });
  } catch (error) {
    checks.push({ name: 'configuration', state: 'bad', ...wordsOf(error) });
  }
  checks.push(...(await storeChecks(address)), ...keys(), await space());
  checks.push({
    name: 'machine',
    state: 'good',
    what: `${availableParallelism()} cores, ${readableBytes(freemem())} free memory`,
  });
  return checks;
}

function node(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isEnough = major > 20 || (major === 20 && minor >= 19);
  return {
    name: 'Node',
    state: isEnough ? 'good' : 'bad',
    what: process.versions.node,
    ...(isEnough ? {} : { todo: 'Install Node 20.19 or newer.' }),
  };
}

async function engine(): Promise<Check> {
  try {
    const onnxruntime = await import('onnxruntime-node');
    const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
    const devices = onnxruntime.listSupportedBackends().map(({ name }) => name);
    return { name: 'engine', state: 'good', what: `ONNX Runtime ${version}, devices: ${devices.join(', ')}` };
  } catch (error) {
    return {
      name: 'engine',
      state: 'note',
      what: `ONNX Runtime cannot be loaded: ${error instanceof Error ? error.message : String(error)}`,
      todo: 'Methods over endpoints run all the same; for open weights install the package again.',
    };
  }
}

async function storeChecks(address: string | undefined): Promise<Check[]> {
  try {
    const opened = await openStore(address === undefined ? {} : { address });
    try {
      const faults = await opened.verify();
      const { total } = await opened.runs({ limit: 1 });
      return [
        {
          name: 'store',
          state: faults.length === 0 ? 'good' : 'bad',
          what: `${opened.address}, ${opened.dialect}, schema ${opened.version}, ${total} runs${faults.length === 0 ? ', whole' : ''}`,
          ...(faults.length === 0 ? {} : { todo: faults.map(({ where, what }) => `${where}: ${what}`).join('; ') }),
        },
      ];
    } finally {
      await opened.close();
    }
  } catch (error) {
    return [{ name: 'store', state: 'bad', ...wordsOf(error) }];
  }
}

const providerKeys = {
  openai: 'OPENAI_API_KEY',
  anthropic: 'ANTHROPIC_API_KEY',
  google: 'GOOGLE_GENERATIVE_AI_API_KEY',
  'Hugging Face, for gated models': 'HF_TOKEN',
} as const;

function keys(): Check[] {
  return Object.entries(providerKeys).map(([provider, variable]) => {
    const isSet = (process.env[variable] ?? '') !== '';
    return {
      name: `key for ${provider}`,
      state: isSet ? 'good' : 'note',
      what: isSet ? `${variable} is set` : `${variable} is not set`,
      ...(isSet ? {} : { todo: `Needed only for that provider: export ${variable}=…` }),
    };
  });
}

async function space(): Promise<Check> {
  const { bavail, bsize } = await statfs('.');
  const free = bavail * bsize;
  const isLittle = free < 1e9;
  return {
    name: 'disk',
    state: isLittle ? 'note' : 'good',
    what: `${readableBytes(free)} free here`,
    ...(isLittle ? { todo: 'Runs and models need space: free some, or name another --store.' } : {}),
  };
}

function wordsOf(error: unknown): { what: string; todo?: string } {
  if (isFiducialError(error)) return { what: error.message, todo: error.hint };
  return { what: error instanceof Error ? error.message : String(error) };
}
