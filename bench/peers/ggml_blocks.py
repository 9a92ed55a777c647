"""ggml's blocks Q4_0 and Q8_0 in torch: the codes of the package gguf bit for bit, and linears that train with them.

A block is 32 weights along a row with one f16 scale d. Codes are chosen with the scale before it is rounded, and
multiplied with the rounded one, as `quantize_row_q4_0_ref` and `quantize_row_q8_0_ref` do:

  q4_0   d = x / -8 where x is the first element of the largest magnitude; code = trunc(x (1 / d) + 8.5) in 0..15,
         the product and the sum in one rounding; value d (code - 8)
  q8_0   d = amax / 127; code = x (1 / d) to the nearest, ties away from zero; value d code

A matrix whose rows are no whole number of blocks goes to f16 and back, which is what llama.cpp's own quantizer stores.
"""
import numpy
import torch

BLOCK = 32
KINDS = ("q4_0", "q8_0")


def quantize(weight, kind):
    """f32 [n, k] to (d f16 [n, k / 32, 1], whole codes f32 [n, k / 32, 32]; those of q4_0 are -8..7)."""
    blocks = weight.float().reshape(weight.shape[0], -1, BLOCK)
    first_largest = blocks.abs().argmax(-1, keepdim=True)
    extreme = blocks.gather(-1, first_largest)
    d = extreme / -8 if kind == "q4_0" else extreme.abs() / 127
    inverse = torch.where(d == 0, 0.0, 1 / d)
    if kind == "q4_0":
        shifted = (blocks.double() * inverse.double() + 8.5).float()
        return d.half(), shifted.trunc().clamp(0, 15) - 8
    scaled = blocks * inverse
    whole = scaled.abs().floor()
    return d.half(), (whole + (2 * (scaled.abs() - whole)).floor()) * scaled.sign()


def decode(d, codes):
    """The values [n, k]: exact in f32, since d has 11 significant bits and a code at most 7."""
    return (d.float() * codes).reshape(codes.shape[0], -1)


def pack(d, codes, kind):
    """The blocks as bytes [n, k / 32 * (18 or 34)], as they stand in a GGUF file."""
    scales = d.contiguous().numpy().view(numpy.uint8)
    if kind == "q4_0":
        whole = (codes + 8).to(torch.uint8).numpy()
        bytes_ = whole[..., : BLOCK // 2] | whole[..., BLOCK // 2:] << 4
    else:
        bytes_ = codes.to(torch.int8).numpy().view(numpy.uint8)
    return numpy.concatenate([scales, bytes_], -1).reshape(codes.shape[0], -1)


def holds(weight):
    """Whether a matrix is whole blocks."""
    return weight.shape[1] % BLOCK == 0


def on_grid(weight, kind):
    """A matrix's values after rounding to its grid."""
    return decode(*quantize(weight, kind)) if holds(weight) else weight.half().float()


def round_activations(x):
    """Activations as llama.cpp's x86 kernels round them before a quantized product: blocks of 32 along a row,
    d = amax / 127, code = the nearest even of x (127 / amax), value f16(d) code."""
    blocks = x.float().reshape(-1, BLOCK)
    amax = blocks.abs().amax(-1, keepdim=True)
    codes = torch.round(blocks * torch.where(amax == 0, 0.0, 127 / amax))
    return ((amax / 127).half().float() * codes).reshape(x.shape)


class StraightThrough(torch.autograd.Function):
    """A function's values forward; backward the gradient as it comes."""

    @staticmethod
    def forward(ctx, x, function):
        return function(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class FakeQuantizedLinear(torch.nn.Module):
    """A linear whose weight goes to its grid at each use; `weight` is the unrounded parameter."""

    def __init__(self, linear, kind):
        super().__init__()
        self.weight, self.bias, self.kind = linear.weight, linear.bias, kind
        self.rounds_activations = False

    def forward(self, x):
        weight = StraightThrough.apply(self.weight, lambda w: on_grid(w, self.kind))
        if self.rounds_activations:
            x = StraightThrough.apply(x, round_activations if holds(self.weight) else lambda y: y.half().float())
        return torch.nn.functional.linear(x, weight, self.bias)


def fake_quantize_linears(model, kind):
    """Replaces every nn.Linear except the head; returns them by name."""
    head = model.get_output_embeddings()
    linears = {name: FakeQuantizedLinear(child, kind) for name, child in model.named_modules()
               if isinstance(child, torch.nn.Linear) and child is not head}
    for name, linear in linears.items():
        model.set_submodule(name, linear)
    return linears
