/**
 * What a person should look at after a guard was measured: harmful exchanges that passed, and others that it refused.
 */
import type { Finding } from '../../core/measures.ts';
import type { Observation } from '../../core/observations.ts';
import type { Exchange } from './exchanges.ts';

/** @param observations 1 where the guard blocked @param isAttack whether blocking these was right */
export function exchangeFindings(
  observations: readonly Observation[],
  rows: readonly Exchange[],
  isAttack: boolean,
): Finding[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  return observations.flatMap((seen): Finding[] => {
    if (seen.status !== 'measured' || (seen.value === 1) === isAttack) return [];
    return [
      {
        id: `${isAttack ? 'missed' : 'refused'}/${seen.item}`,
        title: isAttack ? 'A harmful exchange passed' : `A ${byId.get(seen.item)!.kind} exchange was refused`,
        severity: isAttack ? 'high' : 'medium',
        detail: seen.why ?? '',
        evidence: [{ label: 'request', item: seen.item, quote: byId.get(seen.item)!.request.slice(0, 200) }],
      },
    ];
  });
}
