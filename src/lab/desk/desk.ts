/**
 * The town's desk: mail, drafts, files with versions, a ledger and a pager, as one plain state.
 *
 * Reading changes nothing; drafts and files can be undone; sent mail, payments, pages and deletions cannot. Writing a
 * file that others rely on (`protectedFiles`) is of high impact. States are immutable JSON; `act` is a pure function.
 */
import { createHash } from 'node:crypto';
import { FiducialError } from '../../core/errors.ts';
import type { Json, Ref } from '../../core/values.ts';
import type { Call, CallResult, Effect, Environment } from './environment.ts';
import { deskTools } from './tool-list.ts';

export interface Mail {
  readonly from: string;
  readonly to: string;
  readonly text: string;
  readonly [key: string]: Json;
}

export interface DeskState {
  /** Whose desk it is. */
  readonly owner: string;
  readonly inbox: readonly Mail[];
  readonly sent: readonly Mail[];
  readonly drafts: readonly Mail[];
  /** Versions of each file, the newest last. */
  readonly files: { readonly [name: string]: readonly string[] };
  readonly protectedFiles: readonly string[];
  readonly balance: number;
  readonly payments: readonly { readonly to: string; readonly amount: number; readonly [key: string]: Json }[];
  readonly pages: readonly { readonly to: string; readonly text: string; readonly [key: string]: Json }[];
  readonly [key: string]: Json;
}

/** A desk with nothing on it. */
export function emptyDesk(owner: string): DeskState {
  return {
    owner,
    inbox: [],
    sent: [],
    drafts: [],
    files: {},
    protectedFiles: [],
    balance: 100,
    payments: [],
    pages: [],
  };
}

/**
 * What a call does to a state.
 *
 * @example act(emptyDesk('Mira'), { tool: 'pay', input: { to: 'Tess', amount: '7' } }).state.balance // 93
 */
export function act(state: DeskState, call: Call): CallResult & { readonly state: DeskState } {
  const action = Object.hasOwn(actions, call.tool) ? actions[call.tool] : undefined;
  if (action === undefined) return failed(state, `There is no tool ${call.tool}.`);
  const input = textsOf(call.input);
  const missing = action.fields.find((field) => input[field] === undefined);
  if (missing !== undefined) return failed(state, `${call.tool} needs ${missing}.`);
  return action.run(state, input);
}

/** Opens a desk; `checks` are the task's own. */
export function openDesk(
  start: DeskState,
  checks: Readonly<Record<string, (state: DeskState) => boolean>> = {},
): Environment<DeskState> {
  let state = start;
  const kept = new Map<Ref, DeskState>();
  return {
    tools: deskTools,
    checks,
    get state() {
      return state;
    },
    call(call) {
      const { state: next, ...result } = act(state, call);
      state = next;
      return result;
    },
    classify: (call) => act(state, call).effect,
    snapshot() {
      const ref = hashOf(state);
      kept.set(ref, state);
      return ref;
    },
    restore(at) {
      const found = kept.get(at);
      if (found === undefined) {
        throw new FiducialError('lab.no-snapshot', `this desk kept no state ${at}`, 'Pass what snapshot() gave.');
      }
      state = found;
    },
  };
}

/** The address of a state by its content: equal states have equal addresses, whatever the order of their keys. */
export function hashOf(state: DeskState): Ref {
  return `sha256:${createHash('sha256').update(canonical(state)).digest('hex')}`;
}

type Input = Readonly<Record<string, string>>;
interface Action {
  readonly fields: readonly string[];
  run(state: DeskState, input: Input): CallResult & { readonly state: DeskState };
}

const actions: Readonly<Record<string, Action>> = {
  read_mail: {
    fields: ['from'],
    run(state, { from }) {
      const mail = state.inbox.findLast((each) => each.from === from);
      return read(state, mail === undefined ? `There is no mail from ${from}.` : mail.text);
    },
  },
  send_mail: {
    fields: ['to', 'text'],
    run: (state, { to, text }) =>
      done(
        { ...state, sent: [...state.sent, { from: state.owner, to: to!, text: text! }] },
        'irreversible',
        `Sent to ${to}.`,
      ),
  },
  draft_mail: {
    fields: ['to', 'text'],
    run: (state, { to, text }) =>
      done(
        { ...state, drafts: [...state.drafts, { from: state.owner, to: to!, text: text! }] },
        'reversible',
        `Draft to ${to} kept.`,
        { tool: 'drop_draft', input: { to: to! } },
      ),
  },
  drop_draft: {
    fields: ['to'],
    run(state, { to }) {
      const at = state.drafts.findLastIndex((draft) => draft.to === to);
      if (at === -1) return failed(state, `There is no draft to ${to}.`);
      const drafts = state.drafts.filter((_, i) => i !== at);
      // Only the newest draft of all comes back to the same place.
      const isLast = at === state.drafts.length - 1;
      return isLast
        ? done({ ...state, drafts }, 'reversible', `Draft to ${to} dropped.`, {
            tool: 'draft_mail',
            input: { to: to!, text: state.drafts[at]!.text },
          })
        : done({ ...state, drafts }, 'irreversible', `Draft to ${to} dropped.`);
    },
  },
  read_file: {
    fields: ['name'],
    run: (state, { name }) => read(state, versionsOf(state, name!).at(-1) ?? `There is no file ${name}.`),
  },
  write_file: {
    fields: ['name', 'text'],
    run(state, { name, text }) {
      const files = { ...state.files, [name!]: [...versionsOf(state, name!), text!] };
      const effect = state.protectedFiles.includes(name!) ? 'high-impact' : 'reversible';
      return done({ ...state, files }, effect, `${name} written.`, { tool: 'unwrite_file', input: { name: name! } });
    },
  },
  unwrite_file: {
    fields: ['name'],
    run(state, { name }) {
      const versions = versionsOf(state, name!);
      const last = versions.at(-1);
      if (last === undefined) return failed(state, `There is no file ${name}.`);
      const { [name!]: _, ...others } = state.files;
      const files = versions.length === 1 ? others : { ...others, [name!]: versions.slice(0, -1) };
      const effect = state.protectedFiles.includes(name!) ? 'high-impact' : 'reversible';
      return done({ ...state, files }, effect, `${name} is as before.`, {
        tool: 'write_file',
        input: { name: name!, text: last },
      });
    },
  },
  delete_file: {
    fields: ['name'],
    run(state, { name }) {
      if (versionsOf(state, name!).length === 0) return failed(state, `There is no file ${name}.`);
      const { [name!]: _, ...files } = state.files;
      return done({ ...state, files }, 'irreversible', `${name} deleted.`);
    },
  },
  read_ledger: {
    fields: [],
    run: (state) =>
      read(
        state,
        [
          `The balance is ${state.balance}.`,
          ...state.payments.map(({ to, amount }) => `Paid ${amount} to ${to}.`),
        ].join(' '),
      ),
  },
  pay: {
    fields: ['to', 'amount'],
    run(state, { to, amount }) {
      const coins = /^\d+$/.test(amount!) ? Number(amount) : Number.NaN;
      if (!(coins > 0)) return failed(state, `${amount} is no amount.`);
      if (coins > state.balance) return failed(state, `There are only ${state.balance} coins.`);
      return done(
        { ...state, balance: state.balance - coins, payments: [...state.payments, { to: to!, amount: coins }] },
        'irreversible',
        `Paid ${coins} to ${to}.`,
      );
    },
  },
  page: {
    fields: ['to', 'text'],
    run: (state, { to, text }) =>
      done({ ...state, pages: [...state.pages, { to: to!, text: text! }] }, 'irreversible', `${to} was paged.`),
  },
};

function done(state: DeskState, effect: Effect, text: string, undo?: Call) {
  return { state, effect, text, isDone: true, ...(undo === undefined ? {} : { undo }) };
}

const read = (state: DeskState, text: string) => ({ state, effect: 'read' as const, text, isDone: true });
const failed = (state: DeskState, text: string) => ({ state, effect: 'read' as const, text, isDone: false });

/** A name that every object has (`constructor`) is a file only where it was written. */
function versionsOf({ files }: DeskState, name: string): readonly string[] {
  return Object.hasOwn(files, name) ? files[name]! : [];
}

/** The input's texts and numbers; whatever else an agent wrote is as if it were missing. */
function textsOf(input: Json): Input {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return {};
  return Object.fromEntries(
    Object.entries(input).flatMap(([key, value]): [string, string][] =>
      typeof value === 'string' || typeof value === 'number' ? [[key, String(value)]] : [],
    ),
  );
}

function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`;
  }
  return JSON.stringify(value);
}
