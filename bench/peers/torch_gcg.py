"""Plain GCG in PyTorch, as a peer of the bench `gcg`: the paper's search over a Llama checkpoint, eager, float32.

Reads one JSON request: folder, before, after, target and suffix (ids), allowed (booleans), steps, candidates, topTokens,
seed. Prints one JSON object: the loss of each step's best candidate, the best so far, and the seconds until each step
was done. No prefix is cached and no draft model asked; candidates run in chunks of the size that is given.
"""
import json
import sys
import time

import torch
import torch.nn.functional as F

from safetensors_file import read_tensors


def load(folder):
    with open(folder + '/config.json') as file:
        config = json.load(file)
    tensors = read_tensors(folder + '/model.safetensors')
    return config, {name: tensor.float() for name, tensor in tensors.items()}


class Llama:
    def __init__(self, config, p):
        self.config, self.p = config, p
        self.heads = config['num_attention_heads']
        self.key_heads = config['num_key_value_heads']
        self.width = config['hidden_size']
        self.half = config['head_dim'] // 2
        self.table = p['model.embed_tokens.weight']
        self.unembedding = self.table if config['tie_word_embeddings'] else p['lm_head.weight']

    def norm(self, x, at):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.config['rms_norm_eps']) * self.p[at + '.weight']

    def rotate(self, x, cos, sin):
        first, second = x[..., : self.half], x[..., self.half :]
        return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)

    def logits(self, x, last):
        """x [batch, time, width], embedded; logits of the last `last` places."""
        p, batch, time_ = self.p, x.shape[0], x.shape[1]
        frequencies = self.config['rope_theta'] ** (-torch.arange(self.half, dtype=torch.float64) / self.half)
        angles = torch.outer(torch.arange(time_, dtype=torch.float64), frequencies)
        cos, sin = angles.cos().float(), angles.sin().float()
        mask = torch.full((time_, time_), float('-inf')).triu(1)
        split = lambda y, heads: y.view(batch, time_, heads, -1).transpose(1, 2)
        for layer in range(self.config['num_hidden_layers']):
            at = f'model.layers.{layer}'
            normed = self.norm(x, at + '.input_layernorm')
            weight = lambda kind: p[f'{at}.self_attn.{kind}_proj.weight']
            query = self.rotate(split(F.linear(normed, weight('q')), self.heads), cos, sin)
            key = self.rotate(split(F.linear(normed, weight('k')), self.key_heads), cos, sin)
            value = split(F.linear(normed, weight('v')), self.key_heads)
            group = self.heads // self.key_heads
            if group > 1:
                key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
            if hasattr(F, 'scaled_dot_product_attention'):
                mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
            else:
                scores = query @ key.transpose(2, 3) / (2 * self.half) ** 0.5 + mask
                mixed = F.softmax(scores, -1) @ value
            x = x + F.linear(mixed.transpose(1, 2).reshape(batch, time_, -1), weight('o'))
            normed = self.norm(x, at + '.post_attention_layernorm')
            gate = F.silu(F.linear(normed, p[at + '.mlp.gate_proj.weight']))
            x = x + F.linear(gate * F.linear(normed, p[at + '.mlp.up_proj.weight']), p[at + '.mlp.down_proj.weight'])
        return F.linear(self.norm(x[:, -last:], 'model.norm'), self.unembedding)


def main():
    torch.set_num_threads(int(sys.argv[1]))
    request = json.loads(sys.stdin.readline())
    model = Llama(*load(request['folder']))
    generator = torch.Generator().manual_seed(request['seed'])
    before, after, target = (torch.tensor(request[part], dtype=torch.long) for part in ('before', 'after', 'target'))
    suffix = torch.tensor(request['suffix'])
    barred = ~torch.tensor(request['allowed'])
    count, place_count = len(target), len(suffix)

    def embedded(rows):
        parts = [part.expand(rows.shape[0], -1) for part in (before,)] + [rows]
        parts += [part.expand(rows.shape[0], -1) for part in (after, target[:-1])]
        return F.embedding(torch.cat(parts, 1), model.table)

    def losses(rows):
        wanted = target.expand(rows.shape[0], -1)
        logits = model.logits(embedded(rows), count)
        return F.cross_entropy(logits.transpose(1, 2), wanted, reduction='none').mean(1)

    curve, best, seconds = [], [], []
    began = time.perf_counter()
    for _ in range(request['steps']):
        one_hot = F.one_hot(suffix, model.table.shape[0]).float().requires_grad_()
        fixed = embedded(suffix[None])[0]
        x = torch.cat([fixed[: len(before)], one_hot @ model.table, fixed[len(before) + place_count :]])[None]
        loss = F.cross_entropy(model.logits(x, count)[0], target)
        (gradient,) = torch.autograd.grad(loss, one_hot)
        choices = (-gradient).masked_fill(barred, float('-inf')).topk(request['topTokens'], 1).indices
        candidates = suffix.repeat(request['candidates'], 1)
        places = torch.randint(place_count, (request['candidates'],), generator=generator)
        picks = torch.randint(request['topTokens'], (request['candidates'],), generator=generator)
        candidates[torch.arange(len(candidates)), places] = choices[places, picks]
        with torch.inference_mode():
            scored = torch.cat([losses(part) for part in candidates.split(request['chunk'])])
        at = scored.argmin()
        suffix = candidates[at].clone()
        curve.append(scored[at].item())
        best.append(min(curve))
        seconds.append(time.perf_counter() - began)
    print(json.dumps({'curve': curve, 'best': best, 'seconds': seconds}))


main()
