/**
 * The workbench over HTTP: who is let in, what runs do when they are started, stopped and resumed over the API, that a
 * watcher misses no event, and that nonsense leaves server and store as they were.
 */
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { connect } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, demoRun, errorOf, eventually, openRig, type Rig } from '../../test/screens/rig.ts';
import type { Run, RunInfo, Trial } from '../store/index.ts';
import { addAccount, readAccounts } from './access/people.ts';
import type { Agreement } from './api/labels.ts';
import { Rate } from './access/rate.ts';
import { Sessions } from './access/sessions.ts';

let rig: Rig;
let client: Client;
let first: Run;
let second: Run;

/** No limit that a test meets. */
const often = { perSecond: 1e6, burst: 1e6 };

beforeAll(async () => {
  rig = await openRig({ maxBodyBytes: 50_000, rates: { reads: often, writes: often } });
  client = await rig.login();
  first = await demoRun(rig.store, 1);
  second = await demoRun(rig.store, 2);
});
afterAll(async () => {
  await rig.close();
  expect(rig.faults).toEqual([]);
});

interface List<T> {
  readonly total: number;
  readonly items: readonly T[];
}

describe('the door', () => {
  it('answers 401 on every route but the login without a session', async () => {
    const { url, routes } = rig.server;
    expect(routes.length).toBeGreaterThan(15);
    for (const route of routes) {
      const [method, path] = route.split(' ') as [string, string];
      const filled = path.replaceAll(/:\w+/g, 'x').replace('/*', '/index.html');
      if (filled.startsWith('/login')) continue;
      for (const accept of ['application/json', 'text/html']) {
        const response = await fetch(`${url}${filled}`, { method, headers: { accept } });
        expect([route, response.status]).toEqual([route, 401]);
        expect(await response.text()).not.toContain(first.id);
      }
    }
    for (const path of ['/', '/assets/index.js', '/nowhere', '/api/nowhere']) {
      expect((await fetch(`${url}${path}`)).status).toBe(401);
    }
    const wrong = { cookie: client.cookie.replace(/=.*/, '=AAAA'), authorization: 'Bearer guess' };
    expect((await fetch(`${url}/api/session`, { headers: wrong })).status).toBe(401);
  });

  it('lets in by the link of this start and by its token as a bearer, and by nothing else', async () => {
    const { url, token } = rig.server;
    expect((await fetch(`${url}/login?token=guess`, { redirect: 'manual' })).status).toBe(401);
    const bearer = { authorization: `Bearer ${token}` };
    expect(await (await fetch(`${url}/api/session`, { headers: bearer })).json()).toMatchObject({ role: 'operator' });
    const page = await fetch(`${url}/login`);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).not.toContain('script-src');
  });

  it('refuses what another site makes a browser send', async () => {
    const forged = await client.post('/api/runs', { method: 'redteam/best-of-n' }, { 'x-fiducial-word': 'guess' });
    expect([forged.status, (await errorOf(forged)).code]).toEqual([403, 'server.forged']);
    const elsewhere = await client.post('/api/session/end', {}, { origin: 'http://elsewhere.example' });
    expect(elsewhere.status).toBe(403);
    // A name that was made to point here.
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(new URL(rig.server.url).port), '127.0.0.1', () =>
        socket.write('GET /login HTTP/1.1\r\nhost: rebound.example\r\nconnection: close\r\n\r\n'),
      );
      let text = '';
      socket.on('data', (data) => (text += data.toString()));
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1.1 403 /);
  });

  it('sends a policy that keeps pages from running or loading what is not ours', async () => {
    const { headers } = await client.get('/api/session');
    const policy = headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-frame-options')).toBe('DENY');
  });

  it('needs accounts where others can reach it, and gives each role what is its own', async () => {
    await expect(openRig({ host: '0.0.0.0', folder: rig.folder })).rejects.toMatchObject({
      code: 'server.no-accounts',
    });
    const path = join(tmpdir(), `fiducial-accounts-${process.pid}.json`);
    const words = {
      vera: await addAccount(path, { name: 'vera', role: 'viewer' }),
      lou: await addAccount(path, { name: 'lou', role: 'labeller' }),
      olga: await addAccount(path, { name: 'olga', role: 'operator' }),
    };
    const open = await openRig({
      host: '0.0.0.0',
      accounts: await readAccounts(path),
      config: { models: { mine: 'openai-compatible:http://127.0.0.1:9#m' } },
    });
    try {
      const run = await demoRun(open.store, 1);
      const [trial] = (await run.trials({ limit: 1 })).items;
      const label = { name: 'breach', set: trial!.set, item: trial!.item, value: 1 };
      const may = { vera: [200, 403, 403], lou: [200, 201, 403], olga: [200, 201, 403] };
      for (const [name, statuses] of Object.entries(may)) {
        const own = await open.login(name, words[name as keyof typeof words]);
        const seen = [
          (await own.get('/api/runs')).status,
          (await own.post(`/api/labels/${run.id}`, label)).status,
          // A program of this machine is nobody's to start, whatever the role.
          (await own.post('/api/runs', { method: 'redteam/best-of-n', fillings: { target: 'command:id' } })).status,
        ];
        expect([name, seen]).toEqual([name, statuses]);
      }
      await expect(open.login('olga', 'guess')).rejects.toThrow('401');
      await expect(open.login('nobody', 'guess')).rejects.toThrow('401');
      const bearer = { authorization: `Bearer ${open.server.token}` };
      expect((await fetch(`${open.server.url}/api/runs`, { headers: bearer })).status).toBe(401);
      const lines = await eventually(async () => {
        const all = await open.audit();
        return all.length >= 11 ? all : undefined;
      }, 'the audit log');
      expect(lines).toContainEqual(
        expect.objectContaining({ who: 'lou', role: 'labeller', did: `POST /api/labels/${run.id}`, status: 201 }),
      );
      expect(lines).toContainEqual(expect.objectContaining({ who: '?', did: 'POST /login', status: 401 }));
      expect(JSON.stringify(lines)).not.toContain(words.lou);
    } finally {
      await open.close();
      await rm(path);
    }
  });

  it('ends sessions that are old or idle, and tells apart who comes too often', () => {
    let nowMs = 0;
    const sessions = new Sessions(() => nowMs);
    const id = sessions.begin({ name: 'me', role: 'operator' });
    nowMs += 3_600_000;
    expect(sessions.find(id)?.person.name).toBe('me');
    nowMs += 2 * 3_600_000 + 1;
    expect(sessions.find(id)).toBeUndefined();
    let clock = 0;
    const rate = new Rate(1, 3, () => clock);
    expect([1, 2, 3, 4].map(() => rate.take('a'))).toEqual([0, 0, 0, 1]);
    expect(rate.take('b')).toBe(0);
    clock += 1000;
    expect([rate.take('a'), rate.take('a')]).toEqual([0, 1]);
  });

  it('slows guessing at the login', async () => {
    const own = await openRig();
    try {
      const statuses = [];
      for (let i = 0; i < 14; i++) statuses.push((await fetch(`${own.server.url}/login?token=${i}`)).status);
      expect(statuses.slice(0, 10).every((status) => status === 401)).toBe(true);
      expect(statuses.slice(11)).toEqual([429, 429, 429]);
    } finally {
      await own.close();
    }
  });
});

describe('runs', () => {
  it('are listed, filtered and searched, with their totals', async () => {
    const all = await client.json<List<RunInfo>>('/api/runs');
    expect(all.items.map(({ id }) => id)).toEqual(expect.arrayContaining([first.id, second.id]));
    expect((await client.json<List<RunInfo>>('/api/runs?method=evaluate/')).total).toBe(0);
    expect((await client.json<List<RunInfo>>(`/api/runs?text=${second.id}`)).items.map(({ id }) => id)).toEqual([
      second.id,
    ]);
    const page = await client.json<List<RunInfo>>('/api/runs?limit=1&offset=1&order=oldest');
    expect([page.items[0]?.id, page.total]).toEqual([second.id, all.total]);
    expect((await client.get('/api/runs?limit=x')).status).toBe(400);
    expect((await client.get('/api/runs/nothing')).status).toBe(404);
  });

  it('show their outcome, trials, transcripts and the calls of a trial', async () => {
    const view = await client.json<Readonly<Record<string, unknown>>>(`/api/runs/${first.id}`);
    expect(view).toMatchObject({
      info: { id: first.id, status: 'done' },
      outcome: { measures: expect.arrayContaining([expect.objectContaining({ name: 'attack success' })]) as unknown },
      isHere: false,
    });
    const { items, total } = await client.json<List<Trial>>(`/api/runs/${first.id}/trials?set=disguised&order=item`);
    expect(total).toBe(items.length);
    const [trial] = items;
    const detail = await client.json<{
      readonly transcript: { readonly value: { readonly request: string } };
      readonly readings: readonly Trial[];
      readonly calls: readonly { readonly scope: string }[];
    }>(`/api/runs/${first.id}/trial?set=disguised&item=${trial!.item}`);
    expect(detail.transcript.value.request).toContain('Hand over the');
    expect(detail.readings).toHaveLength(1);
    expect(detail.calls.length).toBeGreaterThan(0);
    expect(new Set(detail.calls.map(({ scope }) => scope))).toEqual(new Set([`trial/disguised/${trial!.item}`]));
    expect((await client.get(`/api/runs/${first.id}/trial?set=disguised&item=none`)).status).toBe(404);
  });

  it('start from a form, are watched to their end, and are the run that the command line would make', async () => {
    const { run } = await client.done<{ run: string }>('/api/runs', {
      method: 'redteam/best-of-n',
      isDemo: true,
      seed: 3,
    });
    const seen = await watch(client, `/api/runs/${run}/live?after=0`, (events) =>
      events.some(({ kind, data }) => kind === 'run.status' && data?.['status'] === 'done'),
    );
    const stored = await rig.store.events({ run, limit: 10_000 });
    expect(seen.map(({ seq }) => seq)).toEqual(stored.map(({ seq }) => seq));
    const here = await demoRun(rig.store, 3);
    expect(here.id).toBe(run);
  });

  it('refuse bad parameters and unknown methods with words that help', async () => {
    const bad = await client.post('/api/runs', { method: 'redteam/best-of-n', isDemo: true, params: { attemps: 3 } });
    expect([bad.status, await errorOf(bad)]).toEqual([
      400,
      expect.objectContaining({ code: 'run.bad-params', hint: 'Did you mean attempts?' }),
    ]);
    const unknown = await client.post('/api/runs', { method: 'redteam/nothing', isDemo: true });
    expect(unknown.status).toBe(404);
    const away = await client.post('/api/runs', {
      method: 'redteam/best-of-n',
      fillings: { target: 'openai-compatible:http://192.0.2.1/v1#m' },
      rows: { requests: [{ id: 'a', request: 'b' }] },
      params: { verdict: 'contains:x' },
    });
    expect([away.status, (await errorOf(away)).code]).toEqual([403, 'run.not-authorised']);
  });

  it('are compared, paired, and refuse what cannot be', async () => {
    const { against } = await client.json<{
      readonly against: readonly { readonly differences: readonly { readonly isPaired: boolean }[] }[];
    }>(`/api/runs/compare?runs=${first.id},${second.id}`);
    expect(against[0]!.differences.every(({ isPaired }) => isPaired)).toBe(true);
    expect((await client.get(`/api/runs/compare?runs=${first.id}`)).status).toBe(400);
  });

  it('are labelled by people, whose agreement with the judge is that of the labels', async () => {
    const { items } = await client.json<List<Trial>>(`/api/runs/${second.id}/trials?set=disguised&order=item`);
    const measured = items.filter(({ status }) => status === 'measured');
    expect(measured.length).toBeGreaterThan(2);
    let agreement: Agreement | undefined;
    for (const [index, trial] of measured.entries()) {
      // The first is overruled, the rest confirmed.
      const own = trial.status === 'measured' ? trial.value : 0;
      ({ agreement } = await client.done<{ agreement: Agreement }>(`/api/labels/${second.id}`, {
        name: 'breach',
        set: trial.set,
        item: trial.item,
        value: index === 0 ? 1 - own : own,
      }));
    }
    expect(agreement).toMatchObject({ n: measured.length, agreed: measured.length - 1, labellers: ['me'] });
    const { rows } = await client.json<{ rows: readonly { readonly label: number }[] }>(
      `/api/labels/${second.id}/export`,
    );
    expect(rows).toHaveLength(measured.length);
    const wrong = await client.post(`/api/labels/${second.id}`, {
      name: 'breach',
      set: 's',
      item: 'i',
      value: 'maybe',
    });
    expect(wrong.status).toBe(400);
  });
});

interface Seen {
  readonly seq: number;
  readonly kind: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** Reads a stream of events until enough was seen. */
async function watch(
  client: Client,
  path: string,
  isEnough: (events: readonly Seen[]) => boolean,
  headers: Readonly<Record<string, string>> = {},
): Promise<Seen[]> {
  const control = new AbortController();
  const response = await client.get(path, { signal: control.signal, headers });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const seen: Seen[] = [];
  let text = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body!) {
    text += decoder.decode(bytes as Uint8Array, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const frame = text.slice(0, end);
      text = text.slice(end + 2);
      const data = /^data: (\[.*)$/m.exec(frame)?.[1];
      if (data !== undefined) seen.push(...(JSON.parse(data) as Seen[]));
    }
    if (isEnough(seen)) break;
  }
  control.abort();
  return seen;
}

describe('watching', () => {
  it('gives every event once and in order, to who comes early, late, back again, and to who stalls', async () => {
    const { run } = await rig.store.open({
      method: 'test/live',
      params: {},
      models: {},
      seed: 1,
      hashes: { code: 'x' },
    });
    const total = 4_000;
    const trialsIn = (events: readonly Seen[]): number => events.filter(({ kind }) => kind === 'trial').length;
    const early = watch(client, `/api/runs/${run.id}/live?after=0`, (events) => trialsIn(events) === total);
    const half = watch(client, `/api/runs/${run.id}/live?after=0`, (events) => trialsIn(events) >= total / 4);
    // Never reads: its socket fills, and nobody waits for it.
    const stalled = connect(Number(new URL(client.url).port), '127.0.0.1', () =>
      stalled.write(
        `GET /api/runs/${run.id}/live?after=0 HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: ${client.cookie}\r\n\r\n`,
      ),
    );
    stalled.pause();
    for (let i = 0; i < total; i += 100) {
      await Promise.all(
        Array.from({ length: 100 }, (_, k) =>
          run.recordTrial('s', { item: `i${i + k}`, status: 'measured', value: (i + k) % 2 }),
        ),
      );
    }
    const stored = (await run.events({ limit: 10_000 })).map(({ seq }) => seq);
    const begun = await half;
    const after = begun.at(-1)!.seq;
    const back = await watch(
      client,
      `/api/runs/${run.id}/live?after=0`,
      (events) => trialsIn(events) === total - trialsIn(begun),
      { 'last-event-id': String(after) },
    );
    expect((await early).map(({ seq }) => seq)).toEqual(stored);
    expect([...begun, ...back].map(({ seq }) => seq)).toEqual(stored);
    const late = await watch(client, `/api/runs/${run.id}/live?after=0`, (events) => trialsIn(events) === total);
    expect(late.map(({ seq }) => seq)).toEqual(stored);
    // From the middle of a frame.
    const middle = stored[1234]!;
    const rest = await watch(
      client,
      `/api/runs/${run.id}/live?after=${middle}`,
      (events) => events.length === stored.length - 1235,
    );
    expect(rest.map(({ seq }) => seq)).toEqual(stored.slice(1235));
    stalled.destroy();
  });
});

describe('nonsense', () => {
  it('is refused, and leaves the server running and the store whole', async () => {
    const before = await rig.store.head();
    const bearer = { authorization: `Bearer ${rig.server.token}` };
    const paths = rig.server.routes.map((route) => route.split(' ')[1]!).filter((path) => !path.endsWith('/live'));
    const part = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom('..', '%00', '%ff', "'; DROP TABLE run; --", '../../etc/passwd', '__proto__', first.id),
    );
    const json = fc.oneof(
      fc.jsonValue().map((value) => JSON.stringify(value)),
      fc.string({ maxLength: 200 }),
    );
    const request = fc.record({
      method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'),
      path: fc.oneof(
        fc.tuple(fc.constantFrom(...paths), part).map(([path, word]) => path.replaceAll(/:\w+/g, encode(word))),
        part.map((word) => `/${encode(word)}`),
      ),
      query: fc.dictionary(fc.constantFrom('limit', 'offset', 'text', 'set', 'item', 'runs', 'after', 'layer'), part, {
        maxKeys: 3,
      }),
      type: fc.constantFrom('application/json', 'text/plain', 'application/x-www-form-urlencoded'),
      body: json,
    });
    const runs = Number(process.env['FIDUCIAL_FUZZ'] ?? 400);
    let asked = 0;
    await fc.assert(
      fc.asyncProperty(request, async ({ method, path, query, type, body }) => {
        const words = new URLSearchParams(query).toString();
        const hasBody = !['GET', 'HEAD'].includes(method);
        const response = await fetch(`${rig.server.url}${path}?${words}`, {
          method,
          redirect: 'manual',
          headers: { ...bearer, ...(hasBody ? { 'content-type': type } : {}) },
          ...(hasBody ? { body } : {}),
        });
        await response.arrayBuffer();
        asked++;
        expect(response.status).toBeLessThan(500);
      }),
      { numRuns: runs, seed: 20 },
    );
    expect(asked).toBeGreaterThanOrEqual(runs);
    expect((await fetch(`${rig.server.url}/login`)).status).toBe(200);
    const changed = (await rig.store.events({ after: before })).filter(({ kind }) => kind !== 'label');
    expect(changed).toEqual([]);
    expect(await rig.store.verify()).toEqual([]);
  });

  it('is refused by its size', async () => {
    const large = await client.post('/api/runs', JSON.stringify({ method: 'x'.repeat(60_000) }));
    expect(large.status).toBe(413);
    // In chunks, without a length.
    const chunked = (size: number) =>
      fetch(`${rig.server.url}/api/runs`, {
        method: 'POST',
        headers: { authorization: `Bearer ${rig.server.token}`, 'content-type': 'application/json' },
        body: new Blob([JSON.stringify({ method: 'x'.repeat(size) })]).stream(),
        duplex: 'half',
      });
    expect((await chunked(60_000)).status).toBe(413);
    expect((await errorOf(await chunked(50))).code).toBe('method.unknown');
  });
});

function encode(word: string): string {
  return /%|^\.\.$/.test(word) ? word : encodeURIComponent(Buffer.from(word).toString());
}
