"""PyTorch as a peer of the trainer's bench: a Llama-shaped network over the same weights and packed batches, float32.

Reads requests line by line, answers each with one JSON line: open, step. A step is what src/kit/training does: texts of
one row see themselves alone, the loss is the mean over learned tokens, gradients are clipped at a global norm of 1, and
AdamW decays matrices alone. Eager; times are of the work alone.
"""
import json
import resource
import sys
import time

import torch
import torch.nn.functional as F

from safetensors_file import read_tensors

state = {}


def rms_norm(x, weight, epsilon):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * weight


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def loss_of(batch):
    p, c = state['parameters'], state['config']
    heads, width = c['num_attention_heads'], c['hidden_size']
    size = width // heads
    x = F.embedding(batch['tokens'], p['model.embed_tokens.weight'])
    rows, length, _ = x.shape
    split = lambda y: y.view(rows, length, heads, size).transpose(1, 2)
    for layer in range(c['num_hidden_layers']):
        at = lambda name: p[f'model.layers.{layer}.{name}.weight']
        normed = rms_norm(x, at('input_layernorm'), c['rms_norm_eps'])
        query, key, value = (split(normed @ at(f'self_attn.{name}_proj').t()) for name in 'qkv')
        query, key = rotate(query, batch['cos'], batch['sin']), rotate(key, batch['cos'], batch['sin'])
        scores = query @ key.transpose(2, 3) / size**0.5 + batch['mask']
        mixed = (F.softmax(scores, -1) @ value).transpose(1, 2).reshape(rows, length, width)
        x = x + mixed @ at('self_attn.o_proj').t()
        normed = rms_norm(x, at('post_attention_layernorm'), c['rms_norm_eps'])
        inner = F.silu(normed @ at('mlp.gate_proj').t()) * (normed @ at('mlp.up_proj').t())
        x = x + inner @ at('mlp.down_proj').t()
    x = rms_norm(x, p['model.norm.weight'], c['rms_norm_eps'])
    logits = x.view(-1, width) @ p['model.embed_tokens.weight'].t()
    return (F.cross_entropy(logits, batch['targets'], reduction='none') * batch['weights']).sum() / batch['weights'].sum()


def prepared(batch):
    rows, length = batch['rows'], batch['time']
    shaped = lambda name: torch.tensor(batch[name]).view(rows, length)
    positions, texts = shaped('positions'), shaped('texts')
    order = torch.arange(length)
    seen = (texts[:, :, None] == texts[:, None, :]) & (order[None, :, None] >= order[None, None, :])
    size = state['config']['hidden_size'] // state['config']['num_attention_heads']
    frequencies = 10000 ** (-torch.arange(0, size, 2) / size)
    angles = positions.clamp(min=0)[:, None, :, None] * frequencies
    return {
        'tokens': shaped('tokens'),
        'targets': torch.tensor(batch['targets']),
        'weights': torch.tensor(batch['weights'], dtype=torch.float32),
        'mask': torch.zeros(rows, length, length).masked_fill(~seen, -1e9)[:, None],
        'cos': angles.cos(),
        'sin': angles.sin(),
    }


def open_task(request):
    state['config'] = request['config']
    parameters = {name: tensor.clone().requires_grad_() for name, tensor in read_tensors(request['weights']).items()}
    groups = [
        {'params': [p for p in parameters.values() if p.dim() >= 2], 'weight_decay': request['weightDecay']},
        {'params': [p for p in parameters.values() if p.dim() < 2], 'weight_decay': 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=request['rate'], betas=(0.9, 0.999), eps=1e-8)
    state.update(parameters=parameters, optimiser=optimiser, batches=[prepared(batch) for batch in request['batches']], at=0)
    return {'parameters': sum(tensor.numel() for tensor in parameters.values())}


def step(_):
    batch = state['batches'][state['at'] % len(state['batches'])]
    state['at'] += 1
    begin = time.perf_counter()
    state['optimiser'].zero_grad(set_to_none=True)
    loss = loss_of(batch)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state['parameters'].values(), 1.0)
    state['optimiser'].step()
    value = loss.item()
    elapsed = (time.perf_counter() - begin) * 1000
    return {'elapsedMs': elapsed, 'loss': value, 'residentBytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def main():
    torch.set_num_threads(int(sys.argv[1]))
    handlers = {'open': open_task, 'step': step}
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(handlers[request['do']](request)), flush=True)


main()
