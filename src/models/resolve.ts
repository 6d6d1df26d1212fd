/**
 * From an address to a model: `openai:gpt-x`, `openai-compatible:http://localhost:8000/v1#model`, `http:./target.yaml`,
 * `command:./bot --json`, `function:./bot.ts#reply`, `scripted:yes`.
 *
 * Other layers add their own prefixes (`lab:`, `open:`) and readers of bare paths (a checkpoint's folder) to a
 * registry; nothing below knows of them. A bare model name is refused: other tools send such names to a vendor's
 * gateway.
 */
import { FiducialError, nearestWord, show } from '../core/errors.ts';
import type { Model } from './model.ts';
import { command, type CommandOptions, splitCommand } from './providers/command.ts';
import { loadFunction } from './providers/function.ts';
import { readHttpTemplate } from './providers/http-template.ts';
import { scriptedModel } from './providers/scripted.ts';
import { anthropic, type EndpointOptions, google, openai, openaiCompatible } from './providers/vendors.ts';

/** Options of every kind of address; each kind reads its own. */
export interface ResolveOptions extends EndpointOptions {
  readonly command?: CommandOptions;
}

export interface AddressKind {
  /** What the address looks like, for messages and help. */
  readonly form: string;
  /** @param rest the address without its prefix */
  resolve(rest: string, options: ResolveOptions): Model | Promise<Model>;
}

export interface PathReader {
  readonly form: string;
  /** Whether this bare address (a folder, a file, a content reference) is one of its own. */
  accepts(address: string): boolean | Promise<boolean>;
  resolve(address: string, options: ResolveOptions): Model | Promise<Model>;
}

export interface Registry {
  /** @throws FiducialError `model.prefix-taken` */
  add(prefix: string, kind: AddressKind): void;
  /** Tried in the order of adding, for addresses whose prefix is not known. */
  addPaths(reader: PathReader): void;
  /** Prefixes and the forms of their addresses. */
  forms(): { readonly prefix: string; readonly form: string }[];
  resolve(address: string, options?: ResolveOptions): Promise<Model>;
}

/**
 * A registry that knows this folder's providers.
 *
 * @example const registry = createRegistry();
 * registry.add('lab', { form: 'lab:<organism>', resolve: (name) => buildOrganism(name) });
 */
export function createRegistry(): Registry {
  const kinds = new Map<string, AddressKind>(Object.entries(builtIn));
  const readers: PathReader[] = [];
  return {
    add(prefix, kind) {
      if (kinds.has(prefix)) {
        throw new FiducialError('model.prefix-taken', `The prefix ${prefix}: is taken`, 'Choose another word.');
      }
      kinds.set(prefix, kind);
    },
    addPaths: (reader) => void readers.push(reader),
    forms: () => [...kinds].map(([prefix, { form }]) => ({ prefix, form })),
    async resolve(address, options = {}) {
      const colon = address.indexOf(':');
      const prefix = colon === -1 ? '' : address.slice(0, colon);
      const rest = address.slice(colon + 1);
      const kind = kinds.get(prefix);
      if (kind !== undefined && !(prefix.startsWith('http') && rest.startsWith('//'))) {
        if (rest.trim() === '') {
          throw new FiducialError('model.invalid-address', `${show(address)} names no model`, `Write ${kind.form}.`);
        }
        return await kind.resolve(rest, options);
      }
      for (const reader of readers) if (await reader.accepts(address)) return await reader.resolve(address, options);
      throw unknownAddress(address, prefix, [...kinds.keys()]);
    },
  };
}

/**
 * The model at an address, by the providers of this folder alone.
 *
 * @throws FiducialError `model.unknown-address`, `model.invalid-address`, `model.missing-key`, and what the kinds throw
 * @example const model = await resolveModel('openai-compatible:http://localhost:8000/v1#my-model');
 */
export function resolveModel(address: string, options: ResolveOptions = {}): Promise<Model> {
  return createRegistry().resolve(address, options);
}

function unknownAddress(address: string, prefix: string, known: readonly string[]): FiducialError {
  if (/^https?:\/\//.test(address)) {
    return new FiducialError(
      'model.unknown-address',
      `${show(address)} says where, but not what speaks there`,
      `For a server with OpenAI's API write openai-compatible:${address}#model; for another one describe it: http:./target.yaml.`,
    );
  }
  const meant = nearestWord(prefix === '' ? address : prefix, known);
  if (prefix === '' && meant === undefined) {
    return new FiducialError(
      'model.unknown-address',
      `${show(address)} does not say who provides it`,
      'Write the provider first, for example openai:gpt-x; a path to a checkpoint or file must exist.',
    );
  }
  return new FiducialError(
    'model.unknown-address',
    `No model is at ${show(address)}: the prefix ${show(prefix)} is not known`,
    meant === undefined ? `Known are ${known.map((word) => `${word}:`).join(' ')}.` : `Did you mean ${meant}:?`,
  );
}

const builtIn: Readonly<Record<string, AddressKind>> = {
  openai: { form: 'openai:<model>', resolve: openai },
  anthropic: { form: 'anthropic:<model>', resolve: anthropic },
  google: { form: 'google:<model>', resolve: google },
  'openai-compatible': {
    form: 'openai-compatible:<base URL>#<model>',
    resolve(rest, options) {
      const hash = rest.lastIndexOf('#');
      if (hash <= 0 || hash === rest.length - 1) {
        throw new FiducialError(
          'model.invalid-address',
          `openai-compatible:${rest} names no model`,
          `Write openai-compatible:${hash === -1 ? rest : rest.slice(0, hash)}#<model as the server calls it>.`,
        );
      }
      return openaiCompatible(rest.slice(0, hash), rest.slice(hash + 1), options);
    },
  },
  http: { form: 'http:<template file>', resolve: (rest, options) => readHttpTemplate(rest, options) },
  command: {
    form: 'command:<program and arguments>',
    resolve: (rest, options) => command(splitCommand(rest), options.command),
  },
  function: { form: 'function:<module>#<export>', resolve: (rest) => loadFunction(rest) },
  scripted: {
    form: 'scripted:<reply to everything>',
    resolve: (rest) => scriptedModel([rest], { id: `scripted:${rest}`, after: 'repeat-last' }),
  },
};
