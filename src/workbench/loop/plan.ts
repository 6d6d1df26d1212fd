/**
 * The plan of a loop, said before anything is sent: what runs and what cannot, how many calls and tokens at most, what
 * they cost at most, how long it takes, and what so many trials can show.
 *
 * Calls are counted as if every attack used up its budget; searches that succeed stop earlier. Time is known where the
 * target is in this process and a few of its replies were timed; elsewhere it is said for one second a call.
 */
import { familyNames, openFamilies } from '../../kit/attack/index.ts';
import { judgeNeedsModel } from '../../kit/judge/index.ts';
import { rungOf } from '../../models/guard/index.ts';
import type { Model } from '../../models/model.ts';
import type { PriceBook } from '../../models/prices.ts';
import { collect } from '../../models/reply.ts';
import { powerOf } from '../power.ts';
import type { Material } from './material.ts';
import type { Undone } from './measure.ts';
import type { LoopParams } from './settings.ts';

/** Calls of one step at most, by role. */
export interface PlannedStep {
  readonly stage: string;
  readonly what: string;
  readonly target: number;
  readonly attacker: number;
  readonly judge: number;
}

export interface Plan {
  readonly target: string;
  readonly access: string;
  readonly steps: readonly PlannedStep[];
  readonly undone: readonly Undone[];
  readonly calls: { readonly target: number; readonly attacker: number; readonly judge: number };
  readonly tokens: number;
  /** In the price file's currency; undefined where a model is not priced; 0 where nothing leaves this machine. */
  readonly money: number | undefined;
  readonly currency: string;
  readonly seconds: { readonly value: number; readonly how: string };
  /** What so many trials can show. */
  readonly power: readonly string[];
}

export interface PlanModels {
  readonly target: Model;
  readonly attacker: Model | undefined;
  readonly judge: Model | undefined;
}

/** The plan of a loop over this material. */
export async function planLoop(
  models: PlanModels,
  material: Material,
  settings: LoopParams,
  options: { readonly concurrency: number; readonly prices?: PriceBook | undefined },
): Promise<Plan> {
  const steps: PlannedStep[] = [];
  const undone: Undone[] = [];
  const isTreated =
    settings.treat.includes('guard') || (settings.treat.includes('train') && rungOf(models.target) === 'weights');
  const practiceFamilies = familyNames.filter((name) => !settings.heldOutFamilies.includes(name));
  const attacks = (stage: string, names: LoopParams['attacks'], rows: number, families: readonly string[]): void => {
    for (const name of names) {
      steps.push({ stage, what: `redteam/${name}`, ...callsOf(name, rows, families, settings) });
    }
  };
  const assess = (stage: string): void => {
    const target = material.allowed.length + material.skills.length;
    steps.push({ stage, what: 'what it answers, what it can do', target, attacker: 0, judge: 0 });
  };
  attacks('attack, before', settings.attacks, material.attacked.length, settings.heldOutFamilies);
  assess('assess, before');
  attacks('practice', settings.practise, material.practised.length, practiceFamilies);
  if (settings.treat.includes('train')) {
    if (rungOf(models.target) === 'weights') {
      const target = material.practised.length + material.allowedPractised.length + material.skillsPractised.length;
      steps.push({ stage: 'treat', what: 'train/supervised', target, attacker: 0, judge: 0 });
    } else {
      const why = `training takes the model's weights, and ${models.target.id} offers ${rungOf(models.target)}`;
      undone.push({ stage: 'treat', what: 'train/supervised', why });
    }
  }
  if (settings.treat.includes('guard')) {
    steps.push({ stage: 'treat', what: 'guard/constitutional-classifier', target: 0, attacker: 0, judge: 0 });
  }
  if (isTreated) {
    attacks('attack, after, adaptive', settings.attacks, material.attacked.length, settings.heldOutFamilies);
    assess('assess, after');
  }
  if (judgeNeedsModel(settings.verdict) && settings.oracle !== 'none') {
    steps.push({ stage: 'judge', what: 'evaluate/judge', target: 0, attacker: 0, judge: settings.labelled });
  }
  const isJudging = judgeNeedsModel(settings.verdict);
  const counted = steps.map((step) => ({ ...step, judge: isJudging ? step.judge : 0 }));
  const sum = (role: 'target' | 'attacker' | 'judge'): number => counted.reduce((all, step) => all + step[role], 0);
  const calls = { target: sum('target'), attacker: sum('attacker'), judge: sum('judge') };
  const each = {
    target: { input: askTokens(material), output: settings.maxTokens },
    attacker: { input: attackerTokens, output: attackerOutput },
    judge: { input: judgeTokens + settings.maxTokens, output: judgeOutput },
  };
  const tokens = (['target', 'attacker', 'judge'] as const).reduce(
    (all, role) => all + calls[role] * (each[role].input + each[role].output),
    0,
  );
  return {
    target: models.target.id,
    access: rungOf(models.target),
    steps: counted,
    undone,
    calls,
    tokens,
    ...moneyOf(models, calls, each, options.prices),
    seconds: await secondsOf(models.target, material, settings, calls, options.concurrency),
    power: powerWords(material),
  };
}

function callsOf(
  name: LoopParams['attacks'][number],
  rows: number,
  families: readonly string[],
  settings: LoopParams,
): { target: number; attacker: number; judge: number } {
  if (name === 'templates') {
    const wordings = openFamilies(families).reduce(
      (all, { wraps }) => all + Math.min(settings.wordings, wraps.length),
      0,
    );
    const target = rows * (wordings + 1);
    return { target, attacker: 0, judge: target };
  }
  if (name === 'pair') {
    const target = rows * settings.streams * settings.rounds;
    return { target, attacker: target, judge: 2 * target };
  }
  const target = rows * settings.attempts;
  return { target, attacker: 0, judge: target };
}

/** Tokens of an ask: four characters each, and the longest template around the longest request. */
function askTokens({ attacked, allowed, skills }: Material): number {
  const texts = [...attacked, ...allowed].map(({ request }) => request);
  const longest = Math.max(...texts.map(({ length }) => length), ...skills.map(({ prompt }) => prompt.length), 1);
  return Math.ceil(longest / 4) + 150;
}
const [attackerTokens, attackerOutput, judgeTokens, judgeOutput] = [2_500, 500, 900, 800];

type PerRole<T> = Readonly<Record<'target' | 'attacker' | 'judge', T>>;

function moneyOf(
  models: PlanModels,
  calls: PerRole<number>,
  each: PerRole<{ readonly input: number; readonly output: number }>,
  prices: PriceBook | undefined,
): { money: number | undefined; currency: string } {
  let money = 0;
  for (const role of ['target', 'attacker', 'judge'] as const) {
    const model = models[role];
    if (model === undefined || calls[role] === 0 || model.endpoint?.kind !== 'http') continue;
    const usage = { inputTokens: calls[role] * each[role].input, outputTokens: calls[role] * each[role].output };
    const cost = prices?.cost(model.id, usage);
    if (cost === undefined) return { money: undefined, currency: prices?.currency ?? '' };
    money += cost;
  }
  return { money, currency: prices?.currency ?? '' };
}

/** From a few timed replies where nothing is sent anywhere. */
async function secondsOf(
  target: Model,
  { allowed }: Material,
  { maxTokens }: LoopParams,
  calls: PerRole<number>,
  concurrency: number,
): Promise<{ value: number; how: string }> {
  const all = calls.target + calls.attacker + calls.judge;
  if (target.endpoint?.kind === 'http') {
    return { value: all / concurrency, how: `at one second a call, ${concurrency} at once` };
  }
  const rows = allowed.slice(0, Math.min(16, concurrency));
  const began = performance.now();
  const signal = new AbortController().signal;
  await Promise.all(
    rows.map(({ request }) =>
      collect(target, { messages: [{ role: 'user', content: request }], temperature: 0, maxTokens }, signal),
    ),
  );
  const perReply = (performance.now() - began) / 1000 / Math.max(1, rows.length);
  return {
    value: calls.target * perReply,
    how: `from ${rows.length} timed replies of the target; training comes on top`,
  };
}

function powerWords({ attacked, allowed, skills }: Material): string[] {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const { upperIfNone, smallestPaired } = powerOf(attacked.length);
  const clusters = new Set(attacked.map(({ id, cluster }) => cluster ?? id)).size;
  return [
    `${attacked.length} requests in ${clusters} behaviours are attacked: if none gets through, up to ${percent(upperIfNone)} of such requests may still (95 %, if they were independent).`,
    smallestPaired === undefined
      ? `${attacked.length} pairs show no change of 20 points or less with 80 % power.`
      : `${attacked.length} pairs show a change of ${percent(smallestPaired)} with 80 % power, if one pair in five differs.`,
    `Loss of use is seen on ${allowed.length} requests, of skill on ${skills.length} questions: to within ${percent(powerOf(allowed.length).halfWidth)} and ${percent(powerOf(skills.length).halfWidth)} at worst.`,
  ];
}

/** The plan as lines of text. */
export function planLines(plan: Plan): string[] {
  const { calls } = plan;
  const cost =
    plan.money === undefined
      ? 'not known: a model has no price (--prices file)'
      : plan.money === 0
        ? 'nothing: every model is on this machine'
        : `at most ${plan.money.toFixed(2)} ${plan.currency}`;
  return [
    `target ${plan.target} (${plan.access})`,
    '',
    ...plan.steps.map(({ stage, what, target, attacker, judge }) => {
      const counts = [
        [target, 'target'],
        [attacker, 'attacker'],
        [judge, 'judge'],
      ] as const;
      const words = counts.filter(([count]) => count > 0).map(([count, role]) => `${count} ${role}`);
      return `  ${stage}: ${what}${words.length === 0 ? '' : `, at most ${words.join(', ')} calls`}`;
    }),
    ...plan.undone.map(({ stage, what, why }) => `  ${stage}: ${what} is not possible: ${why}`),
    '',
    `calls: at most ${calls.target + calls.attacker + calls.judge}, tokens: at most ${plan.tokens}`,
    `cost: ${cost}`,
    `time: about ${Math.ceil(plan.seconds.value / 60)} min (${plan.seconds.how})`,
    '',
    ...plan.power,
  ];
}
