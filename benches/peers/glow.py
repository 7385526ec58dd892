"""A Glow in PyTorch, whose gradient is made in one of three ways.

pytorch     autograd keeps every activation
checkpoint  autograd keeps the input of every flow step and runs the step again
invertible  nothing is kept but the output of a scale: each step recomputes its input by its inverse, and runs its
            conditioner once more, which serves the inverse and the gradient alike
"""

import math

import torch
from torch import nn
from torch.nn.functional import conv2d, pixel_shuffle, pixel_unshuffle
from torch.utils.checkpoint import checkpoint

BOUND = 2.0
LAST_GAIN = 0.1


def conditioner(inputs, outputs, hidden):
    return nn.Sequential(
        nn.Conv2d(inputs, hidden, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(hidden, hidden, 1),
        nn.ReLU(),
        nn.Conv2d(hidden, outputs, 3, padding=1),
    )


@torch.no_grad()
def make_last_convolutions_small(module):
    """Small and not zero, so that every coupling does something and none explodes."""
    for network in module.modules():
        if isinstance(network, nn.Sequential) and isinstance(network[-1], nn.Conv2d):
            last = network[-1]
            last.weight.normal_(std=LAST_GAIN / math.sqrt(last.weight[0].numel()))
            last.bias.zero_()


def one_by_one(x, matrix, offset=None):
    return conv2d(x, matrix[:, :, None, None], offset)


def sum_samples(x):
    return x.sum((1, 2, 3))


class FlowStep(nn.Module):
    """z = coupling(W (s x + b)): ActNorm and channel mixing, folded into one matrix, then an affine coupling."""

    def __init__(self, channels, hidden):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.mixing = nn.Parameter(torch.linalg.qr(torch.randn(channels, channels))[0])
        self.network = conditioner(channels // 2, channels, hidden)

    def folded(self):
        """Matrix and offset of the linear part, and the log-determinant of the matrix."""
        matrix = self.mixing * self.scale
        return matrix, self.mixing @ self.shift, torch.linalg.slogdet(matrix)[1]

    def coefficients(self, passive):
        raw, shift = self.network(passive).chunk(2, 1)
        return BOUND * torch.tanh(raw / BOUND), shift

    def forward(self, x):
        matrix, offset, log_det = self.folded()
        active, passive = one_by_one(x, matrix, offset).chunk(2, 1)
        log_scale, shift = self.coefficients(passive)
        z = torch.cat((active * log_scale.exp() + shift, passive), 1)
        return z, sum_samples(log_scale) + x[0, 0].numel() * log_det

    def inverse(self, z):
        active, passive = z.chunk(2, 1)
        log_scale, shift = self.coefficients(passive)
        y = torch.cat(((active - shift) * torch.exp(-log_scale), passive), 1)
        matrix, offset, _ = self.folded()
        return one_by_one(y - offset[:, None, None], torch.linalg.inv(matrix))

    def pull(self, z, dz, dlog_det):
        """From the output and its gradient: the input, its gradient, and those of `parameters()`, in their order."""
        active, passive = z.chunk(2, 1)
        dactive, dpassive = dz.chunk(2, 1)
        with torch.enable_grad():
            passive = passive.detach().requires_grad_()
            log_scale, shift = self.coefficients(passive)
            matrix, offset, log_det = self.folded()

        moved = active - shift.detach()
        scale = log_scale.detach().exp()
        y = torch.cat((moved / scale, passive.detach()), 1)
        dlog_scale = dactive * moved + dlog_det[:, None, None, None]
        network = list(self.network.parameters())
        below, *dnetwork = torch.autograd.grad((log_scale, shift), (passive, *network), (dlog_scale, dactive))
        dy = torch.cat((dactive * scale, dpassive + below), 1)
        del log_scale, shift, moved, scale, dlog_scale, below

        x = one_by_one(y - offset.detach()[:, None, None], torch.linalg.inv(matrix.detach()))
        dmatrix = torch.bmm(dy.flatten(2), x.flatten(2).transpose(1, 2)).sum(0)
        dlinear = torch.autograd.grad(
            (matrix, offset, log_det),
            (self.scale, self.shift, self.mixing),
            (dmatrix, dy.sum((0, 2, 3)), x[0, 0].numel() * dlog_det.sum()),
        )
        return x, one_by_one(dy, matrix.detach().T), [*dlinear, *dnetwork]


class InvertibleSteps(torch.autograd.Function):
    """The steps of a scale as one node of the graph."""

    @staticmethod
    def forward(ctx, steps, x, *parameters):
        z, log_det = chained(steps, x)
        ctx.steps = steps
        ctx.save_for_backward(z)
        return z, log_det

    @staticmethod
    def backward(ctx, dz, dlog_det):
        (z,) = ctx.saved_tensors
        gradients = []
        for step in reversed(ctx.steps):
            z, dz, own = step.pull(z, dz, dlog_det)
            gradients = own + gradients
        return None, dz, *gradients


def chained(steps, x, run=lambda step, x: step(x)):
    total = x.new_zeros(len(x))
    for step in steps:
        x, log_det = run(step, x)
        total = total + log_det
    return x, total


def checkpointed(steps, x):
    return chained(steps, x, lambda step, x: checkpoint(step, x, use_reentrant=False, preserve_rng_state=False))


def invertible(steps, x):
    return InvertibleSteps.apply(steps, x, *(p for step in steps for p in step.parameters()))


WAYS = {"pytorch": chained, "checkpoint": checkpointed, "invertible": invertible}


class Glow(nn.Module):
    def __init__(self, channels, scales, depth, hidden, way):
        super().__init__()
        self.way = WAYS[way]
        self.scales = nn.ModuleList()
        for _ in range(scales):
            channels *= 4
            self.scales.append(nn.ModuleList(FlowStep(channels, hidden) for _ in range(depth)))
            channels //= 2

    def forward(self, x):
        """The latents, finest first, and the log-determinant."""
        latents, total = [], x.new_zeros(len(x))
        for i, steps in enumerate(self.scales):
            x, log_det = self.way(list(steps), pixel_unshuffle(x, 2))
            total = total + log_det
            if i + 1 < len(self.scales):
                latent, x = x.chunk(2, 1)
                latents.append(latent)
        return [*latents, x], total

    def inverse(self, latents):
        *latents, x = latents
        for i, steps in reversed(list(enumerate(self.scales))):
            if i + 1 < len(self.scales):
                x = torch.cat((latents[i], x), 1)
            for step in reversed(steps):
                x = step.inverse(x)
            x = pixel_shuffle(x, 2)
        return x


def negative_log_likelihood(latents, log_det):
    """The mean over the batch, in nats."""
    squares = sum(sum_samples(z * z) for z in latents)
    entries = sum(z[0].numel() for z in latents)
    return (0.5 * squares + 0.5 * entries * math.log(2 * math.pi) - log_det).mean()
