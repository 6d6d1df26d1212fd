/**
 * `fiducial.config.ts` or `.yaml`: what every command takes for granted until a flag says otherwise.
 *
 * One zod schema gives the types, the checks, the JSON Schema (`fiducial config --schema`) and the printed defaults. A
 * key is never part of it: keys come from the environment.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { FiducialError, nearestWord, show } from '../core/errors.ts';
import { loopParams, loopSettings } from './loop/settings.ts';

const amount = z.number().min(0);

export const configSchema = z.strictObject({
  store: z.string().default('.fiducial').describe('A folder, or postgres://user@host/database'),
  seed: z.union([z.int(), z.string()]).default(1).describe('Seed of every run'),
  concurrency: z.int().min(1).max(10_000).default(32).describe('Trials at once'),
  maxErrorShare: z.number().min(0).max(1).default(0.1).describe('Share of failed trials past which a run fails'),
  budget: z
    .strictObject({
      money: amount.optional().describe("Most to spend on a run, in the price file's currency"),
      tokens: amount.optional().describe('Most tokens of a run, asks and replies together'),
      calls: amount.optional().describe('Most calls of a run'),
    })
    .default({})
    .describe('Over a whole run, its children and its resumes'),
  prices: z.string().optional().describe('The price file; without it a money budget stops a run before its first call'),
  limits: z
    .strictObject({
      requestsPerMinute: z.number().positive().optional(),
      tokensPerMinute: z.number().positive().optional(),
      maxConcurrency: z.int().min(1).optional(),
      patienceMs: amount.optional().describe('Longest time with nothing but overload'),
    })
    .default({})
    .describe('For each endpoint'),
  cache: z.enum(['off', 'deterministic', 'always']).default('off').describe('Whether replies are reused between runs'),
  models: z.record(z.string(), z.string()).default({}).describe('Short names for model addresses'),
  methods: z
    .record(z.string(), z.record(z.string(), z.unknown()))
    .default({})
    .describe('Parameters by method, for example redteam/best-of-n: { attempts: 50 }'),
  loop: loopSettings.prefault({}).describe('What fiducial loop does'),
});

/** The configuration with every default filled in. */
export type Config = z.output<typeof configSchema>;
/** The configuration as a user writes it. */
export type ConfigInput = z.input<typeof configSchema>;

/** Types for `fiducial.config.ts`. @example export default defineConfig({ concurrency: 16 }); */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config;
}

/** Names that are looked for, in this order. */
export const configNames = [
  'fiducial.config.ts',
  'fiducial.config.mts',
  'fiducial.config.js',
  'fiducial.config.mjs',
  'fiducial.config.yaml',
  'fiducial.config.yml',
  'fiducial.config.json',
] as const;

/**
 * The configuration of a folder.
 *
 * @param path a file; by default the first of {@link configNames} that exists, else every default
 * @throws FiducialError `config.unreadable`, `config.invalid`
 */
export async function readConfig(path?: string, folder = '.'): Promise<{ config: Config; path: string | undefined }> {
  const file = path ?? configNames.map((name) => resolve(folder, name)).find((name) => existsSync(name));
  if (file === undefined) return { config: configSchema.parse({}), path: undefined };
  return { config: checkConfig(await load(resolve(folder, file)), file), path: file };
}

/** @throws FiducialError `config.invalid`, with the nearest correct word */
export function checkConfig(data: unknown, origin: string): Config {
  const parsed = configSchema.safeParse(data ?? {});
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const meant = unknown === undefined ? undefined : nearestWord(unknown, allKeys);
  throw new FiducialError(
    'config.invalid',
    `${origin}: ${[...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])].join('.')}: ${issue?.message ?? 'not valid'}`,
    meant === undefined ? 'fiducial config prints every setting with its default.' : `Did you mean ${meant}?`,
  );
}

const allKeys = [
  ...Object.keys(configSchema.shape),
  ...Object.keys(loopSettings.shape),
  ...Object.keys(loopParams.shape),
  'money',
  'tokens',
  'calls',
  'requestsPerMinute',
  'tokensPerMinute',
  'maxConcurrency',
  'patienceMs',
];

async function load(file: string): Promise<unknown> {
  const ending = extname(file);
  try {
    if (/^\.(ya?ml|json)$/.test(ending)) return parse(await readFile(file, 'utf8')) as unknown;
    const url = pathToFileURL(file).href;
    const stripsTypes = (process.features as { readonly typescript?: unknown }).typescript;
    const isPlain = !/^\.[cm]?ts$/.test(ending) || (stripsTypes !== undefined && stripsTypes !== false);
    const module: unknown = isPlain
      ? await import(url)
      : await (await import('tsx/esm/api')).tsImport(url, import.meta.url);
    if (hasDefault(module)) {
      // In a folder that is not of ES modules, the default export arrives inside another one.
      return hasDefault(module.default) ? module.default.default : module.default;
    }
  } catch (cause) {
    throw new FiducialError(
      'config.unreadable',
      `${show(file)} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      'Mend it, or name another with --config.',
      { cause },
    );
  }
  throw new FiducialError(
    'config.unreadable',
    `${show(file)} has no default export`,
    'Write export default defineConfig({ … }).',
  );
}

function hasDefault(value: unknown): value is { readonly default: unknown } {
  return value !== null && typeof value === 'object' && 'default' in value;
}

/** The JSON Schema of the configuration, for editors. */
export function configJsonSchema(): unknown {
  return z.toJSONSchema(configSchema, { io: 'input' });
}
