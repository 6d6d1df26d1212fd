/**
 * Where models send what they are asked, said before anything is sent.
 *
 * An endpoint counts as this machine only by a loopback address or the name `localhost` (RFC 6761 section 6.3); a private
 * network is somebody else's machine. A command or a function is the user's own code: it runs here, and what it sends
 * on is not known to this program.
 */
import type { Endpoint, Model } from './model.ts';

export interface Egress {
  readonly modelId: string;
  readonly kind: 'in-process' | Endpoint['kind'];
  /** The endpoint's address without credentials or query; the command or function; empty for in-process models. */
  readonly address: string;
  readonly host?: string;
  /** Nothing leaves this machine through this program. */
  readonly isLocal: boolean;
  /** One sentence for a person. */
  readonly sentence: string;
}

/**
 * @example describeEgress([model])[0]?.sentence // 'openai:x is asked at api.openai.com, which is not this machine.'
 */
export function describeEgress(models: Iterable<Model>): Egress[] {
  const seen = new Map<string, Egress>();
  for (const model of models) if (!seen.has(model.id)) seen.set(model.id, describe(model));
  return [...seen.values()];
}

function describe({ id, endpoint }: Model): Egress {
  if (endpoint === undefined) {
    return { modelId: id, kind: 'in-process', address: '', isLocal: true, sentence: `${id} runs in this process.` };
  }
  const { kind, address, host } = endpoint;
  if (kind !== 'http' || host === undefined) {
    return {
      modelId: id,
      kind,
      address,
      isLocal: true,
      sentence: `${id} is your own ${kind} on this machine; what it sends on is up to it.`,
    };
  }
  const isLocal = isLoopback(host);
  return {
    modelId: id,
    kind,
    address,
    host,
    isLocal,
    sentence: `${id} is asked at ${host}, which is ${isLocal ? '' : 'not '}this machine.`,
  };
}

/** Whether a host name or address, as `URL.hostname` gives it, is this machine's loopback. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    /^127(\.\d{1,3}){3}$/.test(name) ||
    name === '::1' ||
    /^::ffff:(127\.|7f[0-9a-f]{2}:)/.test(name)
  );
}
