/**
 * The public names of the models layer: what a model is, where models come from, and the layers around them.
 */
export type {
  Ask,
  Attempt,
  CallOptions,
  CallTrace,
  Capabilities,
  Endpoint,
  EndReason,
  ImagePart,
  Message,
  Model,
  RateSignals,
  Reply,
  ReplyEvent,
  Role,
  ScoredModel,
  TokenLogprob,
  Tool,
  ToolCall,
  Usage,
} from './model.ts';
export {
  asPrompt,
  askBytes,
  collect,
  estimateUsage,
  foldReply,
  gather,
  joinNeighbours,
  plainChat,
  text,
} from './reply.ts';
export type {
  CachedReply,
  CallLog,
  Ledger,
  RateCounter,
  RateLimit,
  RecordedCall,
  RecordedError,
  ReplyCache,
  Reservation,
  Spending,
} from './ports.ts';
export { memoryCache, memoryCallLog, memoryLedger, memoryRateCounter } from './memory.ts';
export { askHash, callKey } from './key.ts';
export { type Failure, endpointError, failureOf, statusError } from './failure.ts';
export { type Capability, checkAsk, requireCapabilities } from './capabilities.ts';
export { describeEgress, type Egress, isLoopback } from './egress.ts';
export { wrap } from './wrap.ts';
export {
  type AskStep,
  type Channel,
  cutText,
  type EventStep,
  type GateReader,
  type GateStep,
  type Guard,
  guarded,
  type Guarded,
  type GuardedOptions,
  guardHash,
  type GuardVerdict,
  keywordGuard,
  type KeywordOptions,
  type Rung,
  rungOf,
  type TextGate,
  textGate,
  type Watch,
} from './guard/index.ts';
export { newTrace, record, type RecordOptions } from './record.ts';
export { cacheReplies, type CacheOptions } from './cache.ts';
export { retry, type RetryOptions } from './retry.ts';
export { createLimiter, limit, type Limiter, type LimiterOptions } from './limit.ts';
export { type TimeoutOptions, withTimeouts } from './timeouts.ts';
export { type Budget, type BudgetOptions, createBudget, type Hold, withBudget } from './budget.ts';
export { type Price, type PriceBook, priceBook, readPrices } from './prices.ts';
export { createRedactor, type RedactOptions, type Redactor } from './redact.ts';
export { decorate, type Decorated, type DecorateOptions, maskErrors } from './decorate.ts';
export {
  type AddressKind,
  createRegistry,
  type PathReader,
  type Registry,
  resolveModel,
  type ResolveOptions,
} from './resolve.ts';
export {
  anthropic,
  endpointSecrets,
  type EndpointOptions,
  google,
  openai,
  openaiCompatible,
} from './providers/vendors.ts';
export { type HttpTemplate, httpTemplate, readHttpTemplate } from './providers/http-template.ts';
export { command, type CommandOptions, splitCommand } from './providers/command.ts';
export { functionModel, type FunctionOptions, loadFunction, type ReplyFunction } from './providers/function.ts';
export type { ReplyParts } from './providers/reply-value.ts';
export {
  type Script,
  scriptedModel,
  type ScriptedModel,
  type ScriptedOptions,
  type ScriptedReply,
} from './providers/scripted.ts';
export { createFetch } from './providers/fetch.ts';
export { defaultLimits, type FetchLimits } from './providers/fetch-limits.ts';
