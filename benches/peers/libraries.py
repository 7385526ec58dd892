"""The same network in every library: a module, and functions for its loss and for both of its directions."""

from dataclasses import dataclass
from typing import Callable

import torch
from torch import nn

from glow import WAYS, Glow, conditioner, make_last_convolutions_small, negative_log_likelihood

LIBRARIES = ["normflows", "freia", *WAYS]


@dataclass
class Subject:
    module: nn.Module
    loss: Callable
    forward: Callable
    inverse: Callable


def subject(lib, **point):
    build = {"normflows": normflows, "freia": freia}.get(lib)
    made = build(**point) if build else own(lib, **point)
    make_last_convolutions_small(made.module)
    return made


def own(way, size, channels, scales, depth, hidden):
    module = Glow(channels, scales, depth, hidden, way)
    return Subject(module, lambda x: negative_log_likelihood(*module(x)), lambda x: module(x)[0], module.inverse)


def normflows(size, channels, scales, depth, hidden):
    import normflows as nf

    bases, flows, merges = [], [], []
    for coarseness in range(scales, 0, -1):
        width = channels * 2 ** (coarseness + 1)
        block = lambda: nf.flows.GlowBlock(width, hidden, split_mode="channel", scale=True)
        flows.append([*(block() for _ in range(depth)), nf.flows.Squeeze()])
        if coarseness < scales:
            merges.append(nf.flows.Merge())
            width //= 2
        side = size // 2**coarseness
        bases.append(nf.distributions.DiagGaussian((width, side, side), trainable=False))
    module = nf.MultiscaleFlow(bases, flows, merges, class_cond=False)
    return Subject(
        module,
        lambda x: module(x).mean(),
        lambda x: module.inverse_and_log_det(x)[0],
        lambda z: module.forward_and_log_det(z)[0],
    )


def freia(size, channels, scales, depth, hidden):
    import FrEIA.framework as framework
    import FrEIA.modules as modules

    settings = dict(subnet_constructor=lambda inputs, outputs: conditioner(inputs, outputs, hidden), permute_soft=True)
    nodes, latents = [framework.InputNode(channels, size, size, name="x")], []

    def node(source, kind, arguments):
        nodes.append(framework.Node(source, kind, arguments, name=f"node {len(nodes)}"))
        return nodes[-1]

    last = nodes[0]
    for scale in range(scales):
        channels *= 4
        last = node(last, modules.IRevNetDownsampling, {})
        for _ in range(depth):
            last = node(last, modules.AllInOneBlock, settings)
        if scale + 1 < scales:
            split = node(last, modules.Split, dict(section_sizes=[channels // 2, channels // 2], dim=0))
            latents.append(framework.OutputNode(split.out0, name=f"latent {scale}"))
            last, channels = split.out1, channels // 2
    latents.append(framework.OutputNode(last, name=f"latent {scales - 1}"))
    module = framework.GraphINN([*nodes, *latents])

    def as_list(z):
        return list(z) if isinstance(z, (tuple, list)) else [z]

    def loss(x):
        z, log_det = module(x)
        return negative_log_likelihood(as_list(z), log_det)

    return Subject(module, loss, lambda x: as_list(module(x)[0]), lambda z: module(z, rev=True)[0])
