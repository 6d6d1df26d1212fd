/** A form for any method, made from the schema of its parameters and the roles that it needs. */
import { type FormEvent, useState } from 'react';
import type { Json, ParamProperty, ParamSchema } from '../../../src/server/types.ts';
import { api, ApiError, take } from '../api.ts';
import { useLoad } from '../data.ts';
import { Card, Empty, Failure, Field } from '../parts/basics.tsx';
import { go, useRoute, withQuery } from '../route.tsx';
import { useMay, useSelf } from '../self.ts';

export function StartPage() {
  const { query } = useRoute();
  const id = query.get('method') ?? '';
  const may = useMay('operator');
  const methods = useLoad('methods', () => take(api.methods.$get()));
  if (!may) return <Empty>Starting a run needs the role operator.</Empty>;
  return (
    <>
      <div className="head">
        <h1>Start a run</h1>
      </div>
      <Failure error={methods.error} />
      <Field label="Method">
        {(ids) => (
          <select
            {...ids}
            value={id}
            onChange={(event) => go(withQuery(query, { method: event.target.value }), 'replace')}
          >
            <option value="">Choose a method</option>
            {methods.value?.items.map((method) => (
              <option key={method.id} value={method.id}>
                {method.id}: {method.title}
              </option>
            ))}
          </select>
        )}
      </Field>
      {id !== '' && <MethodForm key={id} id={id} />}
    </>
  );
}

function MethodForm({ id }: { readonly id: string }) {
  const [family = '', name = ''] = id.split('/');
  const { value: method, error } = useLoad(id, () =>
    take(api.methods[':family'][':name'].$get({ param: { family, name } })),
  );
  const { isOpen } = useSelf();
  const [isDemo, setIsDemo] = useState(true);
  const [failure, setFailure] = useState<Error>();
  const [isBusy, setIsBusy] = useState(false);
  if (method === undefined) return <Failure error={error} />;
  const schema = method.params as ParamSchema;

  const send = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setIsBusy(true);
    setFailure(undefined);
    try {
      const text = (field: string): string => String(form.get(field) ?? '').trim();
      const params: Record<string, Json> = {};
      for (const [field, property] of Object.entries(schema.properties ?? {})) {
        const read = readField(property, text(`param ${field}`), form.get(`param ${field}`) !== null);
        if (read !== undefined) params[field] = read;
      }
      const fillings: Record<string, string | string[]> = {};
      const rows: Record<string, Json[]> = {};
      for (const { role, kind } of isDemo ? [] : method.needs) {
        if (kind === 'labeller') continue;
        const inline = text(`rows ${role}`);
        if (kind === 'data' && inline !== '') rows[role] = readRows(inline);
        const filling = text(`role ${role}`);
        if (filling !== '') fillings[role] = kind === 'models' ? filling.split(/[\s,]+/) : filling;
      }
      const seed = text('seed');
      const replicate = text('replicate');
      const { run } = await take(
        api.runs.$post({
          json: {
            method: id,
            params,
            fillings,
            rows,
            isDemo,
            isAuthorised: form.get('authorised') !== null,
            ...(seed === '' ? {} : { seed: /^\d+$/.test(seed) ? Number(seed) : seed }),
            ...(replicate === '' ? {} : { replicate: Number(replicate) }),
          },
        }),
      );
      go(`/runs/${run}`);
    } catch (cause) {
      setFailure(cause instanceof Error ? cause : new Error(String(cause)));
    } finally {
      setIsBusy(false);
    }
  };

  return (
    <form onSubmit={(event) => void send(event)}>
      <Card title={method.title}>
        <p>{method.question}</p>
        <fieldset className="choice">
          <legend>Models and data</legend>
          <label className="inline">
            <input type="radio" name="source" checked={isDemo} onChange={() => setIsDemo(true)} /> The method’s
            demonstration: a planted truth, no key, no network
          </label>
          <label className="inline">
            <input type="radio" name="source" checked={!isDemo} onChange={() => setIsDemo(false)} /> My own
          </label>
        </fieldset>
        {!isDemo &&
          method.needs.map(({ role, kind, title, isOptional, access }) =>
            kind === 'labeller' ? (
              <p key={role} className="faint">
                {role}: people, asked while it runs.
              </p>
            ) : kind === 'data' ? (
              <div key={role}>
                <Field label={`${role}: rows, one JSON object a line${isOptional ? ' (optional)' : ''}`} about={title}>
                  {(ids) => <textarea {...ids} name={`rows ${role}`} rows={5} spellCheck={false} className="mono" />}
                </Field>
                {!isOpen && (
                  <Field label={`${role}: or a file on this machine`}>
                    {(ids) => <input {...ids} name={`role ${role}`} placeholder="rows.jsonl" />}
                  </Field>
                )}
              </div>
            ) : (
              <Field
                key={role}
                label={`${role}: ${title}${isOptional ? ' (optional)' : ''}`}
                about={`A model of access ${access ?? 'chat'}${kind === 'models' ? '; several, parted by spaces' : ''}`}
              >
                {(ids) => (
                  <input
                    {...ids}
                    name={`role ${role}`}
                    list="models"
                    required={!isOptional}
                    placeholder="openai-compatible:http://127.0.0.1:8000/v1#name"
                  />
                )}
              </Field>
            ),
          )}
        <datalist id="models">
          {[...new Set(method.models)].map((model) => (
            <option key={model} value={model} />
          ))}
        </datalist>
      </Card>
      <Card title="Parameters">
        <div className="fields">
          {Object.entries(schema.properties ?? {}).map(([field, property]) => (
            <Param
              key={`${field} ${isDemo}`}
              name={field}
              property={property}
              initial={
                (isDemo ? method.demo[field] : (method.configured[field] ?? property.default)) as Json | undefined
              }
            />
          ))}
        </div>
      </Card>
      <Card title="Sample">
        <div className="fields">
          <Field label="Seed" about="A number or a word; the same seed is the same run">
            {(ids) => <input {...ids} name="seed" />}
          </Field>
          <Field label="Replicate" about="1, 2, …: another sample of the same run">
            {(ids) => <input {...ids} name="replicate" type="number" min="0" />}
          </Field>
        </div>
        {!isDemo && (
          <label className="inline">
            <input type="checkbox" name="authorised" /> I may send this to hosts that are not this machine
          </label>
        )}
      </Card>
      <Failure error={failure} />
      <p>
        <button className="is-first" disabled={isBusy}>
          {isBusy ? 'Starting …' : 'Start'}
        </button>
      </p>
    </form>
  );
}

function Param({
  name,
  property,
  initial,
}: {
  readonly name: string;
  readonly property: ParamProperty;
  readonly initial: Json | undefined;
}) {
  const field = `param ${name}`;
  const about = property.description ?? '';
  if (property.type === 'boolean') {
    return (
      <Field label={name} about={about}>
        {(ids) => <input {...ids} type="checkbox" name={field} defaultChecked={initial === true} />}
      </Field>
    );
  }
  if (property.enum !== undefined) {
    return (
      <Field label={name} about={about}>
        {(ids) => (
          <select {...ids} name={field} defaultValue={initial === undefined ? '' : String(initial)}>
            {property.enum!.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        )}
      </Field>
    );
  }
  if (property.type === 'number' || property.type === 'integer') {
    const { minimum, maximum } = property;
    // The schema's bounds of a safe integer say nothing to a person.
    const bound = (value: number | undefined): number | undefined =>
      value === undefined || Math.abs(value) > 1e12 ? undefined : value;
    return (
      <Field label={name} about={about}>
        {(ids) => (
          <input
            {...ids}
            type="number"
            name={field}
            step={property.type === 'integer' ? 1 : 'any'}
            min={bound(minimum)}
            max={bound(maximum)}
            defaultValue={typeof initial === 'number' ? initial : ''}
          />
        )}
      </Field>
    );
  }
  const text =
    initial === undefined || initial === null ? '' : typeof initial === 'string' ? initial : JSON.stringify(initial);
  const isText = property.type === 'string';
  return (
    <Field label={name} about={isText ? about : `${about} (JSON)`}>
      {(ids) => (
        <input {...ids} name={field} defaultValue={text} spellCheck={isText} className={isText ? '' : 'mono'} />
      )}
    </Field>
  );
}

function readField(property: ParamProperty, text: string, isThere: boolean): Json | undefined {
  if (property.type === 'boolean') return isThere;
  if (text === '') return undefined;
  if (property.type === 'number' || property.type === 'integer') return Number(text);
  if (property.type === 'string') return text;
  if (property.enum !== undefined) return property.enum.find((each) => String(each) === text) ?? text;
  return parse(text, 'a parameter');
}

function readRows(text: string): Json[] {
  if (text.startsWith('[')) {
    const list = parse(text, 'the rows');
    if (Array.isArray(list)) return [...(list as readonly Json[])];
  }
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, index) => parse(line, `row ${index + 1}`));
}

function parse(text: string, what: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new ApiError(
      'web.no-json',
      `${what} is no JSON: ${text.slice(0, 60)}`,
      'Text inside JSON stands in double quotes.',
    );
  }
}
