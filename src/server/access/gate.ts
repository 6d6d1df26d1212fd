/**
 * What every request passes before anything is done for it: the name it called us by, who it is, how often it came,
 * and whether a page of somebody else's forged it.
 *
 * Without a session everything but the login is 401. A session is a cookie (a browser's), or the start's token as a
 * bearer (a program's). What changes something needs the session's forgery word as well, which another site cannot read.
 */
import type { HttpBindings } from '@hono/node-server';
import type { Context, MiddlewareHandler } from 'hono';
import { getCookie } from 'hono/cookie';
import { show } from '../../core/errors.ts';
import { isLoopback } from '../../models/index.ts';
import { errorReply, statusError } from '../api/errors.ts';
import type { Audit } from './audit.ts';
import { mayAct, type Person, type Role } from './people.ts';
import { Rate } from './rate.ts';
import { isSameSecret, type Session, type Sessions } from './sessions.ts';

export interface Caller {
  readonly person: Person;
  readonly session: Session | undefined;
}
export interface ServerEnv {
  Bindings: Partial<HttpBindings>;
  Variables: { caller: Caller };
}

export interface GateParts {
  readonly sessions: Sessions;
  readonly audit: Audit;
  /** Compared with a bearer; undefined where people have accounts. */
  readonly token: string | undefined;
  /** Reached by other machines: the name they call us by is theirs to choose. */
  readonly isOpen: boolean;
  readonly isSecure: boolean;
  readonly rates: RateLimits;
}

export const forgeryHeader = 'x-fiducial-word';

/** The session cookie's name; apart by port, because browsers do not keep ports apart. */
export function cookieName(context: Context<ServerEnv>): string {
  const port = /:(\d+)$/.exec(context.req.header('host') ?? '')?.[1] ?? '0';
  return `fiducial-${port}`;
}

/** A page of another name that resolves to this machine must not reach a server that only this machine may use. */
export function requireOwnName({ isOpen }: GateParts): MiddlewareHandler<ServerEnv> {
  return async (context, next) => {
    const host = context.req.header('host') ?? '';
    const name = /^(\[[^\]]*\]|[^:]*)(?::\d+)?$/.exec(host)?.[1] ?? '';
    if (!isOpen && !isLoopback(name)) {
      throw statusError(403, 'server.forbidden-host', `The host ${show(host)} is not this machine's loopback`, '');
    }
    await next();
  };
}

/** Headers that keep a page from running or loading anything that this server did not send. */
export const protect: MiddlewareHandler<ServerEnv> = async (context, next) => {
  await next();
  const { headers } = context.res;
  if (!headers.has('content-security-policy')) headers.set('content-security-policy', policy);
  headers.set('x-content-type-options', 'nosniff');
  if (!headers.has('x-frame-options')) headers.set('x-frame-options', 'DENY');
  headers.set('referrer-policy', 'no-referrer');
  headers.set('cross-origin-opener-policy', 'same-origin');
  headers.set('cross-origin-resource-policy', 'same-origin');
  headers.set('permissions-policy', 'camera=(), microphone=(), geolocation=()');
};

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/** So many requests of one session at once, so many a second after that. */
export interface RateLimits {
  readonly reads: { readonly perSecond: number; readonly burst: number };
  readonly writes: { readonly perSecond: number; readonly burst: number };
}
export const usualRates: RateLimits = {
  reads: { perSecond: 50, burst: 400 },
  writes: { perSecond: 5, burst: 60 },
};

/** Lets in who has a session; the rest is 401. */
export function requireSession(parts: GateParts): MiddlewareHandler<ServerEnv> {
  const { rates } = parts;
  const reads = new Rate(rates.reads.perSecond, rates.reads.burst);
  const writes = new Rate(rates.writes.perSecond, rates.writes.burst);
  return async (context, next) => {
    const caller = callerOf(context, parts);
    if (caller === undefined) throw statusError(401, 'server.no-session', 'You are not logged in', 'Open /login.');
    const isSafe = context.req.method === 'GET' || context.req.method === 'HEAD';
    const wait = (isSafe ? reads : writes).take(caller.session?.shortName ?? 'bearer');
    if (wait > 0) {
      const { body } = errorReply(statusError(429, 'server.too-often', 'Too many requests', `Wait ${wait} s.`));
      return Response.json(body, { status: 429, headers: { 'retry-after': String(wait) } });
    }
    if (!isSafe) requireOwnPage(context, caller);
    context.set('caller', caller);
    await next();
    if (!isSafe) note(context, parts.audit, caller.person, context.res.status);
  };
}

function callerOf(context: Context<ServerEnv>, { sessions, token }: GateParts): Caller | undefined {
  const bearer = /^bearer +(\S+) *$/i.exec(context.req.header('authorization') ?? '')?.[1];
  if (bearer !== undefined && token !== undefined && isSameSecret(bearer, token)) {
    return { person: ownPerson, session: undefined };
  }
  const session = sessions.find(getCookie(context, cookieName(context)) ?? '');
  return session === undefined ? undefined : { person: session.person, session };
}

/** Whoever holds the token of the start is who started it. */
export const ownPerson: Person = { name: 'me', role: 'operator' };

/** A bearer is never sent by a page unasked; a cookie is, so the page must show that it is ours. */
function requireOwnPage(context: Context<ServerEnv>, { session }: Caller): void {
  if (session === undefined) return;
  const word = context.req.header(forgeryHeader) ?? '';
  const origin = context.req.header('origin');
  const isSameOrigin = origin === undefined || hostOf(origin) === context.req.header('host');
  if (isSameOrigin && isSameSecret(word, session.forgeryWord)) return;
  throw statusError(
    403,
    'server.forged',
    'The request did not come from this application’s own page',
    'Load it again.',
  );
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

/** A route for people of this role and above. */
export function requireRole(needed: Role): MiddlewareHandler<ServerEnv> {
  return async (context, next) => {
    const { role } = context.get('caller').person;
    if (!mayAct(role, needed)) {
      throw statusError(403, 'server.role', `This needs the role ${needed}; yours is ${role}`, 'Ask whoever runs it.');
    }
    await next();
  };
}

/** Writes a line of the audit log. */
export function note(context: Context<ServerEnv>, audit: Audit, person: Person, status: number): void {
  const { method, path } = context.req;
  audit.write({ who: person.name, role: person.role, from: addressOf(context), did: `${method} ${path}`, status });
}

export function addressOf(context: Context<ServerEnv>): string {
  return context.env?.incoming?.socket.remoteAddress ?? 'unknown';
}

/** Answers what was thrown; used by every application of this server. */
export function answerError(error: unknown, onError: (error: unknown) => void): Response {
  const reply = errorReply(error);
  if (reply.status >= 500) onError(error);
  return Response.json(reply.body, { status: reply.status });
}
