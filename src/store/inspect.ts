/**
 * Inspect's `.eval` logs, in and out.
 *
 * Source: inspect_ai's log recorder, format version 2 (`log/_recorders/eval.py`, `log/_log.py`): a zip of
 * `header.json`, `_journal/`, `samples/<id>_epoch_<n>.json`, `summaries.json`, `reductions.json`. Departure: a sample
 * that failed, was not scored or has a score that is no number is an error or undetermined here, and never a zero.
 * Each scorer becomes a set of trials; epochs of one sample share a cluster.
 */
import { FiducialError, show } from '../core/errors.ts';
import type { Observation } from '../core/index.ts';
import type { Json } from '../core/values.ts';
import { canonicalJson, cleanJson, sha256 } from './json.ts';
import type { ObservationStatus, Run, RunStatus, Store, Trial } from './store.ts';
import { createZip, openZip, type ZipReader } from './zip.ts';

const formatVersion = 2;
type Fields = { readonly [key: string]: Json | undefined };

export interface InspectImport {
  readonly run: Run;
  readonly samples: number;
  readonly trials: number;
}

/**
 * Reads an `.eval` log as a run of method `evaluate/inspect-log`. The same log is the same run, so importing it twice
 * changes nothing. Throws `store.bad-archive`, `store.compression`, `store.newer`.
 *
 * @example const { run, trials } = await importInspect(store, 'logs/2026-08-01_popularity.eval');
 */
export async function importInspect(store: Store, path: string): Promise<InspectImport> {
  const zip = await openZip(path);
  try {
    const header = await readHeader(zip, path);
    const about = fields(header['eval']);
    const names = [...zip.entries.keys()].filter((name) => /^samples\/[^/]+\.json$/.test(name)).sort();
    const checksums = [...zip.entries.values()].map(({ name, crc, bytes }) => [name, crc, bytes]);
    const { run } = await store.open({
      method: 'evaluate/inspect-log',
      params: { task: about['task'] ?? '', arguments: about['task_args'] ?? {} },
      models: { target: about['model'] ?? '' },
      seed: 0,
      hashes: { code: sha256(canonicalJson(about['packages'] ?? {})), data: { log: sha256(canonicalJson(checksums)) } },
    });
    await run.append({ kind: 'inspect.header', key: 'header', data: cleanJson(header, undefined) });
    let trials = 0;
    for (const name of names) {
      const sample = await readJson(zip, name, path);
      const transcript = await run.keepTranscript(transcriptOf(sample));
      const writes = observationsOf(sample).map(([set, observation]) =>
        run.recordTrial(set, { ...observation, transcript }),
      );
      trials += (await Promise.all(writes)).length;
    }
    const [status, reason] = statusOf(header);
    const info = await run.info();
    if (info.status !== status) await run.setStatus(status, reason);
    return { run, samples: names.length, trials };
  } finally {
    await zip.close();
  }
}

async function readHeader(zip: ZipReader, path: string): Promise<Fields> {
  // A log that was cut off in the middle of its run has no header yet, and its journal says how it began.
  const name = ['header.json', '_journal/start.json'].find((entry) => zip.entries.has(entry));
  if (name === undefined)
    throw new FiducialError(
      'store.bad-archive',
      `${path} is no Inspect log: it has no header.json.`,
      'Pass a file that Inspect wrote with the extension .eval.',
    );
  const header = await readJson(zip, name, path);
  const version = header['version'];
  if (typeof version === 'number' && version > formatVersion) {
    throw new FiducialError(
      'store.newer',
      `${path} has Inspect's log format ${version}; this program reads up to ${formatVersion}.`,
      'Convert it with: inspect log convert --to eval.',
    );
  }
  return header;
}

async function readJson(zip: ZipReader, name: string, path: string): Promise<Fields> {
  const text = Buffer.from(await zip.read(name)).toString('utf8');
  try {
    return fields(JSON.parse(text) as Json);
  } catch {
    // Python writes NaN and Infinity as bare words. Outside of strings they are null here: nothing was measured.
    const repaired = text.replaceAll(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (token) =>
      token.startsWith('"') ? token : 'null',
    );
    try {
      return fields(JSON.parse(repaired) as Json);
    } catch (error) {
      throw new FiducialError(
        'store.bad-archive',
        `${path} cannot be read: ${show(name)} is not JSON.`,
        'Write the log again.',
        { cause: error },
      );
    }
  }
}

function fields(value: Json | undefined): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function list(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

function statusOf(header: Fields): [Exclude<RunStatus, 'created'>, string | undefined] {
  const error = fields(header['error'])['message'];
  const reason = typeof error === 'string' ? error : undefined;
  switch (header['status']) {
    case 'success':
      return ['done', undefined];
    case 'error':
      return ['failed', reason ?? 'the evaluation failed'];
    case 'cancelled':
      return ['stopped', 'cancelled in Inspect'];
    default:
      return ['stopped', 'the log ends before the evaluation did'];
  }
}

/** The sample's text with its attachments put back in their places. */
function transcriptOf(sample: Fields): Json {
  const attachments = fields(sample['attachments']);
  const resolve = (value: Json): Json => {
    if (typeof value === 'string') {
      const attached = value.startsWith('attachment://') ? attachments[value.slice('attachment://'.length)] : undefined;
      return attached ?? value;
    }
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((item: Json) => resolve(item));
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item)]));
  };
  const kept = [
    'id',
    'epoch',
    'input',
    'choices',
    'target',
    'messages',
    'output',
    'scores',
    'metadata',
    'store',
    'error',
    'model_usage',
    'limit',
  ];
  return Object.fromEntries(
    kept.flatMap((name) => (sample[name] === undefined ? [] : [[name, resolve(sample[name])]])),
  );
}

/** The observations of one sample, by scorer. */
function observationsOf(sample: Fields): [set: string, observation: Observation][] {
  const id = typeof sample['id'] === 'string' ? sample['id'] : show(sample['id']);
  const epoch = Number(sample['epoch'] ?? 1);
  const item = epoch === 1 ? id : `${id}#${epoch}`;
  const ours = list(fields(sample['metadata'])['fiducial']);
  // Written by exportInspect, which keeps what Inspect has no place for.
  if (ours.length > 0) return ours.map((trial) => restored(item, fields(trial), fields(sample['scores'])));
  const common = { item, cluster: id };
  const error = sample['error'];
  const why = fields(error)['message'];
  const scores = Object.entries(
    fields(sample['scores'] ?? (sample['score'] === undefined ? null : { score: sample['score'] })),
  );
  if (error !== undefined && error !== null) {
    const message = typeof why === 'string' ? why : 'the sample failed';
    const sets = scores.length === 0 ? ['sample'] : scores.map(([set]) => set);
    return sets.map((set) => [set, { ...common, status: 'error', why: message }]);
  }
  if (scores.length === 0) return [['sample', { ...common, status: 'undetermined', why: 'no scorer scored it' }]];
  return scores.flatMap(([set, score]) => {
    const { value, explanation } = fields(score);
    const reason = typeof explanation === 'string' ? explanation : undefined;
    // A scorer with several values is a set for each of them.
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return Object.entries(value as Fields).map(([name, part]): [string, Observation] => [
        `${set}/${name}`,
        observe(common, part, reason),
      ]);
    }
    return [[set, observe(common, value, reason)]];
  });
}

function restored(item: string, trial: Fields, scores: Fields): [set: string, observation: Observation] {
  const { set, status, why, cluster } = trial as {
    set: string;
    status: ObservationStatus;
    why?: string;
    cluster?: string;
  };
  const value = fields(scores[set])['value'];
  const isMeasured = status === 'measured' && typeof value === 'number';
  const common = { item, ...(cluster === undefined ? {} : { cluster }) };
  if (isMeasured) return [set, { ...common, status, value, ...(why === undefined ? {} : { why }) }];
  return [
    set,
    { ...common, status: status === 'error' ? 'error' : 'undetermined', why: why ?? 'its score is not there' },
  ];
}

/** Inspect's own reading of its letters and words, but for "no answer", which it counts as wrong. */
const letters: Record<string, number> = { C: 1, I: 0, P: 0.5, yes: 1, no: 0, true: 1, false: 0 };

function observe(
  common: { item: string; cluster: string },
  value: Json | undefined,
  why: string | undefined,
): Observation {
  const number = typeof value === 'boolean' ? Number(value) : typeof value === 'string' ? numberOf(value) : value;
  const reason = why === undefined ? {} : { why };
  if (typeof number === 'number' && Number.isFinite(number))
    return { ...common, status: 'measured', value: number, ...reason };
  const said = value === 'N' ? 'the model gave no answer' : `the score is ${show(value)}, which is no number`;
  return { ...common, status: 'undetermined', why: why === undefined ? said : `${said}: ${why}` };
}

function numberOf(text: string): number | undefined {
  const known = letters[text] ?? letters[text.toLowerCase()];
  if (known !== undefined) return known;
  return text.trim() === '' ? undefined : Number(text);
}

// ------------------------------------------------------------------------------------------------------------- export

const inspectStatus: Record<RunStatus, string> = {
  created: 'started',
  running: 'started',
  waiting: 'started',
  stopped: 'cancelled',
  failed: 'error',
  done: 'success',
};

/**
 * Writes a run's trials as an `.eval` log that Inspect's viewer opens: a sample an item, a scorer a set. What was
 * undetermined has no score and says why in its metadata; what was in error is an errored sample. Returns the samples.
 *
 * @example await exportInspect(store, run, 'run.eval');
 */
export async function exportInspect(store: Store, run: Run, path: string, layer = ''): Promise<number> {
  const info = await run.info();
  const items = new Map<string, Trial[]>();
  for await (const trial of run.eachTrial({ layer })) items.set(trial.item, [...(items.get(trial.item) ?? []), trial]);
  const zip = await createZip(path);
  try {
    const about = aboutOf(run, info.createdAtMs, [...items.keys()]);
    const plan = { name: 'plan', steps: [{ solver: run.spec.method, params: asObject(run.spec.params) }], config: {} };
    const write = (name: string, value: unknown) => zip.add(name, JSON.stringify(cleanJson(value, undefined), null, 2));
    await write('_journal/start.json', { version: formatVersion, eval: about, plan });
    const summaries: Json[] = [];
    for (const [item, trials] of items) {
      const sample = await sampleOf(store, run, item, trials);
      const { id, epoch, input, target, scores } = sample;
      summaries.push({ id, epoch, input, target, scores });
      await write(`samples/${fileName(item)}_epoch_1.json`, sample);
    }
    await write('_journal/summaries/1.json', summaries);
    await write('summaries.json', summaries);
    const sets = [...new Set([...items.values()].flat().map((trial) => trial.set))];
    await write(
      'reductions.json',
      sets.map((set) => ({
        scorer: set,
        reducer: 'mean',
        samples: measured(items, set).map(({ item, value }) => ({ sample_id: item, value })),
      })),
    );
    await write('header.json', {
      version: formatVersion,
      status: inspectStatus[info.status],
      eval: about,
      plan,
      results: {
        total_samples: items.size,
        completed_samples: [...items.values()].filter((trials) => trials.every((trial) => trial.status !== 'error'))
          .length,
        scores: sets.map((set) =>
          scoreOf(
            set,
            measured(items, set).map(({ value }) => value),
          ),
        ),
      },
      stats: {
        started_at: isoTime(info.createdAtMs),
        completed_at: isoTime(info.updatedAtMs),
        model_usage: {
          [about.model]: {
            input_tokens: info.usage.inputTokens,
            output_tokens: info.usage.outputTokens,
            total_tokens: info.usage.inputTokens + info.usage.outputTokens,
          },
        },
      },
      ...(info.status === 'failed' ? { error: errorOf(info.reason ?? 'failed') } : {}),
    });
    await zip.finish();
    return items.size;
  } catch (error) {
    await zip.abandon();
    throw error;
  }
}

function aboutOf(run: Run, createdAtMs: number, items: readonly string[]) {
  const target = run.spec.models['target'] ?? Object.values(run.spec.models)[0] ?? 'none';
  return {
    run_id: run.id,
    created: isoTime(createdAtMs),
    task: run.spec.method,
    task_id: run.id,
    task_version: 0,
    task_attribs: {},
    task_args: asObject(run.spec.params),
    dataset: { name: run.spec.method, samples: items.length, sample_ids: items, shuffled: false },
    model: typeof target === 'string' ? target : canonicalJson(target),
    model_args: {},
    config: { epochs: 1 },
    packages: {},
    metadata: { fiducial: { spec: run.spec } },
  };
}

async function sampleOf(store: Store, run: Run, item: string, trials: readonly Trial[]) {
  const ref = trials.find((trial) => trial.transcript !== undefined)?.transcript;
  const isPurged = ref === undefined || (await store.artefacts.info(ref))?.purgedAtMs !== undefined;
  const text = isPurged ? null : await store.artefacts.getJson(ref);
  const messages = messagesOf(text);
  const failed = trials.find((trial) => trial.status === 'error');
  const last = messages.findLast((message) => message.role === 'assistant');
  const model = aboutOf(run, 0, []).model;
  return {
    id: item,
    epoch: 1,
    input: messages.find((message) => message.role === 'user')?.content ?? item,
    target: '',
    messages,
    output: {
      model,
      choices: last === undefined ? [] : [{ message: last, stop_reason: 'stop' }],
    },
    scores: Object.fromEntries(
      trials.flatMap((trial) =>
        trial.status === 'measured'
          ? [[trial.set, { value: trial.value, ...(trial.why === undefined ? {} : { explanation: trial.why }) }]]
          : [],
      ),
    ),
    metadata: {
      fiducial: trials.map(({ set, status, why, cluster }) => ({ set, status, why, cluster })),
      ...(messages.length === 0 && text !== null ? { transcript: text } : {}),
    },
    store: {},
    events: [],
    model_usage: {},
    attachments: {},
    ...(failed === undefined ? {} : { error: errorOf(failed.why ?? 'error') }),
  };
}

/** The messages of a transcript that has some, in the shape that both sides know. */
function messagesOf(transcript: Json): { role: string; content: Json }[] {
  const source = Array.isArray(transcript) ? (transcript as readonly Json[]) : list(fields(transcript)['messages']);
  return source.flatMap((message) => {
    const { role, content } = fields(message);
    const isKnown = role === 'system' || role === 'user' || role === 'assistant' || role === 'tool';
    return isKnown && content !== undefined ? [{ role, content }] : [];
  });
}

function measured(items: ReadonlyMap<string, readonly Trial[]>, set: string): { item: string; value: number }[] {
  return [...items.values()]
    .flat()
    .flatMap((trial) =>
      trial.set === set && trial.status === 'measured' ? [{ item: trial.item, value: trial.value }] : [],
    );
}

function scoreOf(set: string, values: readonly number[]) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    name: set,
    scorer: set,
    params: {},
    metrics: values.length === 0 ? {} : { mean: { name: 'mean', value: mean, options: {} } },
  };
}

function errorOf(message: string) {
  return { message, traceback: '', traceback_ansi: '' };
}

function asObject(value: Json): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : { value };
}

// Inspect finds a sample by its id in the file's name; a slash would make a folder of it.
function fileName(item: string): string {
  return item.replaceAll('/', '%2F');
}

function isoTime(atMs: number): string {
  return new Date(atMs).toISOString();
}
