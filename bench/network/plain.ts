/**
 * The plain forward pass of the two shapes, written out by hand for a bare session: no taps, no padding, no masks made
 * from positions. What a plain export of the model would hold. Weights are read by reference from the checkpoint.
 */
import {
  add,
  attention,
  compile,
  constant,
  embedding,
  gelu,
  layerNorm,
  linear,
  mul,
  narrow,
  reshape,
  rmsNorm,
  rotary,
  silu,
  split,
  type Tensor,
  tensor,
  transpose,
} from '../../src/engine/index.ts';
import type { Network } from '../../src/network/index.ts';
import { type BareSession, openBare } from '../peers/bare.ts';
import type { ModelName } from './models.ts';

type Weights = (name: string) => Tensor;

/** A bare session over the plain forward pass, from int32 [batch, time] to logits. */
export async function openPlain(name: ModelName, network: Network, batch: number, time: number): Promise<BareSession> {
  const weights: Weights = (parameter) => network.parameters.get(parameter)!;
  const forward = { gpt2, qwen2 }[name];
  const tokens = tensor(new Int32Array(batch * time), { shape: [batch, time] });
  const { bytes } = compile((ids: Tensor) => forward(weights, ids)).program(tokens);
  // Locations of weights are relative to the root of the file system.
  return openBare(bytes, { extra: { session: { model_external_initializers_file_folder_path: '/' } } });
}

const byHead = (x: Tensor, heads: number): Tensor =>
  transpose(reshape(x, [x.shape[0]!, x.shape[1]!, heads, x.shape[2]! / heads]), [0, 2, 1, 3]);

const joined = (x: Tensor): Tensor =>
  reshape(transpose(x, [0, 2, 1, 3]), [x.shape[0]!, x.shape[2]!, x.shape[1]! * x.shape[3]!]);

function gpt2(weight: Weights, tokens: Tensor): Tensor {
  const time = tokens.shape[1]!;
  const table = weight('transformer.wte.weight');
  const norm = (x: Tensor, at: string): Tensor => layerNorm(x, weight(`${at}.weight`), weight(`${at}.bias`));
  const project = (x: Tensor, at: string): Tensor => linear(x, weight(`${at}.weight`), weight(`${at}.bias`));
  let x = add(embedding(table, tokens), narrow(weight('transformer.wpe.weight'), 0, 0, time));
  for (let layer = 0; layer < 12; layer++) {
    const at = `transformer.h.${layer}`;
    const parts = split(project(norm(x, `${at}.ln_1`), `${at}.attn.c_attn`), 3, 2);
    const [query, key, value] = parts.map((part) => byHead(part, 12));
    const { output } = attention(query!, key!, value!, { causal: true });
    x = add(x, project(joined(output), `${at}.attn.c_proj`));
    const inner = gelu(project(norm(x, `${at}.ln_2`), `${at}.mlp.c_fc`), 'tanh');
    x = add(x, project(inner, `${at}.mlp.c_proj`));
  }
  return linear(norm(x, 'transformer.ln_f'), table, undefined, { transposeWeight: true });
}

function qwen2(weight: Weights, tokens: Tensor): Tensor {
  const time = tokens.shape[1]!;
  const table = weight('model.embed_tokens.weight');
  const half = 32;
  const angles = (wave: (angle: number) => number): Tensor => {
    const values = Float32Array.from({ length: time * half }, (_, i) =>
      wave(Math.floor(i / half) * 1e6 ** (-(i % half) / half)),
    );
    return constant(values, [1, 1, time, half]);
  };
  const [cos, sin] = [angles(Math.cos), angles(Math.sin)];
  const norm = (x: Tensor, at: string): Tensor => rmsNorm(x, weight(`${at}.weight`), 1e-6);
  const project = (x: Tensor, at: string, hasBias = false): Tensor =>
    linear(x, weight(`${at}.weight`), hasBias ? weight(`${at}.bias`) : undefined, { transposeWeight: true });
  let x = embedding(table, tokens);
  for (let layer = 0; layer < 24; layer++) {
    const at = `model.layers.${layer}`;
    const normed = norm(x, `${at}.input_layernorm`);
    const query = rotary(byHead(project(normed, `${at}.self_attn.q_proj`, true), 14), cos, sin);
    const key = rotary(byHead(project(normed, `${at}.self_attn.k_proj`, true), 2), cos, sin);
    const value = byHead(project(normed, `${at}.self_attn.v_proj`, true), 2);
    const { output } = attention(query, key, value, { causal: true });
    x = add(x, project(joined(output), `${at}.self_attn.o_proj`));
    const forMlp = norm(x, `${at}.post_attention_layernorm`);
    const inner = mul(silu(project(forMlp, `${at}.mlp.gate_proj`)), project(forMlp, `${at}.mlp.up_proj`));
    x = add(x, project(inner, `${at}.mlp.down_proj`));
  }
  return linear(norm(x, 'model.norm'), table, undefined, { transposeWeight: true });
}
