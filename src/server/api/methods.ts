/**
 * The catalogue over the API: what a method answers, needs and takes, as JSON Schema that a form is made of.
 */
import { Hono } from 'hono';
import { z } from 'zod';
import type { Json } from '../../core/values.ts';
import { catalogue } from '../../methods/index.ts';
import type { AnyMethod } from '../../methods/method.ts';
import { methodOf } from '../../workbench/resume.ts';
import type { ServerEnv } from '../access/gate.ts';
import type { ApiParts } from './parts.ts';

export const methodRoutes = ({ config }: ApiParts) =>
  new Hono<ServerEnv>()
    .get('/', (context) =>
      context.json({ items: catalogue.map(({ id, title, question }) => ({ id, title, question })) }),
    )
    .get('/:family/:name', (context) => {
      const { family, name } = context.req.param();
      const method = methodOf(`${family}/${name}`);
      return context.json({
        ...describeMethod(method),
        configured: (config.methods[method.id] ?? {}) as Record<string, Json>,
        models: Object.keys(config.models),
      });
    });

export function describeMethod(method: AnyMethod) {
  const { id, title, question, sources, needs, calibration } = method;
  return {
    id,
    title,
    question,
    sources,
    needs: Object.entries(needs).map(([role, need]) => ({
      role,
      kind: need.kind,
      title: need.title,
      isOptional: need.isOptional,
      access: 'access' in need ? need.access : undefined,
    })),
    params: z.toJSONSchema(method.params, { io: 'input', unrepresentable: 'any' }) as unknown as ParamSchema,
    demo: method.demo.params as Readonly<Record<string, Json>>,
    calibration: 'none' in calibration ? { none: calibration.none } : { kind: calibration.kind },
  };
}

/** As much of JSON Schema as a form reads. */
export interface ParamSchema {
  readonly properties?: Readonly<Record<string, ParamProperty>>;
  readonly required?: readonly string[];
}
export interface ParamProperty {
  readonly type?: string;
  readonly description?: string;
  readonly default?: Json;
  readonly enum?: readonly (string | number)[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly items?: { readonly type?: string };
}
