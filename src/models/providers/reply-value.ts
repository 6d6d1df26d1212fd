/**
 * What a user's function or command gives back, as events: a text, or an object with the parts of a reply.
 *
 * Lenient in what may be left out, strict in what is there: a field of another type is an error, never guessed at.
 */
import { show } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';
import { endpointError } from '../failure.ts';
import type { Ask, EndReason, ReplyEvent, ToolCall, Usage } from '../model.ts';
import { estimateUsage } from '../reply.ts';

/** The parts of a reply that a function or command may give. */
export interface ReplyParts {
  readonly text: string;
  readonly reasoning?: string;
  readonly calls?: readonly { readonly id?: string; readonly tool: string; readonly input: Json }[];
  readonly usage?: Usage;
  readonly ended?: EndReason;
}

/**
 * Events of a value.
 *
 * @throws FiducialError `endpoint.wrong-shape`
 * @example replyEvents('hello', ask) // a text event and an end event
 */
export function replyEvents(value: unknown, ask: Ask): ReplyEvent[] {
  if (typeof value === 'string') {
    return [
      { type: 'text', text: value },
      { type: 'end', reason: 'stop', usage: estimateUsage(ask, value) },
    ];
  }
  if (!isParts(value)) {
    throw endpointError(
      'endpoint.wrong-shape',
      `The model gave ${show(value)}, which is no reply`,
      'Give a string, or { text, reasoning?, calls?, usage?, ended? }.',
    );
  }
  const calls = (value.calls ?? []).map((call, i): ToolCall => ({
    id: call.id ?? `call-${i}`,
    tool: call.tool,
    input: call.input,
  }));
  return [
    ...(value.reasoning === undefined ? [] : [{ type: 'reasoning' as const, text: value.reasoning }]),
    ...(value.text === '' && calls.length > 0 ? [] : [{ type: 'text' as const, text: value.text }]),
    ...calls.map((call) => ({ type: 'tool-call' as const, call })),
    {
      type: 'end',
      reason: value.ended ?? (calls.length > 0 ? 'tool-calls' : 'stop'),
      usage: value.usage ?? estimateUsage(ask, value.text),
    },
  ];
}

function isParts(value: unknown): value is ReplyParts {
  if (typeof value !== 'object' || value === null) return false;
  const parts = value as { readonly [K in keyof ReplyParts]?: unknown };
  const { usage } = parts as { usage?: { inputTokens?: unknown; outputTokens?: unknown } };
  return (
    typeof parts.text === 'string' &&
    (parts.reasoning === undefined || typeof parts.reasoning === 'string') &&
    (parts.ended === undefined || endReasons.has(parts.ended)) &&
    (usage === undefined || (isCount(usage?.inputTokens) && isCount(usage.outputTokens))) &&
    (parts.calls === undefined ||
      (Array.isArray(parts.calls) && parts.calls.every((call: unknown) => typeof toolOf(call) === 'string')))
  );
}

function toolOf(call: unknown): unknown {
  return typeof call === 'object' && call !== null && 'input' in call && 'tool' in call ? call.tool : undefined;
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && Number.isFinite(value);
}

const endReasons: ReadonlySet<unknown> = new Set<EndReason>(['stop', 'length', 'tool-calls', 'blocked']);
