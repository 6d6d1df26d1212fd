/**
 * The activations of a model as it reads an exchange: what a probe is trained on, and what it screens while a guarded
 * model writes.
 *
 * The exchange is the prompt by the model's own chat template with the reply behind it, as the model itself would have
 * written it; the positions are those of the reply's tokens. While a reply streams, the whole exchange is read again
 * every so many words, since a generator's cache is not shared: the cost in tokens grows with the reply.
 */
import type { Ask } from '../../models/model.ts';
import type { OpenModel } from '../../models/open/index.ts';
import { encodeContinuation, promptOf } from '../../models/open/prompt.ts';
import { guardHash } from '../../models/guard/index.ts';
import { type ActivationProbe, probeScores } from './activation-probe.ts';
import type { Screen } from './cascade-guard.ts';
import { base64Of, bytesOf } from './text-classifier.ts';
import { FiducialError, show } from '../../core/errors.ts';
import type { Model } from '../../models/model.ts';

/** The residual stream behind every layer. */
export function residualSites({ network }: Pick<OpenModel, 'network'>): string[] {
  return Array.from({ length: network.description.layers }, (_, layer) => `blocks.${layer}.resid_post`);
}

/**
 * Activations at the reply's tokens, one array [tokens, sites x width] an exchange; empty where a reply has no token.
 *
 * @example await exchangeActivations(model, residualSites(model), [{ ask, reply: 'Take some ...' }])
 */
export async function exchangeActivations(
  model: OpenModel,
  sites: readonly string[],
  exchanges: readonly { readonly ask: Ask; readonly reply: string }[],
): Promise<Float32Array[]> {
  const encoded = exchanges.map(({ ask, reply }) => {
    const { ids, prefix } = promptOf(
      ask,
      model.tokenizer,
      model.tokenizer.chatTemplate === undefined ? 'plain' : 'template',
      model.id,
    );
    const before = [...ids, ...prefix];
    return { before: before.length, all: [...before, ...encodeContinuation(model.tokenizer, reply, before.at(-1))] };
  });
  const wanted = encoded
    .map(({ before, all }, i) => ({ before, all, i }))
    .filter(({ before, all }) => all.length > before);
  const results = await model.network.run(
    wanted.map(({ all }) => all),
    { read: sites, withoutLogits: true },
  );
  const found = exchanges.map(() => new Float32Array(0));
  wanted.forEach(({ before, all, i }, at) => {
    const values = sites.map((site) => results[at]!.values[site]!);
    const width = values[0]!.shape.at(-1)!;
    const tokens = all.length - before;
    const joined = new Float32Array(tokens * sites.length * width);
    values.forEach((value, s) => {
      const rows = value.data as Float32Array; // [time, width]
      for (let t = 0; t < tokens; t++) {
        joined.set(rows.subarray((before + t) * width, (before + t + 1) * width), (t * sites.length + s) * width);
      }
    });
    found[i] = joined;
  });
  return found;
}

/**
 * A probe as a screen of the model that it was trained on.
 *
 * @param stride words after which a streaming reply is read again
 * @throws FiducialError (when a call is made) `guard.other-model` for a model with other channels
 */
export function probeScreen(probe: ActivationProbe, threshold: number, stride = 32): Screen {
  return {
    id: `probe-${guardHash(JSON.stringify([storeProbe(probe), threshold, stride]))}`,
    reads: 'weights',
    threshold,
    open(ask, inner) {
      const model = inner as OpenModel;
      const channels = probe.sites.length * model.network.description.width;
      if (channels !== probe.weights.length) throw otherModel(inner, channels, probe.weights.length);
      let reply = '';
      let unread = 0;
      let score: number | undefined;
      return {
        async read(text, isLast) {
          reply += text;
          unread += text.split(/\s+/).length - 1;
          if (reply.trim() === '' || (unread < stride && !isLast)) return score;
          unread = 0;
          const [activations] = await exchangeActivations(model, probe.sites, [{ ask, reply }]);
          return (score = probeScores(probe, activations!).at(-1) ?? score);
        },
      };
    },
  };
}

/** A probe as JSON. */
export interface StoredProbe {
  readonly sites: readonly string[];
  readonly window: number;
  readonly bias: number;
  readonly values: string;
}

export function storeProbe({ weights, ...rest }: ActivationProbe): StoredProbe {
  return { ...rest, values: base64Of(weights) };
}

/** @throws FiducialError `classifier.unreadable` for weights that are none */
export function openProbe({ values, ...rest }: StoredProbe): ActivationProbe {
  const weights = new Float32Array(bytesOf(values));
  if (weights.length === 0 || !weights.every((value) => Number.isFinite(value))) {
    throw new FiducialError(
      'classifier.unreadable',
      `This is no stored probe: ${show(rest)}`,
      'Open what guard/cascade kept.',
    );
  }
  return { ...rest, weights };
}

function otherModel(model: Model, has: number, wants: number): FiducialError {
  return new FiducialError(
    'guard.other-model',
    `The probe reads ${wants} channels, and ${model.id} has ${has} at its sites`,
    'Guard the model that the probe was trained on, or run guard/cascade on this one.',
  );
}
