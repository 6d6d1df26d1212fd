/**
 * Reports of real runs: what they say, that a hostile model cannot write into them, and that they need nothing but the
 * store.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { testRunner } from '../../../test/runner.ts';
import { dataOf, defineMethod, model } from '../../methods/method.ts';
import { bestOfN } from '../../methods/redteam/best-of-n.ts';
import { functionModel } from '../../models/index.ts';
import { collect } from '../../models/reply.ts';
import { parseBar, stateBars } from '../bars.ts';
import { writeCalibration } from '../kept-calibrations.ts';
import { collectReport, type Report, reportText, standingOf, verdictOf, writeReport } from './index.ts';
import { fenced, plain } from './markdown.ts';
import { wellFormed } from './well-formed.ts';

const runner = testRunner();

const attack =
  `</pre></dd></td></text></title></style><script>document.title='owned'</script><img src=x onerror="alert(1)">` +
  `<svg onload=alert(1)><a href="javascript:alert(1)">x</a><!-- --><![CDATA[ ]]>&lt;b&gt; \u202E\u0000 ` +
  '``` \n# heading\n[link](https://evil.example/) ![x](https://evil.example/x.png) | cell |';

/** A method that no catalogue knows: a report must not need its code. */
const shout = defineMethod({
  id: 'evaluate/shout',
  title: attack,
  question: attack,
  sources: [],
  needs: { target: model('chat', 'who is asked') },
  params: z.strictObject({ items: z.array(z.string()) }),
  demo: { params: { items: [] }, given: () => ({ target: functionModel('quiet', () => '') }) },
  calibration: { none: 'a test' },
  async run({ given, trials, signal, call }, { items }) {
    const set = await trials(attack.replaceAll('\u0000', ''), items, async (item, scope) => {
      const reply = await collect(given.target, { messages: [{ role: 'user', content: item }] }, signal);
      const transcript = await scope.transcript({
        request: item,
        reply: reply.text,
        messages: [{ role: attack, content: attack }],
      });
      if (item.startsWith('unsure')) return { status: 'undetermined', why: attack, transcript };
      return { status: 'measured', value: item.startsWith('bad') ? 1 : 0, transcript };
    });
    if (items.length > 1) await call(shout, { items: items.slice(0, 1) }, given, 'inner');
    return {
      summary: [attack],
      measures: [
        set.rate({ name: attack, better: 'down', judge: 'a judge' }),
        set.rate({ name: 'rate', better: 'down' }),
      ],
      findings: set.observations.slice(0, 2).map(({ item, transcript }) => ({
        id: item,
        title: attack,
        severity: 'high' as const,
        detail: attack,
        evidence: [{ label: attack, item, quote: attack, ...(transcript === undefined ? {} : { ref: transcript }) }],
        data: { tags: [attack], [attack]: [attack, { role: 'user', content: attack }, 3, null] },
      })),
      figures: [
        {
          kind: 'plot',
          title: attack,
          caption: attack,
          x: { label: attack, scale: 'category' },
          y: { label: attack, unit: 'share', scale: 'linear' },
          series: [{ name: attack, mark: 'bar', points: [{ x: attack, y: 1, label: attack }] }],
        },
        { kind: 'table', title: attack, caption: attack, columns: [{ label: attack }], rows: [[attack]] },
        {
          kind: 'graph',
          title: attack,
          caption: attack,
          nodes: [{ id: attack, kind: attack, text: attack, shape: 'box', state: 'holds' }],
          edges: [],
        },
      ],
      caveats: [attack],
    };
  },
});

async function reportOf(items: readonly string[], bars: readonly string[] = []): Promise<Report> {
  const { run } = await runner.outcome(
    shout,
    { items: [...items] },
    { target: functionModel(attack, () => attack) },
    { request: { fillings: { target: attack } } },
  );
  await stateBars(run, bars.map(parseBar));
  return await collectReport(runner.store, [run]);
}

describe('a hostile model', () => {
  let report: Report;
  beforeAll(async () => {
    report = await reportOf(['bad one', 'good one', 'unsure one'], ['rate <= 5%']);
  });

  it('writes nothing into the HTML: every element and attribute is ours, and no address leads outside', () => {
    const html = reportText(report, 'html');
    const { names, attributes, values } = wellFormed(html);
    expect([...names].filter((name) => !allowed.has(name))).toEqual([]);
    expect(names.has('script')).toBe(false);
    expect([...attributes].filter((name) => /^on|^src|^style$|^action|^srcdoc/.test(name))).toEqual([]);
    for (const value of values.filter((each) => /^[a-z]+:/i.test(each))) {
      expect([attackText, 'http://www.w3.org/2000/svg'].some((text) => value.includes(text))).toBe(true);
    }
    const links = [...html.matchAll(/ href="([^"]*)"/g)].map(([, href]) => href!);
    expect(links.length).toBeGreaterThan(1);
    expect(links.every((href) => href.startsWith('#'))).toBe(true);
    expect(html).not.toContain('\u202E');
    expect(html).toContain('\u27E8U+202E\u27E9');
  });

  it('is held by a policy that forbids everything but the style sheet', () => {
    const html = reportText(report, 'html');
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1];
    expect(policy).toMatch(/^default-src &#39;none&#39;; style-src &#39;sha256-[\w+/=]{44}&#39;; base-uri/);
    expect(html.indexOf('Content-Security-Policy')).toBeLessThan(html.indexOf('<title>'));
  });

  it('writes nothing into Markdown: no heading, link, image, table cell or HTML of its own', () => {
    const markdown = reportText(report, 'md');
    // Blocks are closed by their own fence only; what is left over is our text.
    const outside = markdown.replaceAll(/^(`{3,})\n[\s\S]*?\n\1$/gm, '');
    expect(outside).not.toMatch(/<\/?[a-z!]/i);
    expect(outside).not.toMatch(/(?<!\\)\]\(/);
    expect(outside.split('\n').filter((line) => /^\s*# heading/.test(line))).toEqual([]);
    expect(outside).not.toContain('https://');
    expect(plain('a | b `c` [d](e) <f>')).toBe(String.raw`a \| b \`c\` \[d\]\(e\) &lt;f&gt;`);
    expect(fenced('x ```` y')[1]).toBe('`````');
  });

  it('leaves JUnit well-formed and SARIF as JSON', () => {
    const { names } = wellFormed(reportText(report, 'junit'));
    expect([...names].sort()).toEqual(['failure', 'system-out', 'testcase', 'testsuite', 'testsuites']);
    const sarif = JSON.parse(reportText(report, 'sarif')) as {
      runs: { results: { level: string; ruleId: string }[]; tool: { driver: { rules: { id: string }[] } } }[];
    };
    expect(sarif.runs[0]!.results).toHaveLength(3);
    expect(sarif.runs[0]!.results[0]).toMatchObject({ level: 'error', ruleId: 'evaluate/shout' });
    expect(sarif.runs[0]!.tool.driver.rules.map(({ id }) => id)).toEqual(['evaluate/shout']);
  });
});

describe('what it says', () => {
  it('states bars by their whole intervals, and the worst of them first', async () => {
    const few = await reportOf(['bad a', 'good b'], ['rate <= 100%', 'rate <= 60%']);
    expect(standingOf(few)).toBe('not shown');
    expect(verdictOf(few)).toContain('of 2 stated bars 1 held, and 1 could be neither shown nor refuted');
    expect(standingOf(await reportOf(['bad a', 'good b', 'bad c'], ['nothing >= 1']))).toBe('not measured');
    expect(standingOf(await reportOf(['bad a', 'bad b'], ['rate <= 5%']))).toBe('fell short');
    expect(standingOf(await reportOf(['good a', 'good c'], ['rate <= 99%']))).toBe('held');
    expect(standingOf(await reportOf(['good a', 'good d']))).toBe('no bar');
  });

  it('counts what could not be told, with its cause, and never as safe', async () => {
    const { runs } = await reportOf(['good a', 'unsure b', 'unsure c'], []);
    expect(runs[0]!.causes).toMatchObject([{ status: 'undetermined', count: 2, items: ['unsure b', 'unsure c'] }]);
    const html = reportText({ format: 'fiducial-report', version: 1, runs }, 'html');
    expect(html).toContain('Of 4 trials, 2 ran and could not be told, and 0 did not run to their end.');
    expect(html).toContain('2: 0.0 to 66.7 %');
  });

  it('shows the calibration of the code that ran, or says that there is none', async () => {
    const { runs } = await reportOf(['good a', 'bad e']);
    expect(runs[0]!.calibration).toEqual({ state: 'none' });
    expect(reportText({ format: 'fiducial-report', version: 1, runs }, 'html')).toContain(
      'Not calibrated: no calibration of this method is kept.',
    );
  });

  it('quotes a calibration of that very code, and says so where it was made at other code', async () => {
    const { runs } = await reportOf(['good a', 'bad f2']);
    const { id, spec } = runs[0]!.info;
    const folder = mkdtempSync(join(tmpdir(), 'fiducial-report-'));
    try {
      const share = { better: 'up', unit: 'share', confidence: 0.95, value: 0.9, low: 0.7, high: 0.97, n: 20 } as const;
      const kept = {
        format: 'fiducial-calibration',
        method: 'evaluate/shout',
        kind: 'finder',
        seed: 1,
        organisms: 'o',
        measures: [{ name: 'sensitivity', ...share }],
        cases: [{ name: 'a', truth: 'present', reads: 'present', organism: 'o' }],
      } as const;
      const words = async (code: string): Promise<string> => {
        writeCalibration({ ...kept, measures: [...kept.measures], cases: [...kept.cases], code }, folder);
        const read = await collectReport(runner.store, [await runner.store.run(id)], { calibrations: folder });
        return reportText(read, 'html');
      };
      expect(await words(spec.hashes.code)).toContain(
        'Calibrated on 1 cases with a planted truth: sensitivity 90.0 % (70.0 to 97.0 %, n = 20).',
      );
      expect(await words('other')).toContain('Not calibrated at this version of its code. An earlier version');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('says of a run that did not end that it did not', async () => {
    const control = new AbortController();
    const result = await runner.run(
      bestOfN,
      { attempts: 50, verdict: 'contains:CANARY' },
      {
        target: functionModel('slow', () => {
          control.abort(new Error('stopped by a test'));
          return 'no';
        }),
        requests: dataOf('r', [{ id: 'a', request: 'b' }]),
        judge: undefined,
      },
      { signal: control.signal },
    );
    expect(result.status).toBe('stopped');
    const report = await collectReport(runner.store, [result.run]);
    expect(standingOf(report)).toBe('not ended');
    expect(verdictOf(report)).toContain('is stopped (stopped by a test)');
    expect(reportText(report, 'junit')).toContain('errors="1"');
  });

  it('keeps purged transcripts as what they are, and transcripts past the limit as a count', async () => {
    const first = await reportOf(['bad f', 'bad g']);
    const run = await runner.store.run(first.runs[0]!.info.id);
    const one = await collectReport(runner.store, [run], { transcripts: 1 });
    expect(Object.keys(one.runs[0]!.transcripts)).toHaveLength(1);
    expect(one.runs[0]!.withheld).toMatchObject([{ why: 'beyond the number that is shown' }]);
    const inner = (await run.children()).map(({ id }) => id);
    await runner.store.purge({ runs: [run.id, ...inner] });
    const purged = await collectReport(runner.store, [run]);
    expect(purged.runs[0]!.withheld.map(({ why }) => why)).toEqual(['its text was purged', 'its text was purged']);
    expect(reportText(purged, 'html')).toContain('Not shown: its text was purged.');
  });

  it('is the same text twice, and reads back', async () => {
    const report = await reportOf(['bad h', 'good i']);
    const folder = mkdtempSync(join(tmpdir(), 'fiducial-report-'));
    try {
      const paths = await writeReport(report, folder, ['html', 'md', 'json', 'junit', 'sarif']);
      expect(paths).toHaveLength(5);
      expect(readFileSync(join(folder, 'report.html'), 'utf8')).toBe(reportText(report, 'html'));
      expect(JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'))).toEqual(
        JSON.parse(
          JSON.stringify(await collectReport(runner.store, [await runner.store.run(report.runs[0]!.info.id)])),
        ),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const attackText = '&lt;script&gt;';
const allowed = new Set(
  (
    'html head meta title style body a header main footer nav section div p span strong h1 h2 h3 h4 ul ol li dl dt dd ' +
    'table caption thead tbody tr th td figure figcaption details summary pre ' +
    'svg desc defs pattern marker rect path circle ellipse text'
  ).split(' '),
);
