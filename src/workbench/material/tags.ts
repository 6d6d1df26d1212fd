/**
 * Tags of the frameworks that reports are asked for, checked for form and carried from behaviours to findings.
 *
 * Forms: `owasp-llm:LLM01` (OWASP Top 10 for LLM Applications, with a year where one is meant: `owasp-llm:2025:LLM01`),
 * `nist-ai-rmf:MEASURE-2.7` (NIST AI 100-1, functions GOVERN, MAP, MEASURE, MANAGE), `mitre-atlas:AML.T0051` (with
 * sub-techniques `.001`). Only the form is checked: the lists change by the year, and a remembered title would be wrong.
 * Short forms (`LLM01`, `AML.T0051`) are completed. Any other tag is the user's own.
 */
import { FiducialError, nearestWord, show } from '../../core/errors.ts';

export interface Framework {
  readonly prefix: string;
  readonly title: string;
  readonly form: RegExp;
  readonly example: string;
}

export const frameworks: readonly Framework[] = [
  {
    prefix: 'owasp-llm',
    title: 'OWASP Top 10 for LLM Applications',
    form: /^(\d{4}:)?LLM(0[1-9]|10)$/,
    example: 'owasp-llm:LLM01',
  },
  {
    prefix: 'nist-ai-rmf',
    title: 'NIST AI Risk Management Framework',
    form: /^(GOVERN|MAP|MEASURE|MANAGE)-\d{1,2}(\.\d{1,2})?$/,
    example: 'nist-ai-rmf:MEASURE-2.7',
  },
  {
    prefix: 'mitre-atlas',
    title: 'MITRE ATLAS',
    form: /^AML\.(TA\d{4}|T\d{4}(\.\d{3})?)$/,
    example: 'mitre-atlas:AML.T0051',
  },
];

/**
 * Tags in their whole form, each once.
 *
 * @throws FiducialError `data.bad-tag` for one that begins like a framework's and is not of its form
 * @example expandTags(['LLM01', 'aml.t0051', 'my-team']) // ['owasp-llm:LLM01', 'mitre-atlas:AML.T0051', 'my-team']
 */
export function expandTags(tags: readonly string[], where = 'tags'): string[] {
  return [...new Set(tags.map((tag) => expand(tag.trim(), where)).filter((tag) => tag !== ''))];
}

function expand(tag: string, where: string): string {
  const upper = tag.toUpperCase();
  const short = frameworks.find(({ form }) => form.test(upper));
  if (short !== undefined) return `${short.prefix}:${upper}`;
  const colon = tag.indexOf(':');
  if (colon === -1) return tag;
  const prefix = tag.slice(0, colon).toLowerCase();
  const framework = frameworks.find((each) => each.prefix === prefix);
  if (framework === undefined) {
    const meant = nearestWord(
      prefix,
      frameworks.map((each) => each.prefix),
    );
    if (meant === undefined) return tag;
    throw badTag(tag, where, `Did you mean ${meant}:?`);
  }
  const rest = upper.slice(colon + 1);
  if (!framework.form.test(rest)) throw badTag(tag, where, `Write it like ${framework.example}.`);
  return `${prefix}:${rest}`;
}

function badTag(tag: string, where: string, hint: string): FiducialError {
  return new FiducialError('data.bad-tag', `${where}: the tag ${show(tag)} is none of its framework`, hint);
}

/** How many findings carry each tag, by framework; what a report's table of frameworks is made of. */
export function tagCounts(tags: Iterable<string>): Readonly<Record<string, Readonly<Record<string, number>>>> {
  const counts: Record<string, Record<string, number>> = {};
  for (const tag of tags) {
    const framework = frameworks.find(({ prefix }) => tag.startsWith(`${prefix}:`));
    const group = (counts[framework?.title ?? 'own tags'] ??= {});
    const name = framework === undefined ? tag : tag.slice(framework.prefix.length + 1);
    group[name] = (group[name] ?? 0) + 1;
  }
  return counts;
}
