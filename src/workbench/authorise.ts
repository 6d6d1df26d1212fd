/**
 * Before anything leaves this machine: what will be sent, where, and whether the user may.
 *
 * Asked once a run, of a person at a terminal; elsewhere only `--authorised` says yes. Models of this process and
 * endpoints of this machine are never asked about.
 */
import { FiducialError } from '../core/errors.ts';
import type { AnyMethod } from '../methods/method.ts';
import { describeEgress } from '../models/egress.ts';
import type { Model } from '../models/model.ts';

export interface Sending {
  /** One sentence a model. */
  readonly sentences: readonly string[];
  /** Hosts that are not this machine. */
  readonly hosts: readonly string[];
  /** What is sent: the method's words and the rows that go into it. */
  readonly what: string;
}

/** What a run of this method will send, and where. */
export function describeSending(method: AnyMethod, models: readonly Model[], rows: number): Sending {
  const egress = describeEgress(models);
  const away = egress.filter(({ isLocal }) => !isLocal);
  return {
    sentences: egress.map(({ sentence }) => sentence),
    hosts: [...new Set(away.map(({ host, address }) => host ?? address))],
    what: `${method.title} (${method.id})${rows === 0 ? '' : ` over ${rows} rows`}: prompts, their disguises and the replies to be judged`,
  };
}

/**
 * @param ask shows the question to a person and returns the answer; absent where nobody can be asked
 * @throws FiducialError `run.not-authorised`
 */
export async function requireAuthorisation(
  sending: Sending,
  isAuthorised: boolean,
  ask?: (question: string) => Promise<boolean>,
): Promise<void> {
  if (sending.hosts.length === 0 || isAuthorised) return;
  const said = `${sending.what} will be sent to ${sending.hosts.join(', ')}, which is not this machine.`;
  if (ask !== undefined && (await ask(`${said} Are you allowed to do that?`))) return;
  throw new FiducialError(
    'run.not-authorised',
    `${said} Nobody said that this is allowed.`,
    'Attack only systems that you may attack; then pass --authorised.',
  );
}
