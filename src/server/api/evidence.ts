/**
 * Evidence: the report of runs as a page and as files, and what is known of each instrument.
 */
import { Hono } from 'hono';
import { z } from 'zod';
import type { Measure } from '../../core/measures.ts';
import { catalogue } from '../../methods/index.ts';
import type { AnyMethod } from '../../methods/method.ts';
import { codeHash } from '../../workbench/identity.ts';
import { readCalibration } from '../../workbench/kept-calibrations.ts';
import { collectReport, type ReportForm, reportForms, reportText } from '../../workbench/report/index.ts';
import type { ServerEnv } from '../access/gate.ts';
import { query } from './input.ts';
import type { ApiParts } from './parts.ts';

const reportQuery = z.strictObject({
  runs: z.string().regex(/^[0-9a-z]+(,[0-9a-z]+){0,19}$/),
  form: z.enum(Object.keys(reportForms) as [ReportForm, ...ReportForm[]]),
  transcripts: z.coerce.number().int().min(0).max(1_000).optional(),
  /** Shown in a frame of this application; without it the file is saved. */
  shown: z.literal('1').optional(),
});

export const evidenceRoutes = ({ store }: ApiParts) =>
  new Hono<ServerEnv>()
    .get('/report', query(reportQuery), async (context) => {
      const { runs, form, transcripts, shown } = context.req.valid('query');
      const opened = await Promise.all(runs.split(',').map((id) => store.run(id)));
      const text = reportText(await collectReport(store, opened, { transcripts: transcripts ?? 40 }), form);
      if (shown === undefined || form !== 'html') {
        return context.body(text, 200, {
          'content-type': 'application/octet-stream',
          'content-disposition': `attachment; filename="${reportForms[form]}"`,
        });
      }
      // The page forbids itself everything but its own style sheet; here it may be framed, and only by us, as a stranger.
      const own = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(text)?.[1] ?? "default-src 'none'";
      return context.body(text, 200, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': `${own.replaceAll('&#39;', "'").replaceAll('&apos;', "'")}; sandbox; frame-ancestors 'self'`,
        'x-frame-options': 'SAMEORIGIN',
        'cache-control': 'no-store',
      });
    })
    .get('/instruments', (context) => context.json({ items: catalogue.map(instrumentOf) }));

/** What is known of a method as an instrument. */
export interface Instrument {
  readonly id: string;
  readonly title: string;
  readonly state: 'calibrated' | 'stale' | 'none';
  readonly why: string;
  readonly measures: readonly Measure[];
  readonly cases: readonly {
    readonly name: string;
    readonly truth: 'present' | 'absent';
    readonly reads: 'present' | 'absent' | null;
    readonly why: string;
  }[];
}

function instrumentOf(method: AnyMethod): Instrument {
  const { id, title, calibration } = method;
  const kept = readCalibration(id);
  if (kept === undefined) {
    const why = 'none' in calibration ? calibration.none : 'no calibration is kept yet';
    return { id, title, state: 'none', why, measures: [], cases: [] };
  }
  const isCurrent = kept.code === codeHash(method);
  return {
    id,
    title,
    state: isCurrent ? 'calibrated' : 'stale',
    why: isCurrent ? '' : 'its code has changed since',
    measures: kept.measures,
    cases: kept.cases.map(({ name, truth, reads, why = '' }) => ({ name, truth, reads, why })),
  };
}
