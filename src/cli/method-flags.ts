/**
 * A method's own flags from its schema and roles: `--attempts <n>` from a number, `--no-baseline` from a boolean,
 * `--target <model>` from a role. Help, completion and the run read the same list.
 */
import { Command, Option } from 'commander';
import { z } from 'zod';
import { FiducialError } from '../core/errors.ts';
import type { AnyMethod } from '../methods/method.ts';
import type { Filling } from '../workbench/open-models.ts';

export interface ParamFlag {
  /** The parameter's name. */
  readonly name: string;
  readonly flag: string;
  readonly kind: 'number' | 'boolean' | 'text' | 'list' | 'json';
  readonly about: string;
  readonly choices?: readonly string[];
  readonly initial?: unknown;
}

interface Property {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly items?: { readonly type?: string };
}

/** The parameters of a method as flags. */
export function paramFlags(method: AnyMethod): ParamFlag[] {
  const schema = z.toJSONSchema(method.params, { io: 'input', unrepresentable: 'any' });
  return Object.entries((schema.properties ?? {}) as Record<string, Property>).map(([name, property]) => ({
    name,
    flag: name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
    kind: kindOf(property),
    about: property.description ?? '',
    ...(property.enum === undefined ? {} : { choices: property.enum.map(String) }),
    ...(property.default === undefined ? {} : { initial: property.default }),
  }));
}

function kindOf({ type, items }: Property): ParamFlag['kind'] {
  if (type === 'number' || type === 'integer') return 'number';
  if (type === 'boolean') return 'boolean';
  if (type === 'array' && items?.type !== 'object') return 'list';
  return type === 'object' || type === 'array' ? 'json' : 'text';
}

/** Adds roles and parameters of a method to a command. A role and a parameter of one name share the flag's word. */
export function addMethodFlags(command: Command, method: AnyMethod): void {
  for (const [role, need] of Object.entries(method.needs)) {
    if (need.kind === 'labeller') continue;
    const what = need.kind === 'data' ? 'file' : need.kind === 'models' ? 'model...' : 'model';
    const flag = roleFlag(method, role);
    command.addOption(new Option(`--${flag} <${what}>`, `${need.title}${need.isOptional ? ' (optional)' : ''}`));
  }
  addParamFlags(command, method);
}

/** Adds the parameters of a method alone. */
export function addParamFlags(command: Command, method: AnyMethod): void {
  for (const param of paramFlags(method)) {
    const initial = param.initial === undefined ? '' : ` (default: ${JSON.stringify(param.initial)})`;
    if (param.kind === 'boolean') {
      command.addOption(new Option(`--${param.flag}`, `${param.about}${initial}`));
      command.addOption(new Option(`--no-${param.flag}`, `not: ${param.about}`).hideHelp());
      continue;
    }
    const word = { number: 'n', text: 'text', list: 'value...', json: 'json' }[param.kind];
    const option = new Option(`--${param.flag} <${word}>`, `${param.about}${initial}`);
    if (param.choices !== undefined) option.choices([...param.choices]);
    command.addOption(option);
  }
}

/** The flag of a role: its name, or with `-model` / `-file` after it where a parameter has that name. */
export function roleFlag(method: AnyMethod, role: string): string {
  const own = role.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const isTaken = paramFlags(method).some(({ flag }) => flag === own);
  return isTaken ? `${own}-${method.needs[role]!.kind === 'data' ? 'file' : 'model'}` : own;
}

/** What the flags say. @throws FiducialError `cli.bad-flag` */
export function readMethodFlags(
  method: AnyMethod,
  flags: Readonly<Record<string, unknown>>,
): { readonly params: Record<string, unknown>; readonly fillings: Record<string, Filling> } {
  const params: Record<string, unknown> = {};
  for (const { name, flag, kind } of paramFlags(method)) {
    const value = flags[camel(flag)];
    if (value !== undefined) params[name] = valueOf(flag, kind, value);
  }
  const fillings: Record<string, Filling> = {};
  for (const role of Object.keys(method.needs)) {
    const value = flags[camel(roleFlag(method, role))];
    if (typeof value === 'string' || Array.isArray(value)) fillings[role] = value as Filling;
  }
  return { params, fillings };
}

function valueOf(flag: string, kind: ParamFlag['kind'], value: unknown): unknown {
  if (kind === 'boolean' || kind === 'text') return value;
  if (kind === 'list') return (value as string[]).flatMap((each) => each.split(',')).map(scalar);
  const text = String(value);
  if (kind === 'number') {
    if (text.trim() !== '' && Number.isFinite(Number(text))) return Number(text);
    throw new FiducialError('cli.bad-flag', `--${flag} ${JSON.stringify(text)} is no number`, 'Give a number.');
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new FiducialError('cli.bad-flag', `--${flag} ${JSON.stringify(text)} is no JSON`, 'Quote it for the shell.', {
      cause,
    });
  }
}

function scalar(text: string): string | number {
  return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

function camel(flag: string): string {
  return flag.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
