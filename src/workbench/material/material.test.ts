/**
 * The user's own material: rows in every format, tags in every form, promptfoo configurations with what maps and what
 * does not. A change of format must not change an item's name, or runs over the same rows would not pair.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openJudge } from '../../kit/judge/index.ts';
import { readPromptfoo } from './promptfoo.ts';
import { parseRows, readRows } from './rows.ts';
import { expandTags, tagCounts } from './tags.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fiducial-material-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('rows', () => {
  it('are the same from JSONL, JSON, YAML, CSV and TSV, and so are their names', () => {
    const jsonl = parseRows('{"request":"a, \\"b\\"","label":1}\n\n{"request":"c","label":0}\n', '.jsonl');
    expect(parseRows('[{"request":"a, \\"b\\"","label":1},{"request":"c","label":0}]', '.json')).toEqual(jsonl);
    expect(parseRows('- {request: \'a, "b"\', label: 1}\n- {request: c, label: 0}\n', '.yaml')).toEqual(jsonl);
    expect(parseRows('\uFEFFrequest,label\r\n"a, ""b""",1\r\nc,0\r\n', '.csv')).toEqual(jsonl);
    expect(parseRows('request\tlabel\n"a, ""b"""\t1\nc\t0\n', '.tsv')).toEqual(jsonl);
    expect(jsonl[0]!['id']).toMatch(/^[0-9a-f]{12}$/);
  });

  it('keep texts that look like something else, and leave empty cells out', () => {
    expect(parseRows('id,request,reply,score,note\n7,42,true,0.5,\n', '.csv')).toEqual([
      { id: '7', request: '42', reply: 'true', score: 0.5 },
    ]);
  });

  it('say where they are wrong', async () => {
    expect(() => parseRows('{"a":1}\n{oops\n', '.jsonl', 'x.jsonl')).toThrow(/x\.jsonl, line 2/);
    expect(() => parseRows('{"a":1}', '.json', 'x.json')).toThrow(/holds no list/);
    expect(() => parseRows('', '.xlsx', 'x.xlsx')).toThrow(expect.objectContaining({ code: 'data.unknown-format' }));
    await expect(readRows(join(folder, 'none.csv'))).rejects.toMatchObject({ code: 'data.unreadable' });
  });
});

describe('tags', () => {
  it('are completed, counted by framework, and checked for form', () => {
    const tags = expandTags([
      'LLM01',
      'aml.t0051.001',
      'NIST-AI-RMF:measure-2.7',
      'owasp-llm:2025:LLM07',
      'mine',
      'LLM01',
    ]);
    expect(tags).toEqual([
      'owasp-llm:LLM01',
      'mitre-atlas:AML.T0051.001',
      'nist-ai-rmf:MEASURE-2.7',
      'owasp-llm:2025:LLM07',
      'mine',
    ]);
    expect(tagCounts(tags)).toMatchObject({ 'MITRE ATLAS': { 'AML.T0051.001': 1 }, 'own tags': { mine: 1 } });
    expect(() => expandTags(['owasp-llm:LLM11'])).toThrow(expect.objectContaining({ code: 'data.bad-tag' }));
    expect(() => expandTags(['mitre-atals:AML.T0051'])).toThrow(
      expect.objectContaining({ hint: 'Did you mean mitre-atlas:?' }),
    );
  });

  it('come through CSV with semicolons', () => {
    expect(parseRows('request,tags\nx,LLM01; mine\n', '.csv')[0]!['tags']).toEqual(['owasp-llm:LLM01', 'mine']);
  });
});

describe('promptfoo configurations', () => {
  it('give rows, addresses and a judge, and name all that has no counterpart', async () => {
    file('tests.csv', 'topic\nthree\n');
    const path = file(
      'promptfooconfig.yaml',
      `description: d
prompts: ['Say {{topic}} and {{missing}}', 'file://nowhere.js']
providers:
  - openai:chat:some-model
  - { id: 'openai:local', config: { apiBaseUrl: 'http://localhost:8000/v1', temperature: 0.3 } }
  - ollama:chat:small
  - file://provider.cjs
sharing: true
defaultTest: { assert: [{ type: not-contains, value: CANARY }] }
tests:
  - { vars: { topic: one, missing: x }, assert: [{ type: latency, threshold: 200 }], options: {} }
  - { vars: { topic: two, missing: y } }
  - file://tests.csv
`,
    );
    const { rows, targets, judge, unmapped } = await readPromptfoo(path);
    expect(rows.map(({ id, request }) => [id, request])).toEqual([
      ['p1-t1', 'Say one and x'],
      ['p1-t2', 'Say two and y'],
      ['p1-t3', 'Say three and {{missing}}'],
    ]);
    expect(targets).toEqual([
      'openai:some-model',
      'openai-compatible:http://localhost:8000/v1#local',
      'openai-compatible:http://localhost:11434/v1#small',
    ]);
    expect(judge).toBe('contains:CANARY');
    for (const named of ['sharing', 'nowhere.js', 'temperature', 'provider.cjs', 'latency', 'options', '{{missing}}']) {
      expect(unmapped.some((each) => each.includes(named))).toBe(true);
    }
  });

  it('turn what must be there into a breach where it is missing', async () => {
    const path = file('must.yaml', 'prompts: [x]\ntests: [{ assert: [{ type: contains, value: "a.b\\nc" }] }]\n');
    const { judge } = await readPromptfoo(path);
    const grade = async (reply: string) =>
      await openJudge(judge!).grade({ request: '', reply }, new AbortController().signal);
    expect(await grade('has a.b\nc in it')).toMatchObject({ value: 0 });
    expect(await grade('has aXb\nc in it')).toMatchObject({ value: 1 });
  });
});
