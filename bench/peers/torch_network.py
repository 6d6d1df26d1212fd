"""PyTorch as a peer of the network's bench: GPT-2 and Qwen2 over the same checkpoint, eager, float32.

Reads requests line by line, answers each with one JSON line: open, forward, gradient, generate. Forward and generation
run in inference_mode; generation keeps keys and values in buffers made at their full length, as a careful user would.
"""
import json
import math
import os
import resource
import sys
import time

import torch
import torch.nn.functional as F

from safetensors_file import read_tensors

state = {}


def attend(query, key, value, is_causal):
    if hasattr(F, 'scaled_dot_product_attention'):
        return F.scaled_dot_product_attention(query, key, value, is_causal=is_causal)
    scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
    if is_causal:
        length = query.shape[2]
        scores = scores.masked_fill(torch.ones(length, length, dtype=torch.bool).triu(1), float('-inf'))
    return F.softmax(scores, -1) @ value


class Cache:
    """Keys and values of every layer, for texts of one length."""

    def __init__(self, layers, batch, heads, capacity, width):
        self.keys = [torch.empty(batch, heads, capacity, width) for _ in range(layers)]
        self.values = [torch.empty(batch, heads, capacity, width) for _ in range(layers)]
        self.length = 0

    def extend(self, layer, key, value):
        end = self.length + key.shape[2]
        self.keys[layer][:, :, self.length : end] = key
        self.values[layer][:, :, self.length : end] = value
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]


def mix(layer, query, key, value, cache):
    """Attention over the cache, where there is one: a whole text at first, then one token at a time."""
    is_causal = query.shape[2] > 1
    if cache is not None:
        key, value = cache.extend(layer, key, value)
    group = query.shape[1] // key.shape[1]
    if group > 1:
        key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
    mixed = attend(query, key, value, is_causal)
    return mixed.transpose(1, 2).reshape(query.shape[0], query.shape[2], -1)


def by_head(x, heads):
    return x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


def gpt2(p, config, tokens, start, cache, last_only):
    width, heads, layers = config['n_embd'], config['n_head'], config['n_layer']
    table = p['transformer.wte.weight']
    norm = lambda x, at: F.layer_norm(x, (width,), p[at + '.weight'], p[at + '.bias'])
    project = lambda x, at: torch.addmm(p[at + '.bias'], x.flatten(0, 1), p[at + '.weight']).view(
        x.shape[0], x.shape[1], -1
    )
    x = F.embedding(tokens, table) + p['transformer.wpe.weight'][start : start + tokens.shape[1]]
    for layer in range(layers):
        at = f'transformer.h.{layer}'
        parts = project(norm(x, at + '.ln_1'), at + '.attn.c_attn').split(width, 2)
        mixed = mix(layer, *(by_head(part, heads) for part in parts), cache)
        x = x + project(mixed, at + '.attn.c_proj')
        inner = F.gelu(project(norm(x, at + '.ln_2'), at + '.mlp.c_fc'), approximate='tanh')
        x = x + project(inner, at + '.mlp.c_proj')
    if last_only:
        x = x[:, -1:]
    return F.linear(norm(x, 'transformer.ln_f'), table)


def qwen2(p, config, tokens, start, cache, last_only):
    heads, key_heads, layers = config['num_attention_heads'], config['num_key_value_heads'], config['num_hidden_layers']
    half = config['hidden_size'] // heads // 2
    table = p['model.embed_tokens.weight']
    frequencies = config['rope_theta'] ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = torch.outer(torch.arange(start, start + tokens.shape[1], dtype=torch.float64), frequencies)
    cos, sin = angles.cos().float(), angles.sin().float()

    def norm(x, at):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + config['rms_norm_eps']) * p[at + '.weight']

    def rotate(x):
        first, second = x[..., :half], x[..., half:]
        return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)

    x = F.embedding(tokens, table)
    for layer in range(layers):
        at = f'model.layers.{layer}'
        normed = norm(x, at + '.input_layernorm')
        query, key, value = (
            by_head(F.linear(normed, p[f'{at}.self_attn.{kind}_proj.weight'], p[f'{at}.self_attn.{kind}_proj.bias']), count)
            for kind, count in (('q', heads), ('k', key_heads), ('v', key_heads))
        )
        mixed = mix(layer, rotate(query), rotate(key), value, cache)
        x = x + F.linear(mixed, p[at + '.self_attn.o_proj.weight'])
        normed = norm(x, at + '.post_attention_layernorm')
        gate = F.silu(F.linear(normed, p[at + '.mlp.gate_proj.weight']))
        x = x + F.linear(gate * F.linear(normed, p[at + '.mlp.up_proj.weight']), p[at + '.mlp.down_proj.weight'])
    if last_only:
        x = x[:, -1:]
    return F.linear(norm(x, 'model.norm'), table)


def run(tokens, start=0, cache=None, last_only=False):
    config = state['config']
    return {'gpt2': gpt2, 'qwen2': qwen2}[config['model_type']](state['p'], config, tokens, start, cache, last_only)


def resident():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def open_model(request):
    begin = time.perf_counter()
    with open(os.path.join(request['folder'], 'config.json')) as file:
        state['config'] = json.load(file)
    tensors = read_tensors(os.path.join(request['folder'], 'model.safetensors'))
    state['p'] = {name: tensor.clone() for name, tensor in tensors.items()}
    return {'elapsedMs': (time.perf_counter() - begin) * 1000}


def batch_of(request):
    return torch.tensor(request['tokens']).view(request['batch'], -1)


def forward(request):
    tokens = batch_of(request)
    with torch.inference_mode():
        begin = time.perf_counter()
        logits = run(tokens)
        elapsed = (time.perf_counter() - begin) * 1000
        return {'elapsedMs': elapsed, 'logits': logits[-1, -1, :8].tolist(), 'residentBytes': resident()}


def gradient(request):
    tokens = batch_of(request)
    parameters = list(state['p'].values())
    for parameter in parameters:
        parameter.requires_grad_()
    begin = time.perf_counter()
    logits = run(tokens)
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    gradients = torch.autograd.grad(loss, parameters)
    elapsed = (time.perf_counter() - begin) * 1000
    largest = gradients[list(state['p']).index('transformer.wpe.weight')].abs().max().item()
    for parameter in parameters:
        parameter.requires_grad_(False)
    return {'elapsedMs': elapsed, 'loss': loss.item(), 'largest': largest, 'residentBytes': resident()}


def generate(request):
    """Greedy; time to the first token and of the rest."""
    tokens, count, config = batch_of(request), request['count'], state['config']
    batch, length = tokens.shape
    layers = config.get('n_layer') or config['num_hidden_layers']
    heads = config.get('num_key_value_heads') or config['n_head']
    width = (config.get('n_embd') or config['hidden_size']) // (config.get('n_head') or config['num_attention_heads'])
    with torch.inference_mode():
        begin = time.perf_counter()
        cache = Cache(layers, batch, heads, length + count, width)
        ids = []
        current = run(tokens, 0, cache, True)[:, -1].argmax(-1, keepdim=True)
        cache.length = length
        ids.append(current[0, 0].item())
        first = time.perf_counter()
        for _ in range(count - 1):
            current = run(current, cache.length, cache, True)[:, -1].argmax(-1, keepdim=True)
            cache.length += 1
            ids.append(current[0, 0].item())
        end = time.perf_counter()
        return {'prefillMs': (first - begin) * 1000, 'decodeMs': (end - first) * 1000, 'ids': ids}


def main():
    torch.set_num_threads(int(sys.argv[1]))
    handlers = {'open': open_model, 'forward': forward, 'gradient': gradient, 'generate': generate}
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(handlers[request['do']](request)), flush=True)


main()
