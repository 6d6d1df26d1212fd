"""PyTorch as a peer of the engine's bench: reads requests line by line, answers each with one JSON line.

Computes what examples/transformer.ts computes, with torch.nn.functional and torch.optim.AdamW, eagerly, in float32.
Written for PyTorch 1.13 and later; where scaled_dot_product_attention exists, it is used.
Requests: open, step, product, chain. Times are of the work alone.
"""
import json
import math
import resource
import sys
import time

import torch
import torch.nn.functional as F

from safetensors_file import read_tensors

state = {}


def attention(query, key, value):
    if hasattr(F, 'scaled_dot_product_attention'):
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    length = query.shape[2]
    scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
    return F.softmax(scores.masked_fill(state['hidden'][:length, :length], float('-inf')), -1) @ value


def block(p, name, heads, x):
    batch, length, width = x.shape
    normed = F.layer_norm(x, (width,), p[f'{name}.norm1.scale'], p[f'{name}.norm1.bias'])
    parts = (normed @ p[f'{name}.qkv.weight'] + p[f'{name}.qkv.bias']).split(width, 2)
    query, key, value = (part.view(batch, length, heads, width // heads).transpose(1, 2) for part in parts)
    mixed = attention(query, key, value).transpose(1, 2).reshape(batch, length, width)
    x = x + (mixed @ p[f'{name}.out.weight'] + p[f'{name}.out.bias'])
    normed = F.layer_norm(x, (width,), p[f'{name}.norm2.scale'], p[f'{name}.norm2.bias'])
    inner = F.gelu(normed @ p[f'{name}.up.weight'] + p[f'{name}.up.bias'], approximate='tanh')
    return x + (inner @ p[f'{name}.down.weight'] + p[f'{name}.down.bias'])


def loss():
    p, shape = state['parameters'], state['shape']
    x = F.embedding(state['tokens'], p['tokens']) + p['positions'][: state['tokens'].shape[1]]
    for layer in range(shape['layers']):
        x = block(p, f'blocks.{layer}', shape['heads'], x)
    x = F.layer_norm(x, (shape['width'],), p['norm.scale'], p['norm.bias'])
    logits = x @ p['tokens'].t()
    return F.cross_entropy(logits.view(-1, shape['vocabulary']), state['targets'].view(-1))


def open_task(request):
    shape, batch, length = request['shape'], request['batch'], request['time']
    parameters = {name: tensor.clone().requires_grad_() for name, tensor in read_tensors(request['weights']).items()}
    state.update(
        shape=shape,
        parameters=parameters,
        tokens=torch.tensor(request['tokens']).view(batch, length),
        targets=torch.tensor(request['targets']).view(batch, length),
        hidden=torch.ones(length, length, dtype=torch.bool).triu(1),
        optimiser=torch.optim.AdamW(
            parameters.values(),
            lr=request['rate'],
            betas=(request['beta1'], request['beta2']),
            eps=request['epsilon'],
            weight_decay=request['weightDecay'],
        ),
    )
    return {'parameters': sum(tensor.numel() for tensor in parameters.values())}


def step(_):
    begin = time.perf_counter()
    state['optimiser'].zero_grad(set_to_none=True)
    value = loss()
    value.backward()
    state['optimiser'].step()
    result = value.item()
    elapsed = (time.perf_counter() - begin) * 1000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {'elapsedMs': elapsed, 'loss': result, 'residentBytes': peak}


def product(request):
    size = request['size']
    with torch.inference_mode():
        if state.get('size') != size:
            state.update(size=size, a=torch.full((size, size), 0.5), b=torch.full((size, size), 0.5))
        begin = time.perf_counter()
        for _ in range(request['calls']):
            state['a'] @ state['b']
        return {'elapsedMs': (time.perf_counter() - begin) * 1000 / request['calls']}


def chain(request):
    x, y = torch.tensor(request['start']), torch.tensor(request['other'])
    operators = [lambda h: h + y, lambda h: h * y, torch.tanh, lambda h: torch.maximum(h, y)]
    with torch.inference_mode():
        begin = time.perf_counter()
        for _ in range(request['calls']):
            h = x
            for i in range(request['count']):
                h = operators[i % 4](h)
        return {'elapsedMs': (time.perf_counter() - begin) * 1000, 'value': h[0].item()}


def main():
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(0)
    handlers = {'open': open_task, 'step': step, 'product': product, 'chain': chain}
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(handlers[request['do']](request)), flush=True)


main()
