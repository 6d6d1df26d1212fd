/**
 * Looks inside a model: token by token, head by head, block by block, and what it says when its stream is pushed.
 *
 * The logit lens reads each block's stream through the model's own last norm and unembedding (nostalgebraist 2020), by
 * putting it in the place of the last block's. Steering adds a difference of mean activations (Turner et al. 2023,
 * Rimsky et al. 2024) at one block, at every position, while the model goes on greedily. Long texts are refused rather
 * than cut.
 */
import { FiducialError } from '../../core/errors.ts';
import { type Tensor, toHost } from '../../engine/index.ts';
import { TokenNames } from '../../models/open/token-names.ts';
import type { OpenModel } from '../../models/open/index.ts';
import { sitesOf } from '../../network/index.ts';
import type {
  Attention,
  AttentionQuestion,
  Heat,
  HeatQuestion,
  InsideAnswer,
  InsideModel,
  InsideQuestion,
  Lens,
  LensQuestion,
  Steered,
  SteerQuestion,
} from './protocol.ts';

export const longestTokens = { heat: 2_000, attention: 96, lens: 96, steer: 512 } as const;

export function describeInside({ id, network }: OpenModel): InsideModel {
  const { description } = network;
  const sites = sitesOf(description);
  const { architecture, layers, heads, width, vocabulary, context } = description;
  return {
    id,
    architecture,
    layers,
    heads,
    width,
    vocabulary,
    context,
    blockSites: sites.filter((site) => site.startsWith('blocks.0.')).map((site) => site.slice('blocks.0.'.length)),
    otherSites: sites.filter((site) => !site.startsWith('blocks.') && site !== 'logits'),
  };
}

/** @throws FiducialError `inside.text`, and those of the network */
export async function look(model: OpenModel, question: InsideQuestion): Promise<InsideAnswer> {
  switch (question.do) {
    case 'heat':
      return await heat(model, question);
    case 'attention':
      return await attention(model, question);
    case 'lens':
      return await lens(model, question);
    case 'steer':
      return await steer(model, question);
  }
}

async function heat(model: OpenModel, { text, site, unit, head }: HeatQuestion): Promise<Heat> {
  const { ids, tokens } = encoded(model, text, longestTokens.heat);
  const [result] = await model.network.run([ids], { read: [site], withoutLogits: true });
  const value = result!.values[site]!;
  const { shape } = value;
  if (shape.length > 3 || /attn\.(pattern|attn_scores)$/.test(site)) {
    throw new FiducialError('inside.site', `${site} is a square of positions`, 'Look at it under attention.');
  }
  // [positions, units] or [positions, heads, units]
  const units = shape.at(-1)!;
  const heads = shape.length === 3 ? shape[1]! : 1;
  requireBelow('unit', unit, units);
  requireBelow('head', head, heads);
  const data = await numbers(value);
  const values = ids.map((_, position) => {
    let sum = 0;
    for (let h = head ?? 0; h < (head === undefined ? heads : head + 1); h++) {
      const row = data.subarray((position * heads + h) * units, (position * heads + h + 1) * units);
      if (unit !== undefined) sum += row[unit]!;
      else for (const each of row) sum += each * each;
    }
    return rounded(unit === undefined ? Math.sqrt(sum) : sum);
  });
  return { tokens, values, units };
}

async function attention(model: OpenModel, { text, layer }: AttentionQuestion): Promise<Attention> {
  const { ids, tokens } = encoded(model, text, longestTokens.attention);
  requireBelow('layer', layer, model.network.description.layers);
  const site = `blocks.${layer}.attn.pattern`;
  const [result] = await model.network.run([ids], { read: [site], withoutLogits: true });
  const value = result!.values[site]!;
  const data = await numbers(value);
  const [heads, queries, keys] = value.shape as [number, number, number];
  const patterns = Array.from({ length: heads }, (_, h) =>
    Array.from({ length: queries }, (_, q) =>
      Array.from(data.subarray((h * queries + q) * keys, (h * queries + q) * keys + ids.length), (p) =>
        Math.round(1000 * p),
      ),
    ),
  );
  return { tokens, patterns };
}

async function lens(model: OpenModel, { text, top }: LensQuestion): Promise<Lens> {
  const { ids, tokens } = encoded(model, text, longestTokens.lens);
  const { network, tokenizer } = model;
  const { layers, vocabulary } = network.description;
  const names = new TokenNames(tokenizer);
  const sites = Array.from({ length: layers }, (_, layer) => `blocks.${layer}.resid_post`);
  const [whole] = await network.run([ids], { read: sites, withoutLogits: true });
  const last = sites.at(-1)!;
  const read: Lens['layers'][number][] = [];
  for (const site of sites) {
    const stream = await numbers(whole!.values[site]!);
    const [result] = await network.run([ids], { interventions: [{ site: last, mode: 'replace', value: stream }] });
    const logits = await numbers(result!.logits!);
    read.push(
      ids.map((_, position) => best(logits.subarray(position * vocabulary, (position + 1) * vocabulary), top, names)),
    );
  }
  return { tokens, layers: read };
}

function best(logits: Float32Array, top: number, names: TokenNames): { token: string; p: number }[] {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const sum = logits.reduce((total, each) => total + Math.exp(each - most), 0);
  const found: number[] = [];
  for (let rank = 0; rank < Math.min(top, logits.length); rank++) {
    let at = -1;
    for (let id = 0; id < logits.length; id++) {
      if (!found.includes(id) && (at < 0 || logits[id]! > logits[at]!)) at = id;
    }
    found.push(at);
  }
  return found.map((id) => ({ token: names.of(id), p: rounded(Math.exp(logits[id]! - most) / sum) }));
}

async function steer(model: OpenModel, question: SteerQuestion): Promise<Steered> {
  const { network, tokenizer } = model;
  const { layers, width, vocabulary } = network.description;
  requireBelow('layer', question.layer, layers);
  const site = `blocks.${question.layer}.resid_post`;
  const mean = async (text: string): Promise<{ mean: Float32Array; norm: number }> => {
    const { ids } = encoded(model, text, longestTokens.steer);
    const [result] = await network.run([ids], { read: [site], withoutLogits: true });
    const data = await numbers(result!.values[site]!);
    const sum = new Float32Array(width);
    let norm = 0;
    for (let position = 0; position < ids.length; position++) {
      const row = data.subarray(position * width, (position + 1) * width);
      norm += length(row) / ids.length;
      row.forEach((each, i) => (sum[i] = sum[i]! + each / ids.length));
    }
    return { mean: sum, norm };
  };
  const [towards, away] = [await mean(question.towards), await mean(question.away)];
  const direction = towards.mean.map((each, i) => each - away.mean[i]!);
  const value = direction.map((each) => each * question.strength);
  const names = new TokenNames(tokenizer);
  const { ids } = encoded(model, question.prompt, longestTokens.steer);
  const start = ids.length;
  for (let step = 0; step < question.tokens && ids.length < network.description.context; step++) {
    const [result] = await network.run([ids], {
      positions: [-1],
      interventions: question.strength === 0 ? [] : [{ site, mode: 'add', value }],
    });
    const logits = await numbers(result!.logits!);
    let top = 0;
    for (let id = 1; id < vocabulary; id++) if (logits[id]! > logits[top]!) top = id;
    ids.push(top);
  }
  const said = ids.slice(start);
  return {
    text: tokenizer.decode(said),
    tokens: said.map((id) => names.of(id)),
    directionNorm: rounded(length(direction)),
    streamNorm: rounded((towards.norm + away.norm) / 2),
  };
}

function encoded(model: OpenModel, text: string, most: number): { ids: number[]; tokens: string[] } {
  const ids = model.tokenizer.encode(text);
  const limit = Math.min(most, model.network.description.context);
  if (ids.length === 0 || ids.length > limit) {
    throw new FiducialError(
      'inside.text',
      ids.length === 0 ? 'The text has no tokens' : `The text has ${ids.length} tokens, and ${limit} can be looked at`,
      ids.length === 0 ? 'Write something.' : 'Shorten it.',
    );
  }
  const names = new TokenNames(model.tokenizer);
  return { ids, tokens: ids.map((id) => names.of(id)) };
}

async function numbers(tensor: Tensor): Promise<Float32Array> {
  return (await toHost(tensor)).data as Float32Array;
}

function requireBelow(what: string, value: number | undefined, count: number): void {
  if (value === undefined || value < count) return;
  throw new FiducialError('inside.index', `There is no ${what} ${value}`, `They go from 0 to ${count - 1}.`);
}

function length(vector: Float32Array): number {
  return Math.sqrt(vector.reduce((sum, each) => sum + each * each, 0));
}

function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
