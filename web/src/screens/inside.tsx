/**
 * Inside a model with open weights: any place of it over a text, token by token; who attends to whom; what each block
 * would say; and what is said when its stream is pushed along a direction.
 */
import { type ReactNode, useState } from 'react';
import type { InsideModel } from '../../../src/server/types.ts';
import { api, take } from '../api.ts';
import { Card, Empty, Failure, Field, Tabs } from '../parts/basics.tsx';
import { heat } from '../parts/figure.tsx';
import { Quoted } from '../parts/text.tsx';
import { go, useRoute, withQuery } from '../route.tsx';
import { useMay } from '../self.ts';

export function InsidePage() {
  const { query } = useRoute();
  const may = useMay('operator');
  const [address, setAddress] = useState(query.get('model') ?? '');
  const [inside, setInside] = useState<{ readonly address: string; readonly model: InsideModel }>();
  const work = useWork();
  if (!may) return <Empty>Looking inside a model needs the role operator.</Empty>;
  const tab = query.get('look') ?? 'heat';
  const open = (): void =>
    work.run(async () => {
      const model = await take(api.inside.open.$post({ json: { model: address } }));
      setInside({ address, model });
      go(withQuery(query, { model: address }), 'replace');
    });
  return (
    <>
      <div className="head">
        <h1>Inside</h1>
      </div>
      <form
        className="filters"
        onSubmit={(event) => {
          event.preventDefault();
          open();
        }}
      >
        <input
          type="search"
          aria-label="Model"
          placeholder="A model folder, hf:org/name, or a name of the configuration"
          value={address}
          onChange={(event) => setAddress(event.target.value)}
        />
        <button className="is-first" disabled={address === '' || work.isBusy}>
          {work.isBusy ? 'Opening …' : 'Open'}
        </button>
      </form>
      <Failure error={work.error} />
      {inside === undefined ? (
        <Empty>Open a model whose weights are here.</Empty>
      ) : (
        <>
          <p className="faint">
            {inside.model.architecture}, {count(inside.model.layers, 'block')} of {count(inside.model.heads, 'head')},
            width {inside.model.width}, vocabulary {inside.model.vocabulary}, context {inside.model.context}
          </p>
          <div className="tab-line">
            <Tabs
              label="Ways to look"
              current={tab}
              onPick={(look) => go(withQuery(query, { look }), 'replace')}
              tabs={[
                { id: 'heat', title: 'Token heat' },
                { id: 'attention', title: 'Attention' },
                { id: 'lens', title: 'Logit lens' },
                { id: 'steer', title: 'Steering' },
              ]}
            />
          </div>
          {tab === 'heat' && <HeatPanel {...inside} />}
          {tab === 'attention' && <AttentionPanel {...inside} />}
          {tab === 'lens' && <LensPanel {...inside} />}
          {tab === 'steer' && <SteerPanel {...inside} />}
        </>
      )}
    </>
  );
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

interface PanelProps {
  readonly address: string;
  readonly model: InsideModel;
}

/** One thing at a time, with its failure. */
function useWork(): {
  readonly isBusy: boolean;
  readonly error: Error | undefined;
  readonly run: (body: () => Promise<void>) => void;
} {
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<Error>();
  const run = (body: () => Promise<void>): void => {
    setIsBusy(true);
    setError(undefined);
    body()
      .catch((cause: unknown) => setError(cause instanceof Error ? cause : new Error(String(cause))))
      .finally(() => setIsBusy(false));
  };
  return { isBusy, error, run };
}

const example = 'The keeper of the gate has a key.';

function Look({
  text,
  onText,
  isBusy,
  error,
  onLook,
  children,
}: {
  readonly text: string;
  readonly onText: (text: string) => void;
  readonly isBusy: boolean;
  readonly error: Error | undefined;
  readonly onLook: () => void;
  readonly children?: ReactNode;
}) {
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onLook();
      }}
    >
      <Field label="Text">
        {(ids) => <textarea {...ids} rows={2} value={text} onChange={(event) => onText(event.target.value)} />}
      </Field>
      <div className="filters">
        {children}
        <button className="is-first" disabled={isBusy || text === ''}>
          {isBusy ? 'Looking …' : 'Look'}
        </button>
      </div>
      <Failure error={error} />
    </form>
  );
}

function Layers({
  value,
  count,
  onPick,
  label = 'Block',
}: {
  readonly value: number;
  readonly count: number;
  readonly onPick: (layer: number) => void;
  readonly label?: string;
}) {
  return (
    <label className="inline">
      {label}{' '}
      <select value={value} onChange={(event) => onPick(Number(event.target.value))}>
        {Array.from({ length: count }, (_, layer) => (
          <option key={layer} value={layer}>
            {layer}
          </option>
        ))}
      </select>
    </label>
  );
}

function HeatPanel({ address, model }: PanelProps) {
  const [text, setText] = useState(example);
  const [layer, setLayer] = useState(0);
  const [kind, setKind] = useState('resid_post');
  const [unit, setUnit] = useState('');
  const [seen, setSeen] = useState<{
    readonly tokens: readonly string[];
    readonly values: readonly number[];
    readonly units: number;
    readonly what: string;
  }>();
  const work = useWork();
  const isBlock = model.blockSites.includes(kind);
  const site = isBlock ? `blocks.${layer}.${kind}` : kind;
  const look = (): void =>
    work.run(async () => {
      const found = await take(
        api.inside.heat.$post({ json: { model: address, text, site, ...(unit === '' ? {} : { unit: Number(unit) }) } }),
      );
      setSeen({ ...found, what: unit === '' ? `length of ${site}` : `${site}, unit ${unit}` });
    });
  const sites = model.blockSites.filter((each) => !/attn\.(pattern|attn_scores)$/.test(each));
  const most = Math.max(1e-9, ...(seen?.values ?? []).map(Math.abs));
  const isSigned = (seen?.values ?? []).some((value) => value < 0);
  return (
    <Card title="Token by token">
      <Look text={text} onText={setText} isBusy={work.isBusy} error={work.error} onLook={look}>
        <label className="inline">
          Place{' '}
          <select value={kind} onChange={(event) => setKind(event.target.value)}>
            {[...sites, ...model.otherSites].map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        {isBlock && <Layers value={layer} count={model.layers} onPick={setLayer} />}
        <label className="inline">
          Unit{' '}
          <input
            type="number"
            className="is-short"
            min="0"
            placeholder="length"
            value={unit}
            onChange={(event) => setUnit(event.target.value)}
          />
        </label>
      </Look>
      {seen !== undefined && (
        <>
          <p className="faint">
            {seen.what}; strongest {most.toPrecision(3)}
            {isSigned ? '; blue is negative' : ''}
          </p>
          <p className="tokens">
            {seen.tokens.map((token, index) => (
              <span
                key={index}
                className="token"
                title={String(seen.values[index])}
                style={heat(seen.values[index]! / most, isSigned ? 'diverging' : 'sequential')}
              >
                <Quoted text={token} />
                <span className="unsaid"> {seen.values[index]}; </span>
              </span>
            ))}
          </p>
        </>
      )}
    </Card>
  );
}

function AttentionPanel({ address, model }: PanelProps) {
  const [text, setText] = useState(example);
  const [layer, setLayer] = useState(0);
  const [head, setHead] = useState(0);
  const [picked, setPicked] = useState<number>();
  const [seen, setSeen] = useState<{
    readonly tokens: readonly string[];
    readonly patterns: readonly (readonly (readonly number[])[])[];
  }>();
  const work = useWork();
  const look = (at = layer): void =>
    work.run(async () =>
      setSeen(await take(api.inside.attention.$post({ json: { model: address, text, layer: at } }))),
    );
  const pattern = seen?.patterns[head];
  return (
    <Card title="Who attends to whom">
      <Look text={text} onText={setText} isBusy={work.isBusy} error={work.error} onLook={() => look()}>
        <Layers
          value={layer}
          count={model.layers}
          onPick={(next) => {
            setLayer(next);
            if (seen !== undefined) look(next);
          }}
        />
        <Layers label="Head" value={head} count={model.heads} onPick={setHead} />
      </Look>
      {seen !== undefined && pattern !== undefined && (
        <>
          <p className="faint">Each row is a token, each column what it attends to; rows sum to 1.</p>
          <div className="scroll-x" tabIndex={0} role="region" aria-label={`Attention of block ${layer}, head ${head}`}>
            <table className="matrix attention">
              <thead>
                <tr>
                  <td />
                  {seen.tokens.map((token, index) => (
                    <th key={index} scope="col">
                      <Quoted text={token} />
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {pattern.map((row, q) => (
                  <tr key={q} className={picked === q ? 'is-picked' : ''} onClick={() => setPicked(q)}>
                    <th scope="row">
                      <Quoted text={seen.tokens[q]!} />
                    </th>
                    {row.map((value, k) => (
                      <td
                        key={k}
                        style={heat(value / 1000)}
                        title={`${seen.tokens[q]} to ${seen.tokens[k]}: ${value / 1000}`}
                      >
                        <span className={value < 50 ? 'unsaid' : ''}>
                          {value === 0 ? '' : (value / 1000).toFixed(2).slice(1)}
                        </span>
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </Card>
  );
}

function LensPanel({ address }: PanelProps) {
  const [text, setText] = useState(example);
  const [seen, setSeen] = useState<{
    readonly tokens: readonly string[];
    readonly layers: readonly (readonly (readonly { readonly token: string; readonly p: number }[])[])[];
  }>();
  const work = useWork();
  const look = (): void =>
    work.run(async () => setSeen(await take(api.inside.lens.$post({ json: { model: address, text, top: 3 } }))));
  return (
    <Card title="What each block would say next">
      <Look text={text} onText={setText} isBusy={work.isBusy} error={work.error} onLook={look} />
      {seen !== undefined && (
        <>
          <p className="faint">
            The stream behind each block, read through the model’s own last norm and unembedding. The bottom row is the
            model’s own word.
          </p>
          <div className="scroll-x" tabIndex={0} role="region" aria-label="Logit lens">
            <table className="matrix">
              <thead>
                <tr>
                  <th scope="col">Block</th>
                  {seen.tokens.map((token, index) => (
                    <th key={index} scope="col">
                      <Quoted text={token} />
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {seen.layers.map((row, layer) => (
                  <tr key={layer}>
                    <th scope="row">{layer}</th>
                    {row.map((top, position) => (
                      <td
                        key={position}
                        style={heat(top[0]?.p ?? 0)}
                        title={top
                          .map(({ token, p }) => `${JSON.stringify(token)} ${(100 * p).toFixed(1)} %`)
                          .join('\n')}
                      >
                        <Quoted text={top[0]?.token ?? ''} />
                        <div className="faint">{(100 * (top[0]?.p ?? 0)).toFixed(0)} %</div>
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </Card>
  );
}

function SteerPanel({ address, model }: PanelProps) {
  const [prompt, setPrompt] = useState(example);
  const [towards, setTowards] = useState('I love this. How wonderful.');
  const [away, setAway] = useState('I hate this. How terrible.');
  const [layer, setLayer] = useState(Math.floor(model.layers / 2));
  const [strength, setStrength] = useState(0);
  const [seen, setSeen] = useState<
    readonly {
      readonly strength: number;
      readonly text: string;
      readonly directionNorm: number;
      readonly streamNorm: number;
    }[]
  >([]);
  const work = useWork();
  const steer = (by: number): void =>
    work.run(async () => {
      const found = await take(
        api.inside.steer.$post({ json: { model: address, prompt, towards, away, layer, strength: by, tokens: 16 } }),
      );
      setSeen((old) => [{ strength: by, ...found }, ...old.filter((each) => each.strength !== by)].slice(0, 12));
    });
  return (
    <Card title="Push the stream along a direction">
      <div className="fields">
        <Field label="Towards">
          {(ids) => <textarea {...ids} rows={2} value={towards} onChange={(event) => setTowards(event.target.value)} />}
        </Field>
        <Field label="Away from">
          {(ids) => <textarea {...ids} rows={2} value={away} onChange={(event) => setAway(event.target.value)} />}
        </Field>
      </div>
      <Field label="The model goes on from">
        {(ids) => <textarea {...ids} rows={2} value={prompt} onChange={(event) => setPrompt(event.target.value)} />}
      </Field>
      <div className="filters">
        <Layers value={layer} count={model.layers} onPick={setLayer} />
        <label className="inline steer">
          Strength{' '}
          <input
            type="range"
            min="-10"
            max="10"
            step="0.5"
            value={strength}
            onChange={(event) => setStrength(Number(event.target.value))}
            onPointerUp={(event) => steer(Number(event.currentTarget.value))}
            onKeyUp={(event) => steer(Number(event.currentTarget.value))}
          />
          <output>{strength}</output>
        </label>
        <button type="button" className="is-first" disabled={work.isBusy} onClick={() => steer(strength)}>
          {work.isBusy ? 'Going on …' : 'Go on'}
        </button>
      </div>
      <Failure error={work.error} />
      {seen.length > 0 && (
        <div className="scroll-x" tabIndex={0} role="region" aria-label="What it says">
          <table>
            <thead>
              <tr>
                <th scope="col" className="number">
                  Strength
                </th>
                <th scope="col">It goes on</th>
                <th scope="col" className="number">
                  Push against stream
                </th>
              </tr>
            </thead>
            <tbody>
              {[...seen]
                .sort((a, b) => a.strength - b.strength)
                .map((each) => (
                  <tr key={each.strength}>
                    <th scope="row" className="number">
                      {each.strength}
                    </th>
                    <td className="steered">
                      <Quoted text={each.text} />
                    </td>
                    <td className="number">
                      {Math.abs(each.strength * each.directionNorm).toPrecision(2)} / {each.streamNorm.toPrecision(2)}
                    </td>
                  </tr>
                ))}
            </tbody>
          </table>
        </div>
      )}
      <p className="faint">
        The direction is the mean stream over the first text less that over the second, added behind the block at every
        position. The model goes on greedily.
      </p>
    </Card>
  );
}
