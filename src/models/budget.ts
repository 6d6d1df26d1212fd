/**
 * A budget in money, tokens and calls over a whole run, which concurrency cannot overshoot.
 *
 * Before a call its worst case is set aside; after it, what it did cost is booked instead. The worst case is a true
 * bound: each UTF-8 byte of the ask as one token (no byte-level tokenizer makes more), a margin for the chat template,
 * and the reply's token limit, which is set here where the ask has none. When the rest does not hold one more worst
 * case but calls are under way, a call waits for them to come in cheaper; when none is, the run has reached its budget.
 * What is exact only where the provider reports usage and keeps to the limit, and images are counted by a rule of thumb.
 */
import { FiducialError, isFiducialError } from '../core/errors.ts';
import { failureOf } from './failure.ts';
import { memoryLedger } from './memory.ts';
import type { Ask, Model, ReplyEvent, Usage } from './model.ts';
import type { Ledger, Spending } from './ports.ts';
import { costAt, type Price, type PriceBook } from './prices.ts';
import { askBytes } from './reply.ts';
import { abortReason, checkAborted, onAbort, wrap } from './wrap.ts';

export interface BudgetOptions {
  /** Most to spend, in the price book's currency. Needs `prices`. */
  readonly money?: number;
  /** Most tokens, asks and replies together. */
  readonly tokens?: number;
  /** Most calls, each try of a retried call counted. */
  readonly calls?: number;
  readonly prices?: PriceBook;
  /** Where spending is kept; share one over processes and pass what earlier parts of the run spent. */
  readonly ledger?: Ledger;
  /** Token limit of replies whose ask sets none, while money or tokens are limited. @default 4096 */
  readonly replyTokens?: number;
}

export interface Budget {
  readonly limit: Partial<Spending>;
  /** Whether the budget can count this model. @throws FiducialError `budget.unknown-price` */
  check(model: Model): void;
  /** The ask as it may be sent: with a reply limit where the budget needs one. */
  bound(ask: Ask): Ask;
  /**
   * Sets a call's worst case aside, waiting for calls under way where that can help.
   * @throws FiducialError `budget.exhausted`
   */
  reserve(model: Model, ask: Ask, signal: AbortSignal): Promise<Hold>;
  read(): ReturnType<Ledger['read']>;
}

export interface Hold {
  readonly worst: Spending;
  /** What a call with this usage cost. */
  spending(usage: Usage): Spending;
  settle(actual: Spending): Promise<void>;
}

/**
 * @throws FiducialError `budget.unknown-price` for a money budget without prices, `budget.invalid` for an amount below 0
 * @example const budget = createBudget({ money: 5, prices: await readPrices('prices.yaml') });
 */
export function createBudget(options: BudgetOptions): Budget {
  const { prices, ledger = memoryLedger(), replyTokens = 4096 } = options;
  const limit: { -readonly [K in keyof Spending]?: number } = {};
  for (const kind of ['money', 'tokens', 'calls'] as const) {
    const most = options[kind];
    if (most === undefined) continue;
    if (!(most >= 0)) {
      throw new FiducialError('budget.invalid', `A budget of ${most} ${kind}`, 'Give a number that is not negative.');
    }
    limit[kind] = most;
  }
  if (limit.money !== undefined && prices === undefined) {
    throw new FiducialError(
      'budget.unknown-price',
      `The run may spend ${limit.money}, but no price file says what its models cost`,
      'Name a price file, or set the budget in tokens or calls.',
    );
  }
  const needsBound = limit.money !== undefined || limit.tokens !== undefined;
  const wakers = new Set<() => void>();

  const priceOf = (model: Model): Price => {
    if (limit.money === undefined || model.endpoint === undefined) return free;
    const price = prices?.priceOf(model.id);
    if (price !== undefined) return price;
    throw new FiducialError(
      'budget.unknown-price',
      `The run has a money budget, but the price file does not say what ${model.id} costs`,
      `Add a line to the price file:  '${model.id}': { inputPerMillion: …, outputPerMillion: … }  (0 for your own server).`,
    );
  };

  const bound = (ask: Ask): Ask =>
    needsBound && ask.maxTokens === undefined ? { ...ask, maxTokens: replyTokens } : ask;

  return {
    limit,
    check: (model) => void priceOf(model),
    bound,
    read: () => ledger.read(),
    async reserve(model, ask, signal) {
      const price = priceOf(model);
      const images = ask.messages.reduce((sum, message) => sum + (message.images?.length ?? 0), 0);
      const inputTokens =
        askBytes(ask) + ask.messages.length * templateTokens + templateTokens + images * tokensPerImage;
      const outputTokens = bound(ask).maxTokens ?? 0;
      const worst: Spending = {
        money: costAt(price, { inputTokens, outputTokens }),
        tokens: inputTokens + outputTokens,
        calls: 1,
      };
      for (;;) {
        checkAborted(signal);
        const answer = await ledger.reserve(worst, limit);
        if (answer === 'granted') break;
        if (answer === 'exhausted') throw await exhausted(ledger, limit, worst, prices?.currency ?? '');
        await settled(wakers, signal);
      }
      let isSettled = false;
      return {
        worst,
        spending: (usage) => ({
          money: costAt(price, usage),
          tokens: usage.inputTokens + usage.outputTokens,
          calls: 1,
        }),
        async settle(actual) {
          if (isSettled) return;
          isSettled = true;
          await ledger.settle(worst, actual);
          for (const wake of wakers) wake();
        },
      };
    },
  };
}

/**
 * `inner` under a budget.
 *
 * A failed call that may have been billed is booked at its worst case; one that surely was not costs one call.
 * @throws FiducialError `budget.exhausted`, `budget.unknown-price`, both before anything is sent
 */
export function withBudget<M extends Model>(inner: M, budget: Budget): M {
  return wrap(inner, async function* (ask, signal, callOptions) {
    const bounded = budget.bound(ask);
    const hold = await budget.reserve(inner, bounded, signal);
    let actual: Spending = hold.worst;
    const events: ReplyEvent[] = [];
    try {
      for await (const event of inner.reply(bounded, signal, callOptions)) {
        if (event.type === 'end') actual = hold.spending(event.usage);
        if (callOptions?.incremental === true) yield event;
        else events.push(event);
      }
    } catch (error) {
      if (isFiducialError(error) && !failureOf(error).maybeBilled) actual = { money: 0, tokens: 0, calls: 1 };
      throw error;
    } finally {
      await hold.settle(actual);
    }
    yield* events;
  });
}

/** Until a reservation is settled here, or a moment has passed: other processes settle without telling this one. */
function settled(wakers: Set<() => void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (finish: () => void) => {
      wakers.delete(wake);
      clearTimeout(timer);
      stopListening();
      finish();
    };
    const wake = () => end(resolve);
    const stopListening = onAbort(signal, () => end(() => reject(abortReason(signal))));
    const timer = setTimeout(wake, pollMs);
    wakers.add(wake);
  });
}

async function exhausted(ledger: Ledger, limit: Partial<Spending>, worst: Spending, currency: string) {
  const { spent } = await ledger.read();
  const kind = (['money', 'tokens', 'calls'] as const).find(
    (each) => limit[each] !== undefined && spent[each] + worst[each] > limit[each],
  );
  const unit = kind === 'money' ? ` ${currency}` : ` ${kind ?? ''}`;
  const shown = (value: number) => (kind === 'money' ? value.toPrecision(4) : String(value));
  return new FiducialError(
    'budget.exhausted',
    kind === undefined
      ? 'The run has reached its budget'
      : `The run has reached its budget: ${shown(spent[kind])} of ${shown(limit[kind]!)}${unit} are spent, and one more call may need ${shown(worst[kind])}`,
    'The run keeps what it has; raise the budget and resume it.',
  );
}

const free: Price = { inputPerMillion: 0, outputPerMillion: 0 };
/** Chat templates add a few tokens around each message; this many is more than any in use. */
const templateTokens = 16;
/** More than vendors' documented counts for one image at default detail. */
const tokensPerImage = 4096;
const pollMs = 250;
