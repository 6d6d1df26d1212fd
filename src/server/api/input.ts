/**
 * Bodies and queries, checked against a schema before a route sees them.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { validator } from 'hono/validator';
import { z } from 'zod';
import type { Json } from '../../core/values.ts';
import { statusError } from './errors.ts';

/** Any JSON value. */
export const anyJson = z.json() as unknown as z.ZodType<Json, Json>;

type Sent<S extends z.ZodType> = z.input<S>;
/** A query's words as a client may give them: numbers are written out. */
type SentQuery<S extends z.ZodType> = {
  [K in keyof z.output<S>]: undefined extends z.output<S>[K] ? QueryValue | undefined : QueryValue;
};
type QueryValue = string | number | readonly string[];

/** The JSON body. @throws FiducialError `server.bad-request` */
export function body<S extends z.ZodType>(
  schema: S,
): MiddlewareHandler<object, string, { in: { json: Sent<S> }; out: { json: z.output<S> } }> {
  return validator('json', (value, context: Context) => {
    // The validator passes over a body that was not declared as JSON.
    if (!/^application\/json\s*(;|$)/i.test(context.req.header('content-type') ?? '')) {
      throw statusError(415, 'server.media-type', 'The body is not declared as JSON', 'Send application/json.');
    }
    return checked(schema, value, 'body');
  }) as unknown as MiddlewareHandler<object, string, { in: { json: Sent<S> }; out: { json: z.output<S> } }>;
}

/** The words after the question mark. @throws FiducialError `server.bad-request` */
export function query<S extends z.ZodType>(
  schema: S,
): MiddlewareHandler<object, string, { in: { query: SentQuery<S> }; out: { query: z.output<S> } }> {
  return validator('query', (value) => checked(schema, value, 'query')) as unknown as MiddlewareHandler<
    object,
    string,
    { in: { query: SentQuery<S> }; out: { query: z.output<S> } }
  >;
}

function checked<S extends z.ZodType>(schema: S, value: unknown, where: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw statusError(
    400,
    'server.bad-request',
    `${[where, ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? 'not valid'}`,
    '',
  );
}
