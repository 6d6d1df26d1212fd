/**
 * Talk to models, one or two side by side, the second usually the first behind a guard: replies stream in, with each
 * guard's verdict, score and reason, and what it cost in time. A conversation can begin at any turn of a transcript.
 */
import { type FormEvent, useEffect, useRef, useState } from 'react';
import type { ReplyEvent } from '../../../src/server/types.ts';
import { api, streamed, take } from '../api.ts';
import { takeBranch } from '../branch.ts';
import { useLoad } from '../data.ts';
import { Badge, Empty, Failure, Field } from '../parts/basics.tsx';
import { Quoted } from '../parts/text.tsx';
import { useMay, useSelf } from '../self.ts';
import { duration } from '../words.ts';

interface Said {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
  readonly reasoning?: string;
  readonly verdicts?: readonly Extract<ReplyEvent, { type: 'verdict' }>[];
  readonly ended?: string;
  readonly ms?: number;
  readonly error?: Error;
}

interface Side {
  readonly model: string;
  readonly keywords: string;
  readonly said: readonly Said[];
}

export function PlaygroundPage() {
  const may = useMay('operator');
  const { isOpen } = useSelf();
  const [branch] = useState(takeBranch);
  const begin = (): Side => ({
    model: branch?.model ?? 'demo:redteam/best-of-n#target',
    keywords: '',
    said: branch?.said ?? [],
  });
  const [sides, setSides] = useState<readonly Side[]>(() => [begin()]);
  const [draft, setDraft] = useState('');
  const [temperature, setTemperature] = useState('');
  const [maxTokens, setMaxTokens] = useState('300');
  const [isAuthorised, setIsAuthorised] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const control = useRef<AbortController | undefined>(undefined);
  const models = useLoad('models', () => take(api.models.$get()));
  useEffect(() => () => control.current?.abort(), []);
  if (!may) return <Empty>Talking to models needs the role operator.</Empty>;

  const change = (index: number, next: (side: Side) => Side): void =>
    setSides((old) => old.map((side, i) => (i === index ? next(side) : side)));
  const last = (index: number, next: (said: Said) => Said): void =>
    change(index, (side) => ({
      ...side,
      said: side.said.map((said, i) => (i === side.said.length - 1 ? next(said) : said)),
    }));

  const ask = async (index: number, side: Side, content: string, signal: AbortSignal): Promise<void> => {
    const messages = [...side.said.filter(({ error }) => error === undefined), { role: 'user' as const, content }].map(
      ({ role, content }) => ({ role, content }),
    );
    change(index, (old) => ({
      ...old,
      said: [
        ...messages.map((message, i) => old.said[i] ?? message).slice(0, -1),
        { role: 'user', content },
        { role: 'assistant', content: '' },
      ],
    }));
    const body = {
      model: side.model,
      messages,
      keywords: side.keywords.split(/[\s,]+/).filter((word) => word !== ''),
      isAuthorised,
      ...(temperature === '' ? {} : { temperature: Number(temperature) }),
      ...(maxTokens === '' ? {} : { maxTokens: Number(maxTokens) }),
    };
    try {
      for await (const event of streamed<ReplyEvent & { readonly ms: number }>('/api/models/reply', body, signal)) {
        last(index, (said) => heard(said, event));
      }
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      last(index, (said) => ({ ...said, ...(signal.aborted ? { ended: 'stopped' } : { error }) }));
    }
  };

  const send = (event: FormEvent): void => {
    event.preventDefault();
    if (draft.trim() === '' || isBusy) return;
    const own = new AbortController();
    control.current = own;
    setIsBusy(true);
    setDraft('');
    void Promise.all(sides.map((side, index) => ask(index, side, draft, own.signal))).finally(() => setIsBusy(false));
  };

  return (
    <>
      <div className="head">
        <h1>Playground</h1>
        <div className="head-actions">
          {sides.length === 1 ? (
            <button type="button" onClick={() => setSides((old) => [...old, { ...old[0]!, said: old[0]!.said }])}>
              Side by side
            </button>
          ) : (
            <button type="button" onClick={() => setSides((old) => old.slice(0, 1))}>
              One model
            </button>
          )}
          <button type="button" onClick={() => setSides((old) => old.map((side) => ({ ...side, said: [] })))}>
            New conversation
          </button>
        </div>
      </div>
      <datalist id="talking-models">
        {[
          ...new Set([...(models.value?.named ?? []), ...(models.value?.recent ?? []), ...(models.value?.demos ?? [])]),
        ].map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
      <Failure error={models.error} />
      <div className={`sides is-${sides.length}`}>
        {sides.map((side, index) => (
          <section key={index} className="card" aria-label={`Conversation ${index + 1}`}>
            <div className="fields">
              <Field
                label="Model"
                about={isOpen ? 'A name of the configuration' : 'An address, a folder, a name of the configuration'}
              >
                {(ids) => (
                  <input
                    {...ids}
                    list="talking-models"
                    value={side.model}
                    onChange={(event) => change(index, (old) => ({ ...old, model: event.target.value }))}
                  />
                )}
              </Field>
              <Field label="Guard: blocked words" about="Empty: no guard">
                {(ids) => (
                  <input
                    {...ids}
                    value={side.keywords}
                    placeholder="canary, grimroot"
                    onChange={(event) => change(index, (old) => ({ ...old, keywords: event.target.value }))}
                  />
                )}
              </Field>
            </div>
            <ol className="turns" aria-live="polite">
              {side.said.map((said, i) => (
                <SaidView key={i} said={said} />
              ))}
            </ol>
            {side.said.length === 0 && <p className="faint">Nothing said yet.</p>}
          </section>
        ))}
      </div>
      <form className="ask" onSubmit={send}>
        <Field label="Your words">
          {(ids) => (
            <textarea
              {...ids}
              rows={3}
              value={draft}
              onChange={(event) => setDraft(event.target.value)}
              onKeyDown={(event) => {
                if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) send(event);
              }}
            />
          )}
        </Field>
        <div className="filters">
          <button className="is-first" disabled={isBusy || draft.trim() === ''}>
            Send
          </button>
          {isBusy && (
            <button type="button" onClick={() => control.current?.abort()}>
              Stop
            </button>
          )}
          <label className="inline">
            Temperature{' '}
            <input
              type="number"
              className="is-short"
              min="0"
              max="5"
              step="any"
              placeholder="model’s"
              value={temperature}
              onChange={(event) => setTemperature(event.target.value)}
            />
          </label>
          <label className="inline">
            Most tokens{' '}
            <input
              type="number"
              className="is-short"
              min="1"
              value={maxTokens}
              onChange={(event) => setMaxTokens(event.target.value)}
            />
          </label>
          <label className="inline">
            <input type="checkbox" checked={isAuthorised} onChange={(event) => setIsAuthorised(event.target.checked)} />{' '}
            May go to other hosts
          </label>
          <span className="faint keys">
            <kbd>Ctrl</kbd> <kbd>Enter</kbd> sends
          </span>
        </div>
      </form>
    </>
  );
}

/** A reply with one more event in it. */
export function heard(said: Said, event: ReplyEvent & { readonly ms: number }): Said {
  const { ms } = event;
  switch (event.type) {
    case 'text':
      return { ...said, content: said.content + event.text, ms };
    case 'reasoning':
      return { ...said, reasoning: (said.reasoning ?? '') + event.text, ms };
    case 'tool-call':
      return {
        ...said,
        content: `${said.content}\n[calls ${event.call.tool} with ${JSON.stringify(event.call.input)}]`,
        ms,
      };
    case 'verdict':
      return { ...said, verdicts: [...(said.verdicts ?? []), event], ms };
    case 'end':
      return { ...said, ended: event.reason, ms };
  }
}

function SaidView({ said }: { readonly said: Said }) {
  const { role, content, reasoning, verdicts = [], ended, ms, error } = said;
  return (
    <li className={`turn is-${role}`}>
      <div className="turn-head">
        <span>{role === 'assistant' ? 'Reply' : role === 'user' ? 'You' : 'System'}</span>
        {role === 'assistant' && (
          <span>
            {ended === 'blocked' && <Badge kind="breach">blocked</Badge>}{' '}
            {ended !== undefined && ended !== 'blocked' && ended !== 'stop' && (
              <Badge kind="undetermined">{ended}</Badge>
            )}{' '}
            {ms === undefined ? (error === undefined && ended === undefined ? '…' : '') : duration(ms)}
          </span>
        )}
      </div>
      {reasoning !== undefined && (
        <details className="turn-text">
          <summary>Reasoning</summary>
          <Quoted text={reasoning} />
        </details>
      )}
      <div className="turn-text">
        <Quoted text={content} />
      </div>
      {verdicts.map((verdict, index) => (
        <div key={index} className="verdict">
          <Badge kind={verdict.blocked ? 'breach' : 'safe'}>{verdict.blocked ? 'blocked' : 'passed'}</Badge>{' '}
          <span className="mono">{verdict.guard}</span>: <Quoted text={verdict.why} />{' '}
          <span className="faint">
            score {verdict.score} against {verdict.threshold}, {duration(verdict.costMs)}
          </span>
        </div>
      ))}
      <Failure error={error} />
    </li>
  );
}
