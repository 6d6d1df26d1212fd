/**
 * promptfoo configurations read in: prompts, providers, tests and their variables as rows and model addresses, and the
 * assertions that one of our judges can make. What does not map is listed by name and place, never left out in silence.
 *
 * Source: promptfoo's documented configuration (promptfoo.dev, "Configuration reference"). An assertion in promptfoo
 * says what is right; our judges say what is a breach. So `not-contains X` is the judge `contains:X`, and `is-refusal` is
 * `complies`; an assertion that wants something to be there maps to a pattern that it is missing.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { parse } from 'yaml';
import { FiducialError, show } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';
import { type Row, parseRows } from './rows.ts';

export interface PromptfooImport {
  /** A row for each prompt and test: `{ id, request, cluster }`, its prompt filled with the test's variables. */
  readonly rows: readonly Row[];
  /** Model addresses of ours. */
  readonly targets: readonly string[];
  /** The judge that the assertions come to, where they all come to one. */
  readonly judge: string | undefined;
  /** What has no counterpart here, by name and place. */
  readonly unmapped: readonly string[];
}

type Fields = Readonly<Record<string, Json | undefined>>;

/**
 * Reads a `promptfooconfig.yaml` (or JSON).
 *
 * @throws FiducialError `promptfoo.unreadable`, `promptfoo.invalid`
 * @example const { rows, targets, unmapped } = await readPromptfoo('promptfooconfig.yaml');
 */
export async function readPromptfoo(path: string): Promise<PromptfooImport> {
  let config: Fields;
  try {
    config = fields(parse(await readFile(path, 'utf8')) as Json);
  } catch (cause) {
    throw new FiducialError('promptfoo.unreadable', `${show(path)} cannot be read as YAML or JSON`, 'Check it.', {
      cause,
    });
  }
  const folder = dirname(path);
  const unmapped: string[] = [];
  const note = (what: string): void => void unmapped.push(what);
  for (const key of Object.keys(config)) if (!understood.has(key)) note(`${key}: not read`);

  const targets = list(config['providers'] ?? config['targets']).flatMap((each) => targetOf(each, folder, note));
  const prompts = (await Promise.all(list(config['prompts']).map((each) => promptOf(each, folder, note)))).flat();
  if (prompts.length === 0) {
    throw new FiducialError('promptfoo.invalid', `${path} has no prompts that can be read`, unmapped.join('; '));
  }
  const common = fields(config['defaultTest'] ?? {});
  const tests = await testsOf(config['tests'], folder, note);
  const judges = new Set<string>();
  const rows: Row[] = [];
  for (const [promptIndex, prompt] of prompts.entries()) {
    for (const [index, test] of tests.entries()) {
      const vars = { ...fields(common['vars'] ?? {}), ...fields(test['vars'] ?? {}) };
      const place = `test ${index + 1}`;
      if (promptIndex === 0) {
        const asserts = [...list(common['assert']), ...list(test['assert'])];
        for (const judge of asserts.map((each) => judgeOf(fields(each), place, note))) {
          if (judge !== undefined) judges.add(judge);
        }
        for (const key of Object.keys(test)) if (!testKeys.has(key)) note(`${place}, ${key}: not read`);
      }
      rows.push({
        id: `p${promptIndex + 1}-t${index + 1}`,
        cluster: `t${index + 1}`,
        request: fill(prompt, vars, `prompt ${promptIndex + 1}, ${place}`, note),
        ...(typeof test['description'] === 'string' ? { description: test['description'] } : {}),
      });
    }
  }
  if (judges.size > 1) {
    for (const judge of judges) note(`assert ${judge}: a run has one judge; choose one, or rescore with the others`);
  }
  return { rows, targets, judge: judges.size === 1 ? [...judges][0] : undefined, unmapped: [...new Set(unmapped)] };
}

const understood = new Set(['prompts', 'providers', 'targets', 'tests', 'defaultTest', 'description', '$schema']);
const testKeys = new Set(['vars', 'assert', 'description']);

function targetOf(provider: Json, folder: string, note: (what: string) => void): string[] {
  const options = typeof provider === 'object' ? fields(provider) : {};
  const id = typeof provider === 'string' ? provider : options['id'];
  if (typeof id !== 'string') {
    note(`provider ${show(provider)}: has no id`);
    return [];
  }
  for (const [key, value] of Object.entries(fields(options['config'] ?? {}))) {
    if (key !== 'apiBaseUrl') note(`provider ${id}, config.${key} = ${show(value)}: set it as a parameter of the run`);
  }
  const base = fields(options['config'] ?? {})['apiBaseUrl'];
  const openai = /^openai:(?:chat:|responses:)?(.+)$/.exec(id);
  if (openai !== null)
    return [typeof base === 'string' ? `openai-compatible:${base}#${openai[1]}` : `openai:${openai[1]}`];
  const anthropic = /^anthropic:(?:messages:)?(.+)$/.exec(id);
  if (anthropic !== null) return [`anthropic:${anthropic[1]}`];
  const google = /^(?:google|vertex):(.+)$/.exec(id);
  if (google !== null) return [`google:${google[1]}`];
  const ollama = /^ollama:(?:chat:|completion:)?(.+)$/.exec(id);
  if (ollama !== null) return [`openai-compatible:http://localhost:11434/v1#${ollama[1]}`];
  const exec = /^exec:(.+)$/.exec(id);
  if (exec !== null) return [`command:${exec[1]}`];
  if (id === 'echo') note('provider echo: use function:./echo.ts with a function that returns its prompt');
  else if (id.startsWith('file://')) note(`provider ${id}: export a function and name it function:${id.slice(7)}#name`);
  else
    note(
      `provider ${id}: no counterpart; ${existsSync(resolve(folder, id)) ? 'it is a file' : 'name a model address'}`,
    );
  return [];
}

async function promptOf(prompt: Json, folder: string, note: (what: string) => void): Promise<string[]> {
  const text = typeof prompt === 'string' ? prompt : fields(prompt)['raw'];
  if (typeof text !== 'string') {
    note(`prompt ${show(prompt)}: only text is read`);
    return [];
  }
  if (!text.startsWith('file://')) return [text];
  const file = resolve(folder, text.slice(7));
  if (!/\.(txt|md)$/.test(file) || !existsSync(file)) {
    note(`prompt ${text}: only .txt and .md files are read`);
    return [];
  }
  // promptfoo keeps several prompts of one file apart by lines of three dashes.
  return (await readFile(file, 'utf8')).split(/^---$/m).map((each) => each.trim());
}

async function testsOf(tests: Json | undefined, folder: string, note: (what: string) => void): Promise<Fields[]> {
  if (tests === undefined) return [{}];
  const found: Fields[] = [];
  for (const test of typeof tests === 'string' ? [tests] : list(tests)) {
    if (typeof test !== 'string') {
      found.push(fields(test));
      continue;
    }
    const file = resolve(folder, test.replace(/^file:\/\//, ''));
    if (!/\.(csv|jsonl|json|ya?ml)$/.test(file) || !existsSync(file)) {
      note(`tests ${test}: only .csv, .json, .jsonl and .yaml files are read`);
      continue;
    }
    for (const row of parseRows(await readFile(file, 'utf8'), extname(file), test)) {
      const { id: _, __expected, ...vars } = row as Record<string, Json>;
      if (__expected !== undefined) note(`tests ${test}, __expected ${show(__expected)}: not read`);
      found.push('vars' in row ? row : { vars });
    }
  }
  return found;
}

/** The judge that an assertion comes to. */
function judgeOf(assertion: Fields, place: string, note: (what: string) => void): string | undefined {
  const { type, value } = assertion;
  const literal = typeof value === 'string' ? value : undefined;
  const escaped = literal?.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  switch (typeof type === 'string' ? type : '') {
    case 'not-contains':
      if (literal !== undefined) return `contains:${literal}`;
      break;
    case 'contains':
      // A breach is that it is missing.
      if (escaped !== undefined) return `matches:^(?![\\s\\S]*${escaped})`;
      break;
    case 'not-regex':
      if (literal !== undefined) return `matches:${literal}`;
      break;
    case 'regex':
      if (literal !== undefined) return `matches:^(?![\\s\\S]*(?:${literal}))`;
      break;
    case 'is-refusal':
      return 'complies';
    case 'llm-rubric':
    case 'not-llm-rubric':
      note(`${place}, assert ${String(type)}: judged by our own rubric (judge "rubric"), not by ${show(value)}`);
      return 'rubric';
  }
  note(`${place}, assert ${String(type)}${value === undefined ? '' : ` ${show(value)}`}: no judge of ours`);
  return undefined;
}

/** A prompt with its variables; filters and loops of the template language are named, not evaluated. */
function fill(prompt: string, vars: Fields, place: string, note: (what: string) => void): string {
  if (/\{%/.test(prompt)) note(`${place}: template tags {% %} are not evaluated`);
  return prompt.replaceAll(/\{\{\s*([^}]+?)\s*\}\}/g, (whole, name: string) => {
    const value = Object.hasOwn(vars, name) ? vars[name] : undefined;
    if (value === undefined) {
      note(`${place}: {{${name}}} stands for nothing`);
      return whole;
    }
    return typeof value === 'string' ? value : JSON.stringify(value);
  });
}

function list(value: Json | undefined): readonly Json[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? (value as readonly Json[]) : [value];
}

function fields(value: Json): Fields {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Fields) : {};
}
