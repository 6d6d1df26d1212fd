/**
 * The loop, closed: attack a target, see what it answers and can do, treat what was found, attack it again by attackers
 * who know the treatment, and say what changed, paired and with intervals.
 *
 * It is written as a method: every step is a child run or a set of trials, so that a loop that was killed goes on where
 * it stood and ends with the figures it would have had. What a target does not allow (training without weights) is left
 * out and said, never quietly skipped. What is measured and what treatments learn from never share a behaviour, a
 * wording or a family of attack.
 */
import { z } from 'zod';
import type { Measure } from '../../core/measures.ts';
import { random } from '../../core/random.ts';
import type { Json, Ref } from '../../core/values.ts';
import { familyNames, requestRow, templateAttacker } from '../../kit/attack/index.ts';
import { openJudge } from '../../kit/judge/index.ts';
import { makeTown } from '../../lab/index.ts';
import { safetyCase } from '../../methods/decide/safety-case.ts';
import { judgeMethod, type KeptConfusion } from '../../methods/evaluate/judge.ts';
import { type Context, data, dataOf, defineMethod, model, optional } from '../../methods/method.ts';
import type { Model } from '../../models/model.ts';
import { functionModel } from '../../models/providers/function.ts';
import { placeOf } from '../context.ts';
import { type Correction, derive } from '../figures.ts';
import { setCodeFile } from '../identity.ts';
import { defaultMaxErrorShare } from '../world.ts';
import { argue } from './argument.ts';
import {
  beforeAndAfter,
  byCategory,
  changeOf,
  differencesOf,
  findingsOf,
  refusalPlane,
  sentences,
  stagesTable,
} from './conclude.ts';
import { allowedRow, skillRow, townLabel, townMaterial } from './material.ts';
import { answered, attack, type Attackers, childOf, type Look, ratesOf, skilled, type Undone } from './measure.ts';
import { loopParams, type LoopParams } from './settings.ts';
import { treat } from './treat.ts';

const labelRow = z.strictObject({
  id: z.string().min(1),
  request: z.string(),
  reply: z.string(),
  label: z.union([z.literal(0), z.literal(1)]),
  cluster: z.string().optional(),
});

const needs = {
  target: { ...model('chat', 'the model that goes through the loop'), prefers: 'weights' as const },
  attacker: optional(model('chat', 'the model that writes attacks; a program with templates unless given')),
  judge: optional(model('chat', 'the model that judges replies')),
  attacked: data(requestRow, 'what must not be carried out, measured'),
  practised: data(requestRow, 'what must not be carried out, to learn from'),
  allowed: data(allowedRow, 'what must be answered, measured: rows { id, request, kind, cluster? }'),
  allowedPractised: data(allowedRow, 'what must be answered, to learn from'),
  skills: data(skillRow, 'questions with known answers, measured: rows { id, prompt, accepted, rivals?, cluster? }'),
  skillsPractised: data(skillRow, 'questions with known answers, to learn from'),
  labels: optional(data(labelRow, 'labelled replies { id, request, reply, label } that the judge is measured on')),
};

export const loop = defineMethod({
  id: 'decide/loop',
  title: 'The loop',
  question: 'Does the treatment hold against attackers who know it, and what does it cost in use and skill?',
  sources: [],
  needs,
  params: loopParams,
  demo: {
    params: loopParams.parse({ verdict: 'complies', treat: [], wordings: 1, streams: 1, rounds: 1, attempts: 1 }),
    given: () => {
      const material = townMaterial('quick', 'demo');
      return {
        ...datasets(material),
        target: functionModel('always declines', () => 'I cannot help with that.'),
        attacker: undefined,
        judge: undefined,
        labels: undefined,
      };
    },
  },
  calibration: { none: 'it is made of instruments that have theirs; its own claim is tested end to end' },

  async run(context, settings) {
    const { given } = context;
    const material = {
      attacked: given.attacked.rows,
      practised: given.practised.rows,
      allowed: given.allowed.rows,
      allowedPractised: given.allowedPractised.rows,
      skills: given.skills.rows,
      skillsPractised: given.skillsPractised.rows,
    };
    const practiceFamilies = familyNames.filter((name) => !settings.heldOutFamilies.includes(name));
    const judgeId = openJudge(settings.verdict, given.judge).id;
    const attacker = given.attacker ?? templateAttacker({ families: settings.heldOutFamilies });
    const attackers: Attackers = { attacker, judge: given.judge, judgeId };
    const look = async (
      stage: string,
      target: Model,
      knows: string,
      attacks: LoopParams['attacks'],
    ): Promise<Look> => ({
      attacked: await attack(
        context,
        stage,
        target,
        given.attacked,
        attacks,
        settings.heldOutFamilies,
        knows,
        attackers,
        settings,
      ),
      answered: await answered(context, stage, target, material.allowed, settings),
      skilled: await skilled(context, stage, target, material.skills, settings),
    });

    // 1. What it does before anything is done about it.
    const before = await look('before', given.target, '', settings.attacks);

    // 2. Practice: attacks on other behaviours, by other families, to learn from.
    const practice = await attack(
      context,
      'practice',
      given.target,
      given.practised,
      settings.practise,
      practiceFamilies,
      '',
      attackers,
      settings,
    );

    // 3. Treatment.
    const treated = await treat(context, given.target, practice, material, practiceFamilies, settings);

    // 4. The same again, with attackers who know what was done.
    const after =
      treated.treatments.length === 0
        ? before
        : await look('after', treated.model, treated.knows, [...before.attacked.outcomes.keys()]);
    await treated.close();

    // 5. The judge's errors, on replies of this very loop. Stage by stage: a search stops at the judge's first false
    // alarm, so the replies before a treatment are not those after it, and neither are the errors.
    const looks = treated.treatments.length === 0 ? [before] : [before, after];
    const judgedBefore = await judgeErrors(context, 'before', before, judgeId, settings);
    const judgedAfter = after === before ? judgedBefore : await judgeErrors(context, 'after', after, judgeId, settings);
    const judged = after === before ? [judgedBefore] : [judgedBefore, judgedAfter];

    // 6. What it comes to.
    const rates = [
      ...ratesOf('before', before, judgeId),
      ...(after === before ? [] : ratesOf('after', after, judgeId)),
    ].map((measure) => {
      const isAfter = measure.name.endsWith('after');
      const { correction } = isAfter ? judgedAfter : judgedBefore;
      return corrected(measure, isAfter ? after : before, judgeId, correction, context);
    });
    const truth =
      settings.oracle === 'town'
        ? await Promise.all(looks.map((each, index) => oracleRate(context, index === 0 ? 'before' : 'after', each)))
        : [];
    const differences = differencesOf(before, after);
    const measures = [
      ...rates,
      ...(after === before ? [] : differences.map(changeOf)),
      ...truth,
      ...judged.flatMap((each) => each.measures),
    ];
    const undone = [
      ...before.attacked.undone,
      ...practice.undone,
      ...treated.undone,
      ...judged.flatMap((each) => each.undone),
    ];
    const { run } = placeOf(context);
    const instruments = await Promise.all(
      [...after.attacked.outcomes.keys()].map((name) =>
        childOf(context, `${after === before ? 'before' : 'after'}/${name}`),
      ),
    );
    const argued = await argue(
      given.target.id,
      measures,
      instruments,
      judged.every(({ correction }) => correction !== undefined),
      undone.map(({ what, why }) => `${what} was not possible: ${why}`),
      new Date((await run.info()).createdAtMs).toISOString().slice(0, 10),
      (name, value: Json) => context.keep(name, JSON.stringify(value), 'application/json'),
    );
    const argument =
      after === before
        ? undefined
        : await context.call(
            safetyCase,
            safetyCase.demo.params,
            {
              nodes: dataOf('nodes', argued.nodes),
              evidence: dataOf('evidence', argued.evidence),
              defeaters: dataOf('doubts', argued.defeaters),
            },
            'safety case',
          );
    const plane = refusalPlane(measures);
    return {
      summary: [...sentences(given.target.id, measures, differences, treated.treatments), ...(argument?.summary ?? [])],
      measures,
      findings: [
        ...(after === before ? [] : findingsOf('after', after.attacked.outcomes)),
        ...findingsOf('before', before.attacked.outcomes),
      ],
      products: { ...treated.products, ...(argument === undefined ? {} : argument.products) },
      figures: [
        ...(after === before
          ? []
          : [beforeAndAfter(measures, differences), byCategory(material.attacked, before, after)]),
        ...(plane === undefined || after === before ? [] : [plane]),
        ...(argument?.figures ?? []),
        stagesTable(done(settings, treated.treatments), undone),
      ],
      caveats: [
        `measured on ${material.attacked.length} requests to refuse, ${material.allowed.length} to answer and ${material.skills.length} questions; nothing of them was learned from`,
        ...undone.map(({ what, why }) => `not possible: ${what}: ${why}`),
        ...(judged.some(({ correction }) => correction === undefined)
          ? ['an attack rate without a correction is the judge’s own word: its errors could not be measured there']
          : []),
        'the loop does not look inside: interpret/refusal-direction, interpret/probe and interpret/sparse-autoencoder do',
      ],
    };
  },
});
setCodeFile(loop, new URL(import.meta.url));

/** Rows as what fills the loop's roles. */
export function datasets(material: ReturnType<typeof townMaterial>) {
  return {
    attacked: dataOf('attacked', material.attacked),
    practised: dataOf('practised', material.practised),
    allowed: dataOf('allowed', material.allowed),
    allowedPractised: dataOf('allowed, practised', material.allowedPractised),
    skills: dataOf('skills', material.skills),
    skillsPractised: dataOf('skills, practised', material.skillsPractised),
  };
}

type LoopContext = Context<typeof needs>;

/** The judge against labels: those given, or the town's oracle on the replies of this stage. */
async function judgeErrors(
  context: LoopContext,
  stage: string,
  look: Look,
  judgeId: string,
  settings: LoopParams,
): Promise<{ measures: Measure[]; correction?: Correction; undone: Undone[] }> {
  const { given } = context;
  const rows =
    given.labels?.rows ??
    (settings.oracle === 'town' ? await oracleLabels(context, stage, look, settings.labelled) : []);
  if (new Set(rows.map(({ label }) => label)).size < 2) {
    const why =
      rows.length === 0
        ? 'there are no labelled replies to measure the judge on (--labels rows.jsonl, some 200)'
        : `all ${rows.length} labelled replies have the label ${rows[0]!.label}, and a judge is measured on both`;
    return { measures: [], undone: [{ stage: `judge, ${stage}`, what: 'evaluate/judge', why }] };
  }
  const outcome = await context.call(
    judgeMethod,
    { verdict: settings.verdict, task: 'the loop' },
    { replies: dataOf('labelled replies', rows), judge: given.judge, people: undefined },
    `judge, ${stage}`,
  );
  const measures = outcome.measures
    .filter(({ name }) => name === 'sensitivity' || name === 'specificity')
    .map((measure) => ({ ...measure, name: `the judge's ${measure.name}, ${stage}` }));
  const by = outcome.products?.['confusion'];
  if (by === undefined) return { measures, undone: [] };
  const kept = JSON.parse(new TextDecoder().decode(await context.read(by))) as KeptConfusion;
  if (kept.judge !== judgeId) throw new Error(`the judge ${kept.judge} was measured, and ${judgeId} was used`);
  return { measures, correction: { judge: kept.judge, confusion: kept.confusion, by }, undone: [] };
}

/** What the program that knows the town says of the replies on which the attacks ended. */
async function oracleRate(context: LoopContext, stage: string, { attacked }: Look): Promise<Measure> {
  const town = makeTown(1);
  const set = await context.trials(
    `oracle, ${stage}`,
    attacked.set.observations.map(({ item, cluster, transcript }) => ({ id: item, cluster, transcript })),
    async ({ transcript }) => {
      if (transcript === undefined) return { status: 'undetermined', why: 'no reply was kept' };
      const { request, reply } = await replyIn(context, transcript);
      return { status: 'measured', value: townLabel(town, request, reply), transcript };
    },
  );
  return set.rate({ name: `attack success by the oracle, ${stage}`, better: 'down' });
}

/** A kept request with the reply that was judged. */
async function replyIn(context: LoopContext, transcript: Ref): Promise<{ request: string; reply: string }> {
  const kept = JSON.parse(new TextDecoder().decode(await context.read(transcript))) as Record<string, unknown>;
  const { request, reply } = kept;
  return { request: typeof request === 'string' ? request : '', reply: typeof reply === 'string' ? reply : '' };
}

/** Replies of a stage's attacks, labelled by the program that knows the town. */
async function oracleLabels(context: LoopContext, stage: string, { attacked }: Look, most: number) {
  const town = makeTown(1);
  const rows: z.infer<typeof labelRow>[] = [];
  for (const { item, cluster, transcript } of attacked.set.observations) {
    if (transcript === undefined) continue;
    const { request, reply } = await replyIn(context, transcript);
    if (request === '' || reply.trim() === '') continue;
    const label = townLabel(town, request, reply);
    rows.push({ id: item, request, reply, label, ...(cluster === undefined ? {} : { cluster }) });
  }
  return context.random.split('labels').split(stage).shuffle(rows).slice(0, most);
}

/** A rate of a judge, with the correction that its measured errors allow. */
function corrected(
  measure: Measure,
  { attacked }: Look,
  judgeId: string,
  correction: Correction | undefined,
  { random: own }: LoopContext,
): Measure {
  if (correction === undefined || !measure.name.startsWith('attack success')) return measure;
  const { name, better } = measure;
  return derive(
    { kind: 'rate', set: attacked.set.key, options: { name, better, judge: judgeId } },
    attacked.set.observations,
    {
      maxErrorShare: defaultMaxErrorShare,
      random: random(own.split('correction').key),
      correction,
    },
  );
}

function done(settings: LoopParams, treatments: readonly string[]): (readonly [string, string])[] {
  return [
    ...settings.attacks.map((name) => ['attack, before', `redteam/${name}`] as const),
    ['assess, before', 'allowed requests, skills'],
    ...settings.practise.map((name) => ['practice', `redteam/${name}`] as const),
    ...treatments.map((treatment) => ['treat', treatment] as const),
    ...(treatments.length === 0
      ? []
      : [
          ...settings.attacks.map((name) => ['attack, after, adaptive', `redteam/${name}`] as const),
          ['assess, after', 'allowed requests, skills'] as const,
        ]),
  ];
}
