/**
 * Faults of an argument's form, whatever its evidence says: pointers to nothing, circles, claims without an end,
 * evidence without a date, a top claim without a context.
 */
import type { Finding, Severity } from '../../core/measures.ts';
import { barOf, type CaseDefeater, type CaseEvidence, type CaseNode, topGoals } from './nodes.ts';

/** Every fault as a finding. */
export function lint(
  nodes: readonly CaseNode[],
  evidence: readonly CaseEvidence[],
  doubts: readonly CaseDefeater[],
): Finding[] {
  const ids = new Set(nodes.map(({ id }) => id));
  const faults: { id: string; severity: Severity; what: string }[] = [];
  const fault = (id: string, severity: Severity, what: string): void => void faults.push({ id, severity, what });
  const seen = new Set<string>();
  for (const each of nodes) {
    const { id, kind, supportedBy = [], inContextOf = [], undeveloped, away } = each;
    if (seen.has(id)) fault(id, 'high', 'its id is used twice');
    seen.add(id);
    for (const other of [...supportedBy, ...inContextOf])
      if (!ids.has(other)) fault(id, 'high', `it points at ${other}, which does not exist`);
    const isClaim = kind === 'goal' || kind === 'strategy';
    if (!isClaim && supportedBy.length > 0) fault(id, 'high', `a ${kind} is supported by nothing; it has children`);
    if (kind === 'strategy' && supportedBy.length === 0) fault(id, 'high', 'a strategy has no child');
    if (kind === 'goal' && supportedBy.length === 0 && undeveloped !== true && away === undefined) {
      fault(id, 'high', 'a goal ends the argument without a solution and is not marked as undeveloped');
    }
    for (const other of supportedBy) {
      const below = nodes.find((one) => one.id === other)?.kind;
      if (below !== undefined && !['goal', 'strategy', 'solution'].includes(below))
        fault(id, 'high', `it is supported by the ${below} ${other}; that is its context`);
      if (kind === 'strategy' && below === 'solution')
        fault(id, 'medium', `a strategy rests on the solution ${other} without a goal between`);
    }
    if (kind === 'solution' && each.evidence === undefined) fault(id, 'high', 'a solution names no evidence');
    if (each.requires !== undefined && barOf(each.requires) === undefined)
      fault(id, 'high', `${JSON.stringify(each.requires)} is no bar`);
  }
  for (const { id } of topGoals(nodes)) {
    const top = nodes.find((each) => each.id === id)!;
    if ((top.inContextOf ?? []).length === 0)
      fault(id, 'medium', 'the top claim has no context: where, for whom and against which hazards does it hold?');
  }
  if (topGoals(nodes).length === 0)
    fault('case', 'high', 'there is no top claim: every goal rests on another, or there is none');
  for (const id of circles(nodes)) fault(id, 'high', 'it rests on itself');
  const used = new Set(nodes.flatMap((each) => (each.evidence === undefined ? [] : [each.evidence])));
  for (const { id, madeAt } of evidence) {
    if (madeAt === undefined) fault(id, 'medium', 'evidence without a date');
    if (!used.has(id)) fault(id, 'note', 'evidence that no solution names');
  }
  for (const { id, against, status, why } of doubts) {
    if (!ids.has(against)) fault(id, 'high', `a doubt about ${against}, which does not exist`);
    if ((status === 'accepted' || status === 'refuted') && why === undefined)
      fault(id, 'medium', `a doubt is ${status} without a reason`);
  }
  return faults.map(({ id, severity, what }, index) => ({
    id: `lint/${index}/${id}`,
    title: `${id}: ${what}`,
    severity,
    detail: what,
    evidence: [],
  }));
}

function circles(nodes: readonly CaseNode[]): string[] {
  const byId = new Map(nodes.map((each) => [each.id, each]));
  const done = new Set<string>();
  const found = new Set<string>();
  const visit = (id: string, path: readonly string[]): void => {
    if (path.includes(id)) {
      found.add(id);
      return;
    }
    if (done.has(id)) return;
    for (const below of byId.get(id)?.supportedBy ?? []) visit(below, [...path, id]);
    done.add(id);
  };
  for (const { id } of nodes) visit(id, []);
  return [...found];
}
