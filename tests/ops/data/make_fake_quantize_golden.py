"""Writes PyTorch's fake quantization, and LSQ and the INT4 straight-through estimator in its autograd, on made inputs.

Usage: python make_fake_quantize_golden.py OUT.safetensors [ROWS COLUMNS SEED], with torch, numpy and safetensors.
fake_quantize_golden.safetensors is the default, 12 24 1. Tensors are named CASE.x, CASE.scales, CASE.out, ...
"""
import sys

import numpy
import torch
from safetensors.torch import save_file

GROUP = 16


def inputs(random, rows, columns, scales, reach):
    """Values up to `reach` steps: ties of x / s, their neighbours, and others. scales: [rows, columns]."""
    ties = ((random.integers(-reach, reach, (rows, columns)) + 0.5) * scales).astype(numpy.float32)
    away = numpy.nextafter(ties, random.choice([-numpy.inf, numpy.inf], (rows, columns)).astype(numpy.float32))
    others = (random.standard_normal((rows, columns)) * scales * reach / 2).astype(numpy.float32)
    which = random.integers(0, 4, (rows, columns))
    x = numpy.select([which == 0, which == 1], [ties, away], others).astype(numpy.float32)
    x.flat[0], x.flat[1] = 0.0, -0.0
    return torch.from_numpy(x)


def gradient(random, rows, columns):
    return torch.from_numpy(random.standard_normal((rows, columns)).astype(numpy.float32))


def run(tensors, name, function, x, out_gradient, **more):
    x = x.requires_grad_()
    out = function(x)
    out.backward(out_gradient)
    tensors.update({f"{name}.x": x.detach(), f"{name}.out": out.detach(), f"{name}.out_gradient": out_gradient,
                    f"{name}.x_gradient": x.grad})
    tensors.update({f"{name}.{key}": value for key, value in more.items()})


def affine(tensors, name, random, shape, scales, zeros, low, high):
    """scales of one element: per tensor; else one for each row."""
    rows, columns = shape
    wide = numpy.broadcast_to(scales[:, None], shape)
    x = inputs(random, rows, columns, wide, (high - low) * 3 // 4)
    s, z = torch.from_numpy(scales), torch.from_numpy(zeros)

    def function(x):
        if len(scales) == 1:
            return torch.fake_quantize_per_tensor_affine(x, float(scales[0]), int(zeros[0]), low, high)
        return torch.fake_quantize_per_channel_affine(x, s, z, 0, low, high)

    run(tensors, name, function, x, gradient(random, rows, columns), scales=s, zero_points=z,
        range=torch.tensor([low, high], dtype=torch.int32))


class ScaleGradient(torch.autograd.Function):
    """x forward, g times the gradient backward: the LSQ paper's gradscale, without its rounding of x."""

    @staticmethod
    def forward(ctx, x, g):
        ctx.g = g
        return x.clone()

    @staticmethod
    def backward(ctx, out_gradient):
        return out_gradient * ctx.g, None


class RoundPass(torch.autograd.Function):
    """round(x) forward, the gradient itself backward."""

    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, out_gradient):
        return out_gradient


def spread(values, kind, rows, columns):
    """Scales of a sharing as [rows, columns]."""
    if kind == "group":
        return values.reshape(rows, -1).repeat_interleave(GROUP, 1)[:, :columns]
    return values.reshape(-1, 1).expand(rows, columns)


def lsq(tensors, name, random, shape, kind, low, high):
    rows, columns = shape
    count = {"tensor": 1, "row": rows, "group": rows * -(-columns // GROUP)}[kind]
    scales = torch.from_numpy((0.02 + 0.05 * random.random(count)).astype(numpy.float32)).requires_grad_()
    ones = torch.ones(count, requires_grad=True)
    spread(ones, kind, rows, columns).sum().backward()
    shared = ones.grad  # elements of each scale
    wide = spread(scales.detach(), kind, rows, columns)
    x = inputs(random, rows, columns, wide.numpy(), high + 2)
    out_gradient = gradient(random, rows, columns)
    gradients = []
    for elements in (shared, torch.full_like(shared, rows * columns)):
        scales.grad = None

        def function(x):
            s = spread(ScaleGradient.apply(scales, 1 / torch.sqrt(elements * high)), kind, rows, columns)
            return RoundPass.apply(torch.clamp(x / s, low, high)) * s + 0.0

        run(tensors, name, function, x.detach().clone(), out_gradient, scales=scales.detach(),
            range=torch.tensor([low, high], dtype=torch.int32))
        gradients.append(scales.grad)
    tensors[f"{name}.scale_gradient_of_scale"], tensors[f"{name}.scale_gradient_of_tensor"] = gradients


class Int4StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        rows, columns = x.shape
        pieces = torch.split(x, group, 1)
        out = []
        for piece in pieces:
            scale = piece.abs().amax(1, keepdim=True) / 7
            scale = torch.where(scale == 0, 1.0, scale)
            out.append(torch.clamp(torch.round(piece / scale), -7, 7) * scale + 0.0)
        return torch.cat(out, 1)

    @staticmethod
    def backward(ctx, out_gradient):
        return out_gradient, None


def main():
    path, rows, columns, seed = sys.argv[1], 12, 24, 1
    if len(sys.argv) > 2:
        rows, columns, seed = map(int, sys.argv[2:])
    random, shape, tensors = numpy.random.default_rng(seed), (rows, columns), {}
    some = (0.01 + 0.2 * random.random(rows)).astype(numpy.float32)
    powers = (2.0 ** random.integers(-12, 4, rows)).astype(numpy.float32)
    zeros = lambda low, high, count: random.integers(low, high + 1, count).astype(numpy.int32)
    affine(tensors, "tensor_power_of_two", random, shape, powers[:1], zeros(0, 255, 1), 0, 255)
    affine(tensors, "tensor", random, shape, some[:1], zeros(-8, 7, 1), -8, 7)
    affine(tensors, "tensor_8_bits", random, shape, some[1:2], zeros(-128, 127, 1), -128, 127)
    affine(tensors, "row_power_of_two", random, shape, powers, zeros(-8, 7, rows), -8, 7)
    affine(tensors, "row", random, shape, some, zeros(-8, 7, rows), -8, 7)
    for kind in ("tensor", "row", "group"):
        lsq(tensors, f"lsq_{kind}", random, shape, kind, -8, 7)
    x = inputs(random, rows, columns, numpy.broadcast_to(some[:, None], shape), 7)
    x[2] = 0
    run(tensors, "int4", lambda x: Int4StraightThrough.apply(x, GROUP), x, gradient(random, rows, columns))
    save_file({name: tensor.contiguous() for name, tensor in sorted(tensors.items())}, path)


main()
