#!/usr/bin/env python3
"""Writes the checkpoints with known answers in ../fixtures: one small random model a folder.

The models are written here from their published definitions, in plain torch on named tensors, and share no code with
the TypeScript ones. Sources are named at each architecture; names of settings and their meaning are those that
transformers 5 writes and reads. Needs torch (1.13 or newer) and numpy:

    python3 src/network/reference/make_fixtures.py
"""
import json
import math
import struct
from pathlib import Path

import torch

OUT = Path(__file__).resolve().parent.parent / "fixtures"
VOCABULARY, TIME = 17, 12
torch.manual_seed(0)
torch.set_num_threads(1)


# ---------------------------------------------------------------- files

TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int32: "I32"}


def write_safetensors(path, tensors):
    header, chunks, offset = {}, [], 0
    for name, tensor in tensors.items():
        tensor = tensor.detach().contiguous()
        kind = TYPES[tensor.dtype]
        raw = (tensor.view(torch.int16) if kind == "BF16" else tensor).numpy().tobytes()
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [offset, offset + len(raw)]}
        chunks.append(raw)
        offset += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))


# ---------------------------------------------------------------- parts


def rms(x, weight, epsilon):
    """Zhang and Sennrich 2019."""
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + epsilon) * weight


def layer_norm(x, weight, bias, epsilon):
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred * centred).mean(-1, keepdim=True) + epsilon) * weight + bias


def gelu_exact(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def gelu_tanh(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def silu(x):
    return x / (1 + torch.exp(-x))


ACT = {
    "gelu": gelu_exact,
    "gelu_new": gelu_tanh,
    "gelu_fast": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "silu": silu,
    "relu": torch.relu,
}


def frequencies(rope, dim, context, length):
    """One angle a step for each rotated pair, and the factor on cosine and sine.

    Su et al. 2021; linear: Chen et al. 2023; dynamic: NTK-aware scaling as transformers has it; yarn: Peng et al. 2023,
    section 3; llama3: the Llama 3.1 release; longrope: Ding et al. 2024 as Phi-3 uses it.
    """
    base, kind = float(rope["rope_theta"]), rope["rope_type"]
    pairs = range((dim + 1) // 2)
    plain = [base ** -(2 * i / dim) for i in pairs]
    if kind == "default":
        return plain, 1.0
    if kind == "linear":
        return [f / rope["factor"] for f in plain], 1.0
    if kind == "dynamic":
        s, seen = rope["factor"], max(length, context)
        grown = base * (s * seen / context - (s - 1)) ** (dim / (dim - 2))
        return [grown ** -(2 * i / dim) for i in pairs], 1.0
    original = rope["original_max_position_embeddings"]
    if kind == "llama3":
        out = []
        for f in plain:
            wavelength = 2 * math.pi / f
            if wavelength < original / rope["high_freq_factor"]:
                out.append(f)
            elif wavelength > original / rope["low_freq_factor"]:
                out.append(f / rope["factor"])
            else:
                low, high = rope["low_freq_factor"], rope["high_freq_factor"]
                keep = (original / wavelength - low) / (high - low)
                out.append(keep * f + (1 - keep) * f / rope["factor"])
        return out, 1.0
    if kind == "longrope":
        by = rope["long_factor"] if length > original else rope["short_factor"]
        scale = rope.get("factor") or context / original
        attention = rope.get("attention_factor")
        if attention is None:
            attention = 1.0 if scale <= 1 else math.sqrt(1 + math.log(scale) / math.log(original))
        return [f / b for f, b in zip(plain, by)], attention
    assert kind == "yarn", kind
    s = rope["factor"]

    def pair_with(turns):  # inverse of: turns = original * base**(-2d/dim) / 2pi, as a pair index
        return dim / 2 * math.log(original / (2 * math.pi * turns)) / math.log(base)

    first, last = pair_with(rope.get("beta_fast") or 32), pair_with(rope.get("beta_slow") or 1)
    if rope.get("truncate", True):
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, dim - 1)
    if first == last:
        last += 0.001
    out = []
    for i, f in enumerate(plain):
        ramp = min(max((i - first) / (last - first), 0.0), 1.0)
        out.append(f * (1 - ramp) + f / s * ramp)
    attention = rope.get("attention_factor")
    if attention is None:
        m, n = rope.get("mscale"), rope.get("mscale_all_dim")
        stretch = lambda by: 1.0 if s <= 1 else 0.1 * by * math.log(s) + 1
        attention = stretch(m) / stretch(n) if m and n else stretch(1)
    return out, attention


def rotate(x, steps, factor):
    """Turns the first dimensions of [batch, heads, time, size]: pairs (i, i + count) are complex numbers."""
    count = len(steps)
    angle = torch.arange(x.shape[2], dtype=torch.float32)[:, None] * torch.tensor(steps, dtype=torch.float32)
    turn = torch.polar(torch.full_like(angle, factor), angle)
    turned = torch.complex(x[..., :count], x[..., count : 2 * count]) * turn
    return torch.cat([turned.real, turned.imag, x[..., 2 * count :]], -1)


def heads_of(x, count):
    return x.reshape(x.shape[0], x.shape[1], count, -1).permute(0, 2, 1, 3)


def attend(q, k, v, scale, window=None, cap=None):
    """[batch, heads, time, size] to the mixed values [batch, time, heads * size] and the pattern."""
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * scale
    if cap is not None:
        scores = cap * torch.tanh(scores / cap)
    time = q.shape[2]
    for at in range(time):
        for seen in range(time):
            # A window of w sees the token itself and the w - 1 before it.
            if seen > at or (window is not None and at - seen >= window):
                scores[:, :, at, seen] = float("-inf")
    pattern = torch.softmax(scores, -1)
    return torch.einsum("bhqk,bhkd->bqhd", pattern, v).flatten(2), pattern


class Model:
    """Named parameters, made on first use, rounded to the dtype they are stored in."""

    def __init__(self, config, dtype, seed):
        self.c, self.dtype, self.p = config, dtype, {}
        self.random = torch.Generator().manual_seed(seed)

    def get(self, name, shape, centre, spread):
        if name not in self.p:
            value = centre + spread * torch.randn(shape, generator=self.random)
            self.p[name] = value.to(self.dtype).float().requires_grad_()
        return self.p[name]

    def matrix(self, name, out, into, flip=False):
        return self.get(f"{name}.weight", (into, out) if flip else (out, into), 0.0, 1.1 / math.sqrt(into))

    def linear(self, name, x, out, bias=False, flip=False):
        w = self.matrix(name, out, x.shape[-1], flip)
        y = x @ (w if flip else w.T)
        return y + self.get(f"{name}.bias", (out,), 0.0, 0.3) if bias else y

    def table(self, name, rows, width):
        return self.get(f"{name}.weight", (rows, width), 0.0, 0.8)

    def rms(self, name, x, plus=0.0):
        stored = self.get(f"{name}.weight", (x.shape[-1],), 1.0 - plus, 0.3)
        return rms(x, stored + plus, self.c["rms_norm_eps"])

    def layer_norm(self, name, x, epsilon):
        size = (x.shape[-1],)
        return layer_norm(
            x, self.get(f"{name}.weight", size, 1.0, 0.3), self.get(f"{name}.bias", size, 0.0, 0.2), epsilon
        )


# ---------------------------------------------------------------- architectures


def gpt2(m, tokens):
    """Radford et al. 2019."""
    c = m.c
    width, heads = c["n_embd"], c["n_head"]
    inner = c["n_inner"] or 4 * width
    x = m.table("transformer.wte", c["vocab_size"], width)[tokens]
    x = x + m.table("transformer.wpe", c["n_positions"], width)[: tokens.shape[1]]
    hidden, patterns = [x], []
    for layer in range(c["n_layer"]):
        at = f"transformer.h.{layer}"
        y = m.layer_norm(f"{at}.ln_1", x, c["layer_norm_epsilon"])
        q, k, v = m.linear(f"{at}.attn.c_attn", y, 3 * width, True, True).split(width, -1)
        scale = (width // heads) ** -0.5 if c["scale_attn_weights"] else 1.0
        if c["scale_attn_by_inverse_layer_idx"]:
            scale /= layer + 1
        y, pattern = attend(heads_of(q, heads), heads_of(k, heads), heads_of(v, heads), scale)
        x = x + m.linear(f"{at}.attn.c_proj", y, width, True, True)
        y = m.layer_norm(f"{at}.ln_2", x, c["layer_norm_epsilon"])
        y = ACT[c["activation_function"]](m.linear(f"{at}.mlp.c_fc", y, inner, True, True))
        x = x + m.linear(f"{at}.mlp.c_proj", y, width, True, True)
        hidden.append(x)
        patterns.append(pattern)
    hidden[-1] = x = m.layer_norm("transformer.ln_f", x, c["layer_norm_epsilon"])
    tied = c["tie_word_embeddings"]
    head = m.p["transformer.wte.weight"] if tied else m.matrix("lm_head", c["vocab_size"], width)
    return x @ head.T, hidden, patterns


def neox(m, tokens, rope, share):
    """Black et al. 2022, the GPT-NeoX-20B paper; queries, keys and values of one head lie together."""
    c = m.c
    width, heads, eps = c["hidden_size"], c["num_attention_heads"], c["layer_norm_eps"]
    size, bias = width // heads, c.get("attention_bias", True)
    steps, factor = frequencies(rope, int(size * share), c["max_position_embeddings"], tokens.shape[1])
    x = m.table("gpt_neox.embed_in", c["vocab_size"], width)[tokens]
    hidden, patterns = [x], []
    for layer in range(c["num_hidden_layers"]):
        at = f"gpt_neox.layers.{layer}"
        y = m.layer_norm(f"{at}.input_layernorm", x, eps)
        fused = m.linear(f"{at}.attention.query_key_value", y, 3 * width, bias)
        q, k, v = heads_of(fused, heads).split(size, -1)
        y, pattern = attend(rotate(q, steps, factor), rotate(k, steps, factor), v, size**-0.5)
        attention = m.linear(f"{at}.attention.dense", y, width, bias)
        source = x if c["use_parallel_residual"] else x + attention
        y = m.layer_norm(f"{at}.post_attention_layernorm", source, eps)
        y = ACT[c["hidden_act"]](m.linear(f"{at}.mlp.dense_h_to_4h", y, c["intermediate_size"], True))
        x = x + attention + m.linear(f"{at}.mlp.dense_4h_to_h", y, width, True)
        hidden.append(x)
        patterns.append(pattern)
    hidden[-1] = x = m.layer_norm("gpt_neox.final_layer_norm", x, eps)
    tied = c["tie_word_embeddings"]
    head = m.p["gpt_neox.embed_in.weight"] if tied else m.matrix("embed_out", c["vocab_size"], width)
    return x @ head.T, hidden, patterns


def stack(m, tokens, block, plus=0.0, scale=1.0, cap=None):
    c = m.c
    x = m.table("model.embed_tokens", c["vocab_size"], c["hidden_size"])[tokens] * scale
    hidden, patterns = [x], []
    for layer in range(c["num_hidden_layers"]):
        x, pattern = block(layer, f"model.layers.{layer}", x)
        hidden.append(x)
        patterns.append(pattern)
    hidden[-1] = x = m.rms("model.norm", x, plus)
    tied = c["tie_word_embeddings"]
    head = m.p["model.embed_tokens.weight"] if tied else m.matrix("lm_head", c["vocab_size"], c["hidden_size"])
    logits = x @ head.T
    return (logits if cap is None else cap * torch.tanh(logits / cap)), hidden, patterns


def sizes(c):
    heads = c["num_attention_heads"]
    return heads, c["num_key_value_heads"], c.get("head_dim") or c["hidden_size"] // heads


def gated(m, at, x, act, bias=False):
    inner = m.c["intermediate_size"]
    y = act(m.linear(f"{at}.mlp.gate_proj", x, inner, bias)) * m.linear(f"{at}.mlp.up_proj", x, inner, bias)
    return m.linear(f"{at}.mlp.down_proj", y, m.c["hidden_size"], bias)


def grouped(m, at, x, turn, bias, out_bias, norm=None, scale=None, window=None, cap=None):
    """Attention with grouped heads: `norm(name, x)` on queries and keys before they are turned."""
    heads, key_heads, size = sizes(m.c)
    name = f"{at}.self_attn"
    q, k, v = (
        m.linear(f"{name}.{part}_proj", x, count * size, bias)
        for part, count in (("q", heads), ("k", key_heads), ("v", key_heads))
    )
    if norm == "width":
        q, k = m.rms(f"{name}.q_norm", q), m.rms(f"{name}.k_norm", k)
    q, k, v = heads_of(q, heads), heads_of(k, key_heads), heads_of(v, key_heads)
    if norm in ("head", "gemma"):
        plus = 1.0 if norm == "gemma" else 0.0
        q, k = m.rms(f"{name}.q_norm", q, plus), m.rms(f"{name}.k_norm", k, plus)
    y, pattern = attend(rotate(q, *turn), rotate(k, *turn), v, scale or size**-0.5, window, cap)
    return m.linear(f"{name}.o_proj", y, m.c["hidden_size"], out_bias), pattern


def llama(m, tokens, rope, windows=None, qkv_bias=None, norm=None):
    """Touvron et al. 2023; with windows Mistral (Jiang et al. 2023), with biases Qwen2, with head norms Qwen3."""
    c = m.c
    bias = c.get("attention_bias", False)
    turn = frequencies(rope, sizes(c)[2], c["max_position_embeddings"], tokens.shape[1])

    def block(layer, at, x):
        y = m.rms(f"{at}.input_layernorm", x)
        window = windows[layer] if windows else None
        y, pattern = grouped(m, at, y, turn, bias if qkv_bias is None else qkv_bias, bias, norm, window=window)
        x = x + y
        y = m.rms(f"{at}.post_attention_layernorm", x)
        return x + gated(m, at, y, ACT[c["hidden_act"]], c.get("mlp_bias", False)), pattern

    return stack(m, tokens, block)


def gemma(m, tokens, ropes, windows, norm, cap):
    """Gemma 2 and Gemma 3 reports: norms before and after, scales stored less one, embeddings times sqrt(width)."""
    c = m.c
    turns = [frequencies(r, sizes(c)[2], c["max_position_embeddings"], tokens.shape[1]) for r in ropes]
    bias = c["attention_bias"]

    def block(layer, at, x):
        y = m.rms(f"{at}.input_layernorm", x, 1.0)
        scale = c["query_pre_attn_scalar"] ** -0.5
        y, pattern = grouped(m, at, y, turns[layer], bias, bias, norm, scale, windows[layer], cap)
        x = x + m.rms(f"{at}.post_attention_layernorm", y, 1.0)
        y = gated(m, at, m.rms(f"{at}.pre_feedforward_layernorm", x, 1.0), gelu_tanh)
        return x + m.rms(f"{at}.post_feedforward_layernorm", y, 1.0), pattern

    return stack(m, tokens, block, 1.0, math.sqrt(c["hidden_size"]), c["final_logit_softcapping"])


def phi3(m, tokens, rope, share, window):
    """Abdin et al. 2024: Llama with fused projections, gate before up."""
    c = m.c
    heads, key_heads, size = sizes(c)
    turn = frequencies(rope, int(size * share), c["max_position_embeddings"], tokens.shape[1])

    def block(layer, at, x):
        y = m.rms(f"{at}.input_layernorm", x)
        fused = m.linear(f"{at}.self_attn.qkv_proj", y, (heads + 2 * key_heads) * size)
        q, k, v = fused.split([heads * size, key_heads * size, key_heads * size], -1)
        q, k, v = heads_of(q, heads), heads_of(k, key_heads), heads_of(v, key_heads)
        y, pattern = attend(rotate(q, *turn), rotate(k, *turn), v, size**-0.5, window)
        x = x + m.linear(f"{at}.self_attn.o_proj", y, c["hidden_size"])
        y = m.rms(f"{at}.post_attention_layernorm", x)
        gate, up = m.linear(f"{at}.mlp.gate_up_proj", y, 2 * c["intermediate_size"]).chunk(2, -1)
        return x + m.linear(f"{at}.mlp.down_proj", silu(gate) * up, c["hidden_size"]), pattern

    return stack(m, tokens, block)


def olmo2(m, tokens, rope):
    """OLMo 2 report: norms only after attention and MLP; queries and keys normed over all heads together."""
    c = m.c
    turn = frequencies(rope, sizes(c)[2], c["max_position_embeddings"], tokens.shape[1])

    def block(layer, at, x):
        y, pattern = grouped(m, at, x, turn, c["attention_bias"], c["attention_bias"], "width")
        x = x + m.rms(f"{at}.post_attention_layernorm", y)
        return x + m.rms(f"{at}.post_feedforward_layernorm", gated(m, at, x, silu)), pattern

    return stack(m, tokens, block)


# ---------------------------------------------------------------- cases


def rope_of(kind="default", theta=10000.0, **more):
    return {"rope_type": kind, "rope_theta": theta, **more}


def common(kind, model, dtype="float32", old=False, **more):
    base = {
        "architectures": [model],
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": None,
        "initializer_range": 0.02,
        "model_type": kind,
        "torch_dtype" if old else "dtype": dtype,
        "transformers_version": "4.44.0" if old else "5.17.0",
        "use_cache": True,
        "vocab_size": VOCABULARY,
    }
    return {**base, **more}


def llama_like(kind, model, **more):
    base = dict(
        attention_dropout=0.0,
        hidden_act="silu",
        hidden_size=12,
        intermediate_size=8,
        max_position_embeddings=64,
        num_attention_heads=4,
        num_hidden_layers=2,
        num_key_value_heads=2,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
    )
    return common(kind, model, **{**base, **more})


def gpt2_like(**more):
    base = dict(
        activation_function="gelu_new",
        add_cross_attention=False,
        attn_pdrop=0.1,
        embd_pdrop=0.1,
        layer_norm_epsilon=1e-5,
        n_embd=8,
        n_head=2,
        n_inner=None,
        n_layer=2,
        n_positions=16,
        reorder_and_upcast_attn=False,
        resid_pdrop=0.1,
        scale_attn_by_inverse_layer_idx=False,
        scale_attn_weights=True,
        summary_activation=None,
        summary_first_dropout=0.1,
        summary_proj_to_labels=True,
        summary_type="cls_index",
        summary_use_proj=True,
        tie_word_embeddings=True,
    )
    return common("gpt2", "GPT2LMHeadModel", **{**base, **more})


def neox_like(**more):
    base = dict(
        attention_dropout=0.0,
        classifier_dropout=0.1,
        hidden_act="gelu",
        hidden_dropout=0.0,
        hidden_size=24,
        intermediate_size=20,
        is_decoder=False,
        layer_norm_eps=1e-5,
        max_position_embeddings=32,
        num_attention_heads=2,
        num_hidden_layers=2,
        tie_word_embeddings=False,
        use_parallel_residual=True,
    )
    return common("gpt_neox", "GPTNeoXForCausalLM", **{**base, **more})


def gemma_like(kind, model, **more):
    base = dict(
        attention_bias=False,
        head_dim=6,
        hidden_activation="gelu_pytorch_tanh",
        num_attention_heads=4,
        query_pre_attn_scalar=10,
        rms_norm_eps=1e-6,
        sliding_window=5,
        tie_word_embeddings=True,
        use_bidirectional_attention=None if kind == "gemma2" else False,
    )
    made = llama_like(kind, model, **{**base, **more})
    del made["hidden_act"]
    return made


FULL, SLIDING = "full_attention", "sliding_attention"


def cases():
    """name: (configuration, forward pass). v5 files nest rope settings; older ones have them beside each other."""
    c = gpt2_like(scale_attn_by_inverse_layer_idx=True, old=True, n_ctx=16)
    yield "gpt2-by-layer", c, gpt2
    c = gpt2_like(
        scale_attn_weights=False, n_inner=10, activation_function="relu", tie_word_embeddings=False, dtype="float16"
    )
    yield "gpt2-untied", c, gpt2

    # A quarter of 12 dimensions is 3: two frequencies, four turned dimensions.
    rope = rope_of(partial_rotary_factor=0.25)
    c = neox_like(attention_bias=True, num_hidden_layers=1, rope_parameters=rope, dtype="bfloat16")
    yield "neox-parallel", c, lambda m, t, r=rope: neox(m, t, r, 0.25)
    c = neox_like(
        old=True,
        hidden_size=16,
        use_parallel_residual=False,
        attention_bias=False,
        tie_word_embeddings=True,
        rotary_pct=0.5,
        rotary_emb_base=700,
        rope_scaling={"type": "linear", "factor": 3.0},
        hidden_act="gelu_fast",
        dtype="float16",
    )
    yield "neox-sequential", c, lambda m, t: neox(m, t, rope_of("linear", 700, factor=3.0), 0.5)

    plain = dict(attention_bias=False, mlp_bias=False, pretraining_tp=1, head_dim=6, num_hidden_layers=1)
    model = "LlamaForCausalLM"
    c = llama_like(
        "llama",
        model,
        old=True,
        **{**plain, "attention_bias": True, "mlp_bias": True, "head_dim": 8},
        rope_theta=5000.0,
        rope_scaling={"type": "linear", "factor": 2.5},
        dtype="float16",
    )
    yield "llama-linear", c, lambda m, t: llama(m, t, rope_of("linear", 5000.0, factor=2.5))
    # The text is longer than max_position_embeddings: the base grows with it.
    r1 = rope_of("dynamic", factor=2.0)
    c = llama_like("llama", model, **plain, rope_parameters=r1, max_position_embeddings=9, dtype="bfloat16")
    yield "llama-dynamic", c, lambda m, t: llama(m, t, r1)
    r2 = rope_of("yarn", 500.0, factor=4.0, original_max_position_embeddings=8, beta_fast=2.0, beta_slow=0.2, truncate=False)
    c = llama_like("llama", model, **{**plain, "head_dim": 8}, rope_parameters=r2, max_position_embeddings=32, dtype="bfloat16")
    yield "llama-yarn", c, lambda m, t: llama(m, t, r2)
    scaling = {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 16, "mscale": 0.7, "mscale_all_dim": 1.3, "beta_fast": 4}
    c = llama_like(
        "llama", model, old=True, **{**plain, "head_dim": 8}, rope_theta=100.0, rope_scaling=scaling,
        max_position_embeddings=128, tie_word_embeddings=True, dtype="float16",
    )
    yield "llama-yarn-older", c, lambda m, t: llama(m, t, {**scaling, "rope_theta": 100.0})
    r3 = rope_of("llama3", 50.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=20)
    c = llama_like("llama", model, **plain, rope_parameters=r3, max_position_embeddings=160, dtype="bfloat16")
    yield "llama-llama3", c, lambda m, t: llama(m, t, r3)

    c = llama_like("mistral", "MistralForCausalLM", head_dim=6, sliding_window=4, rope_parameters=rope_of(), dtype="bfloat16")
    yield "mistral", c, lambda m, t: llama(m, t, rope_of(), [4, 4])
    c = llama_like(
        "qwen2", "Qwen2ForCausalLM", old=True, hidden_size=16, use_sliding_window=True, sliding_window=5,
        max_window_layers=1, rope_theta=1000000.0, rope_scaling=None, tie_word_embeddings=True, dtype="float16",
    )
    yield "qwen2-windows", c, lambda m, t: llama(m, t, rope_of(theta=1000000.0), [None, 5], True)
    c = llama_like(
        "qwen3", "Qwen3ForCausalLM", head_dim=6, attention_bias=False, use_sliding_window=True, sliding_window=3,
        max_window_layers=0, layer_types=[SLIDING, FULL], rope_parameters=rope_of(theta=1000000.0), dtype="bfloat16",
    )
    yield "qwen3", c, lambda m, t: llama(m, t, rope_of(theta=1000000.0), [3, None], norm="head")

    c = gemma_like(
        "gemma2", "Gemma2ForCausalLM", attn_logit_softcapping=1.5, final_logit_softcapping=2.0,
        layer_types=[SLIDING, FULL], rope_parameters=rope_of(), dtype="bfloat16",
    )
    yield "gemma2", c, lambda m, t: gemma(m, t, [rope_of()] * 2, [5, None], None, 1.5)
    c = gemma_like(
        "gemma2", "Gemma2ForCausalLM", old=True, attn_logit_softcapping=50.0, final_logit_softcapping=None,
        rope_theta=300.0, hidden_act="gelu_pytorch_tanh", cache_implementation="hybrid", num_hidden_layers=3,
        attention_bias=True, intermediate_size=5, dtype="float16",
    )
    yield "gemma2-older", c, lambda m, t: gemma(m, t, [rope_of(theta=300.0)] * 3, [5, None, 5], None, 50.0)
    full, local = rope_of("linear", 1000000.0, factor=8.0), rope_of(theta=300.0)
    # attn_logit_softcapping stands in Gemma 3's files, but the published code never applies it.
    c = gemma_like(
        "gemma3_text", "Gemma3ForCausalLM", attn_logit_softcapping=1.0, final_logit_softcapping=4.0,
        layer_types=[SLIDING, SLIDING, FULL], num_hidden_layers=3, _sliding_window_pattern=6, intermediate_size=5,
        rope_parameters={FULL: full, SLIDING: local}, dtype="bfloat16",
    )
    yield "gemma3", c, lambda m, t: gemma(m, t, [local, local, full], [5, 5, None], "gemma", None)
    c = gemma_like(
        "gemma3_text", "Gemma3ForCausalLM", old=True, attn_logit_softcapping=None, final_logit_softcapping=None,
        sliding_window_pattern=2, num_hidden_layers=3, rope_theta=5000.0, rope_local_base_freq=40.0, intermediate_size=5,
        rope_scaling={"rope_type": "linear", "factor": 4.0}, cache_implementation="hybrid", dtype="float16",
    )
    older = [rope_of(theta=40.0), rope_of("linear", 5000.0, factor=4.0), rope_of(theta=40.0)]
    yield "gemma3-older", c, lambda m, t: gemma(m, t, older, [5, None, 5], "gemma", None)

    phi = dict(
        embd_pdrop=0.0, resid_pdrop=0.0, hidden_size=16, num_attention_heads=2, num_key_value_heads=1
    )
    r4 = rope_of(partial_rotary_factor=0.5)
    c = llama_like(
        "phi3", "Phi3ForCausalLM", **phi, original_max_position_embeddings=64, sliding_window=6, rope_parameters=r4,
        num_hidden_layers=1, dtype="bfloat16",
    )
    yield "phi3", c, lambda m, t: phi3(m, t, r4, 0.5, 6)
    long, short = [1.3, 2.0, 3.5], [1.0, 1.1, 1.4]
    r5 = rope_of("longrope", long_factor=long, short_factor=short, original_max_position_embeddings=10, partial_rotary_factor=0.75)
    c = llama_like(
        "phi3", "Phi3ForCausalLM", **phi, original_max_position_embeddings=10, max_position_embeddings=40,
        sliding_window=None, partial_rotary_factor=0.75, rope_parameters=r5, num_hidden_layers=1, dtype="float16",
    )
    yield "phi3-long", c, lambda m, t: phi3(m, t, r5, 0.75, None)
    r6 = rope_of("longrope", long_factor=[2.0] * 4, short_factor=[1.0, 1.2, 1.5, 2.0], original_max_position_embeddings=16)
    c = llama_like(
        "phi3", "Phi3ForCausalLM", old=True, **phi, original_max_position_embeddings=16, max_position_embeddings=64,
        sliding_window=2047, attention_bias=False, rope_theta=10000.0, num_hidden_layers=1, dtype="bfloat16",
        rope_scaling={"type": "su", "long_factor": r6["long_factor"], "short_factor": r6["short_factor"]},
    )
    yield "phi3-short", c, lambda m, t: phi3(m, t, r6, 1.0, None)

    c = llama_like(
        "olmo2", "Olmo2ForCausalLM", hidden_size=16, attention_bias=False, rope_parameters=rope_of(theta=500000.0),
        num_hidden_layers=2, dtype="bfloat16",
    )
    yield "olmo2", c, lambda m, t: olmo2(m, t, rope_of(theta=500000.0))


def main():
    total = 0
    for seed, (name, config, run) in enumerate(cases()):
        dtype = getattr(torch, config.get("dtype") or config["torch_dtype"])
        # Configurations name the dtype by one key or the other; `old` ones are marked by the version.
        config = {k: v for k, v in config.items() if k != "old"}
        if config["transformers_version"].startswith("4") and "dtype" in config:
            config["torch_dtype"] = config.pop("dtype")
        model = Model(config, dtype, 1000 + seed)
        random = torch.Generator().manual_seed(seed)
        tokens = torch.randint(0, VOCABULARY, (1, TIME), generator=random)
        logits, hidden, patterns = run(model, tokens)
        loss = torch.nn.functional.cross_entropy(logits[0, :-1], tokens[0, 1:])
        loss.backward()
        expected = {"tokens": tokens.int(), "logits": logits, "loss": loss.reshape(())}
        expected.update({f"hidden.{i}": x for i, x in enumerate(hidden)})
        expected.update({f"attention.{i}": x for i, x in enumerate(patterns)})
        expected.update({f"grad.{k}": p.grad for k, p in model.p.items()})
        folder = OUT / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(dict(sorted(config.items())), indent=2) + "\n")
        write_safetensors(folder / "model.safetensors", {k: p.to(dtype) for k, p in model.p.items()})
        write_safetensors(folder / "expected.safetensors", expected)
        size = sum(f.stat().st_size for f in folder.iterdir())
        total += size
        print(f"{name:18} {size:7} bytes, loss {loss.item():.4f}, logits up to {logits.abs().max().item():.2f}")
    print(total)


main()
