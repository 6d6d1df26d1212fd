/**
 * Taps: the named places of a transformer where a value can be read or replaced while it is computed.
 *
 * Names are TransformerLens's hook points without the prefix, with one meaning on every architecture:
 *
 *   embed, pos_embed                          [batch, time, width]
 *   blocks.N.resid_pre | resid_mid | resid_post
 *   blocks.N.ln1 | ln2 .scale                 [batch, time, 1]      what the stream is divided by
 *   blocks.N.ln1 | ln2 .normalized            [batch, time, width]  after the division, before weight and bias
 *   blocks.N.ln1_post | ln2_post .scale, .normalized: norms of what attention and MLP give (Gemma, OLMo 2)
 *   blocks.N.attn.q                           [batch, time, heads, headWidth], before norms and rotation
 *   blocks.N.attn.k | v                       [batch, time, keyHeads, headWidth]
 *   blocks.N.attn.rot_q | rot_k               the same, after them
 *   blocks.N.attn.attn_scores | pattern       [batch, heads, queries, keys], scores after mask and soft cap
 *   blocks.N.attn.z                           [batch, time, heads, headWidth]
 *   blocks.N.attn.result                      [batch, time, heads, width], each head's part of the output
 *   blocks.N.attn_out | mlp_out               [batch, time, width], what is added to the stream
 *   blocks.N.mlp.pre | pre_linear | post      [batch, time, innerWidth]; pre_linear in gated MLPs
 *   ln_final.scale | normalized, logits
 *
 * Where an architecture has no norm in a place (OLMo 2 before attention), its sites do not exist.
 * Source of the names: TransformerLens, components' HookPoints.
 */
import { FiducialError, nearestWord } from '../core/errors.ts';
import type { Tensor } from '../engine/index.ts';
import type { Description } from './architecture/description.ts';

/** A place without its layer, for example `attn.z`: what a compiled program is specialised to. */
export type SiteKind = string;

export interface Tap {
  /** Whether `apply` wants to see this site: others are not computed where that costs anything. */
  wants(site: string): boolean;
  /** Sees the value and returns it, or what to go on with. */
  apply(site: string, value: Tensor): Tensor;
}

export const noTap: Tap = { wants: () => false, apply: (_, value) => value };

/** Several taps at one place, in order. */
export function joinTaps(taps: readonly Tap[]): Tap {
  return {
    wants: (site) => taps.some((tap) => tap.wants(site)),
    apply: (site, value) =>
      taps.reduce((current, tap) => (tap.wants(site) ? tap.apply(site, current) : current), value),
  };
}

const GLOBAL_SITES = ['embed', 'ln_final.scale', 'ln_final.normalized', 'logits'];

/** Kinds of sites inside a block that an architecture has. */
export function blockSiteKinds(description: Description): SiteKind[] {
  const { norm1, norm2, attentionOutNorm, mlpOutNorm, mlp } = description.block(0);
  return [
    'resid_pre',
    ...(description.isParallel ? [] : ['resid_mid']),
    'resid_post',
    ...(norm1 === undefined ? [] : ['ln1.scale', 'ln1.normalized']),
    ...(norm2 === undefined ? [] : ['ln2.scale', 'ln2.normalized']),
    ...[
      'q',
      'k',
      'v',
      ...('ropes' in description.positions ? ['rot_q', 'rot_k'] : []),
      'attn_scores',
      'pattern',
      'z',
      'result',
    ].map((name) => `attn.${name}`),
    ...(attentionOutNorm === undefined ? [] : ['ln1_post.scale', 'ln1_post.normalized']),
    'attn_out',
    'mlp.pre',
    ...('up' in mlp && !('gate' in mlp) ? [] : ['mlp.pre_linear']),
    'mlp.post',
    ...(mlpOutNorm === undefined ? [] : ['ln2_post.scale', 'ln2_post.normalized']),
    'mlp_out',
  ];
}

/** Every site of a model, in the order of computation within a block. */
export function sitesOf(description: Description): string[] {
  const kinds = blockSiteKinds(description);
  const blocks = Array.from({ length: description.layers }, (_, layer) =>
    kinds.map((kind) => `blocks.${layer}.${kind}`),
  );
  return [
    'embed',
    ...('learned' in description.positions ? ['pos_embed'] : []),
    ...blocks.flat(),
    ...GLOBAL_SITES.slice(1),
  ];
}

export interface Site {
  readonly kind: SiteKind;
  /** Undefined for sites outside the blocks. */
  readonly layer: number | undefined;
}

/** Takes a site's name apart. Throws `network.site` with the nearest real one for a name that does not exist. */
export function parseSite(description: Description, name: string): Site {
  const match = /^blocks\.(\d+)\.(.+)$/.exec(name);
  const layer = match === null ? undefined : Number(match[1]);
  const kind = match?.[2] ?? name;
  const isKnown =
    layer === undefined
      ? GLOBAL_SITES.includes(name) || (name === 'pos_embed' && 'learned' in description.positions)
      : layer < description.layers && blockSiteKinds(description).includes(kind);
  if (!isKnown) {
    const near = nearestWord(name, sitesOf(description));
    throw new FiducialError(
      'network.site',
      `${description.architecture} with ${description.layers} layers has no site ${name}`,
      near === undefined ? 'sitesOf(network.description) lists them.' : `Did you mean ${near}?`,
    );
  }
  return { kind, layer };
}

export const siteName = ({ kind, layer }: Site): string => (layer === undefined ? kind : `blocks.${layer}.${kind}`);

/** Shape of a site's value behind [batch, time], or `heads-first` for the square sites [batch, heads, queries, keys]. */
export function siteShape(description: Description, kind: SiteKind): readonly number[] | 'heads-first' {
  const { width, heads, keyHeads, headWidth, innerWidth, vocabulary } = description;
  switch (kind) {
    case 'attn.q':
    case 'attn.rot_q':
    case 'attn.z':
      return [heads, headWidth];
    case 'attn.k':
    case 'attn.v':
    case 'attn.rot_k':
      return [keyHeads, headWidth];
    case 'attn.result':
      return [heads, width];
    case 'attn.attn_scores':
    case 'attn.pattern':
      return 'heads-first';
    case 'mlp.pre':
    case 'mlp.pre_linear':
    case 'mlp.post':
      return [innerWidth];
    case 'logits':
      return [vocabulary];
    default:
      return kind.endsWith('.scale') ? [1] : [width];
  }
}
