"""Losses and gradients of sparse dictionaries by PyTorch's autograd, written from the papers' formulas.

    /usr/bin/python3 src/kit/dictionary/reference.py > src/kit/dictionary/reference.json

Inputs are cosines of their index, so that the test makes the same ones. Written for PyTorch 1.13 and later.
"""
import json
import math

import torch

torch.set_default_dtype(torch.float64)
BATCH, WIDTH, LATENTS, K = 4, 3, 6, 2


def wave(shape, pace, size=1.0):
    count = math.prod(shape)
    return torch.tensor([size * math.cos(pace * (i + 1)) for i in range(count)]).view(shape)


def parameters():
    made = {
        'encoder': wave((LATENTS, WIDTH), 1.3),
        'encoderBias': wave((LATENTS,), 0.7, 0.2),
        'decoder': wave((LATENTS, WIDTH), 2.1),
        'decoderBias': wave((WIDTH,), 0.9, 0.3),
        'logThreshold': wave((LATENTS,), 0.4, 0.5) - 1,
    }
    return {name: value.requires_grad_() for name, value in made.items()}


class JumpRelu(torch.autograd.Function):
    """arXiv 2407.14435, section 3: z 1[z > theta], and a rectangle of this width for the derivative by theta."""

    @staticmethod
    def forward(ctx, z, theta, width):
        ctx.save_for_backward(z, theta)
        ctx.width = width
        return z * (z > theta)

    @staticmethod
    def backward(ctx, g):
        z, theta = ctx.saved_tensors
        window = ((z - theta).abs() < ctx.width / 2).double()
        return g * (z > theta), (-(theta / ctx.width) * window * g).sum(0), None


class Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z, theta, width):
        ctx.save_for_backward(z, theta)
        ctx.width = width
        return (z > theta).double()

    @staticmethod
    def backward(ctx, g):
        z, theta = ctx.saved_tensors
        window = ((z - theta).abs() < ctx.width / 2).double()
        return None, (-(1 / ctx.width) * window * g).sum(0), None


def largest(pre, k):
    values, indices = pre.topk(k, dim=1)
    return torch.zeros_like(pre).scatter(1, indices, values.relu())


def spread(x):
    return (x - x.mean(0)).pow(2).sum(1).mean()


def auxiliary(p, pre, residual, dead, k):
    target = residual.detach()
    answers = torch.where(dead > 0, pre, torch.full_like(pre, -1))
    guess = largest(answers, k) @ p['decoder']
    return (target - guess).pow(2).sum(1).mean() / spread(target)


def loss(form, p, x, dead):
    pre = (x - p['decoderBias']) @ p['encoder'].t() + p['encoderBias']
    error = lambda guess: (x - guess).pow(2).sum(1).mean()
    if form == 'l1':
        f = pre.relu()
        return error(f @ p['decoder'] + p['decoderBias']) + 0.3 * (f * p['decoder'].norm(dim=1)).sum(1).mean()
    if form.startswith('jumprelu'):
        theta = p['logThreshold'].exp()
        f = JumpRelu.apply(pre, theta, 0.5)
        count = Step.apply(pre, theta, 0.5).sum(1).mean()
        penalty = (count / 2 - 1) ** 2 if form == 'jumprelu, target' else count
        return error(f @ p['decoder'] + p['decoderBias']) / WIDTH + 0.3 * penalty
    if form in ('topk', 'topk, dead'):
        f = largest(pre, K)
        total = error(f @ p['decoder'] + p['decoderBias']) / spread(x)
    else:
        positive = pre.relu()
        least = positive.detach().flatten().topk(K * BATCH).values[-1]
        f = positive * (positive >= least)
        if form == 'batch-topk':
            total = error(f @ p['decoder'] + p['decoderBias']) / spread(x)
        else:
            total = sum(error(f[:, :n] @ p['decoder'][:n] + p['decoderBias']) for n in (2, 4, 6)) / 3 / spread(x)
    if form == 'topk, dead':
        residual = x - f @ p['decoder'] - p['decoderBias']
        total = total + auxiliary(p, pre, residual, dead, 2) / 32
    return total


cases = {}
for form in ('l1', 'topk', 'topk, dead', 'batch-topk', 'matryoshka', 'jumprelu', 'jumprelu, target'):
    p = parameters()
    value = loss(form, p, wave((BATCH, WIDTH), 0.37, 2.0), torch.tensor([0.0, 1, 0, 1, 1, 0]))
    value.backward()
    gradients = {
        name: [round(v, 9) for v in (torch.zeros_like(t) if t.grad is None else t.grad).flatten().tolist()]
        for name, t in p.items()
    }
    cases[form] = {'loss': round(value.item(), 9), 'gradients': gradients}
print(json.dumps(cases))
