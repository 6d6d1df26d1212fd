/** Replies taken apart: families' formats, cuts anywhere, and what only looks like a call. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Piece, type ReplyFormat, replyFormatOf, ReplyReader, type ToolFormat } from './reply-format.ts';

function read(
  format: ReplyFormat,
  chunks: readonly string[],
  options: { hasTools?: boolean; isThinking?: boolean } = {},
) {
  const reader = new ReplyReader(format, {
    hasTools: options.hasTools ?? true,
    isThinking: options.isThinking ?? false,
  });
  const pieces = [...chunks.flatMap((chunk) => reader.push(chunk)), ...reader.finish()];
  return joined(pieces);
}

/** Neighbouring pieces of one kind as one, for how a stream is cut must not matter. */
function joined(pieces: readonly Piece[]): Piece[] {
  const all: Piece[] = [];
  for (const piece of pieces) {
    const last = all.at(-1);
    if (piece.type !== 'call' && last !== undefined && last.type === piece.type) {
      all[all.length - 1] = { type: piece.type, text: last.text + piece.text };
    } else all.push(piece);
  }
  return all;
}

const call = (tool: string, input: object) => ({ type: 'call', tool, input });
const text = (words: string) => ({ type: 'text', text: words });
const thought = (words: string) => ({ type: 'reasoning', text: words });
const format = (tools: ToolFormat | undefined, hasReasoning = false): ReplyFormat => ({ tools, hasReasoning });
const paris = '{"name": "weather", "arguments": {"city": "Paris"}}';

const cases: [name: string, ReplyFormat, string, unknown[]][] = [
  [
    'one Hermes call',
    format('hermes'),
    `Look: <tool_call>\n${paris}\n</tool_call>`,
    [text('Look: '), call('weather', { city: 'Paris' })],
  ],
  [
    'two Hermes calls, blanks between them dropped',
    format('hermes'),
    `<tool_call>${paris}</tool_call>\n<tool_call>{"name": "time", "arguments": {}}</tool_call>`,
    [call('weather', { city: 'Paris' }), call('time', {})],
  ],
  ['a Hermes call cut off', format('hermes'), '<tool_call>{"name": "wea', [text('<tool_call>{"name": "wea')]],
  ['a Hermes call of no JSON', format('hermes'), 'a<tool_call>hm</tool_call>b', [text('a<tool_call>hm</tool_call>b')]],
  ['reasoning, then text', format(undefined, true), '<think>\nhm\n</think>\n\nyes', [thought('hm\n'), text('yes')]],
  ['reasoning in the middle is text', format(undefined, true), 'so <think>x</think>', [text('so <think>x</think>')]],
  ['reasoning without its end', format(undefined, true), '<think>hm', [thought('hm')]],
  ['less-than signs', format('hermes', true), '1 < 2 <tool', [text('1 < 2 <tool')]],
  ['a Mistral list', format('mistral'), `ok[TOOL_CALLS] [${paris}]`, [text('ok'), call('weather', { city: 'Paris' })]],
  [
    'Mistral by name',
    format('mistral'),
    '[TOOL_CALLS]weather[ARGS]{"city": "Paris"}[TOOL_CALLS]time{}',
    [call('weather', { city: 'Paris' }), call('time', {})],
  ],
  [
    'a Llama object',
    format('llama'),
    '{"name": "weather", "parameters": {"city": "Paris"}}',
    [call('weather', { city: 'Paris' })],
  ],
  ['a Llama object that is an answer', format('llama'), '{"temperature": 20}', [text('{"temperature": 20}')]],
  [
    'behind the python tag',
    format('llama'),
    `x<|python_tag|>${paris}`,
    [text('x'), call('weather', { city: 'Paris' })],
  ],
  [
    'arguments as a string of JSON',
    format('hermes'),
    '<tool_call>{"name": "t", "arguments": "{\\"a\\": 1}"}</tool_call>',
    [call('t', { a: 1 })],
  ],
];

describe('a reply', () => {
  test.each(cases)('%s', (_, given, whole, expected) => expect(read(given, [whole])).toEqual(expected));

  test('reads the same however it is cut', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...cases),
        fc.array(fc.nat(60), { maxLength: 8 }),
        ([, given, whole, expected], cuts) => {
          const places = [0, ...cuts.filter((cut) => cut < whole.length).toSorted((a, b) => a - b), whole.length];
          const chunks = places.slice(1).map((place, i) => whole.slice(places[i], place));
          expect(read(given, chunks)).toEqual(expected);
        },
      ),
    );
  });
  test('of no known format is its text, whatever it says', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom('<think>', '</think>', '<tool_call>', '{'))),
        (chunks) => {
          const words = chunks.join('');
          expect(read(format(undefined), chunks)).toEqual(words === '' ? [] : [text(words)]);
        },
      ),
    );
  });
  test('without tools in the ask, calls are text', () => {
    const whole = `<tool_call>${paris}</tool_call>`;
    expect(read(format('hermes'), [whole], { hasTools: false })).toEqual([text(whole)]);
  });
  test('goes on with reasoning that the prompt opened', () => {
    expect(read(format(undefined, true), ['\nhm</th', 'ink>yes'], { isThinking: true })).toEqual([
      thought('hm'),
      text('yes'),
    ]);
  });
  test('gives text as soon as it is certain', () => {
    const reader = new ReplyReader(format('hermes', true), { hasTools: true });
    expect(reader.push('Hel')).toEqual([text('Hel')]);
    expect(reader.push('lo <')).toEqual([text('lo ')]);
    expect(reader.push('b>')).toEqual([text('<b>')]);
  });
  test('begins behind what it was made to begin with', () => {
    const reader = new ReplyReader(format('hermes'), { hasTools: true });
    reader.skip('<tool_call>{"name": ');
    expect([...reader.push('"t"}</tool_call>'), ...reader.finish()]).toEqual([call('t', {})]);
    const plain = new ReplyReader(format('hermes', true), { hasTools: true });
    plain.skip('Sure <');
    expect([...plain.push('think>'), ...plain.finish()]).toEqual([text('think>')]);
  });
});

describe('a template', () => {
  const families: [string, string, ReplyFormat][] = [
    ['Qwen3', "{% if tools %}<tool_call>{% endif %}{{ '</think>' }}", format('hermes', true)],
    ['Mistral', '{{ tools }}[TOOL_CALLS]', format('mistral')],
    ['Llama 3.1', '{% if tools %}Environment: ipython{% endif %}"parameters": ', format('llama')],
    ['Gemma', '<start_of_turn>{{ messages }}', format(undefined)],
    ['one that writes calls and takes no tools', '<tool_call>', format(undefined)],
  ];
  test.each(families)('of %s', (_, template, expected) => expect(replyFormatOf(template)).toEqual(expected));
});
