"""Integer grids by the names of Farthing's formats: what they store, and whether values lie on one."""
import re

import numpy


class Grid:
    """int{bits}_g{group}[_asym] or int{bits}_row[_asym]; scales are counted as f16, zero points as codes."""

    def __init__(self, name):
        found = re.fullmatch(r"int([2-8])_(row|g(\d+))(_asym)?", name)
        if not found:
            raise SystemExit(f"scheme '{name}': wanted int{{2..8}}_g{{32,64,128}}[_asym] or int{{2..8}}_row[_asym]")
        self.bits, self.group, self.symmetric = int(found[1]), int(found[3] or 0), found[4] is None

    def bits_a_weight(self, shapes):
        """Over matrices [n, k]; a row's last group may be shorter."""
        each = 16 + (0 if self.symmetric else self.bits)
        groups = sum(n * -(-k // (self.group or k)) for n, k in shapes)
        return self.bits + groups * each / sum(n * k for n, k in shapes)

    def check(self, name, values):
        """Refuses values [n, k] with more levels in a group than codes of that width can give."""
        group = self.group or values.shape[1]
        groups = numpy.sort(values[:, : values.shape[1] // group * group].reshape(-1, group), axis=1)
        # Steps of a grid are many roundings of f32 apart; two values of one code differ by a few roundings at most.
        spread = groups[:, -1:] - groups[:, :1]
        levels = 1 + (numpy.diff(groups, axis=1) > 1e-5 * spread).sum(1)
        if levels.max() > 2 ** self.bits:
            raise SystemExit(f"{name}: a group has {levels.max()} levels, {self.bits} bits have {2 ** self.bits}: these are "
                             "not the quantized weights")


def from_bits(words, bits, count):
    """Codes that lie as one stream of bits in each row of int32 `words` [rows, words]: [rows, count]."""
    stream = numpy.unpackbits(numpy.ascontiguousarray(words).view(numpy.uint8), axis=1, bitorder="little")
    stream = stream[:, : count * bits].reshape(len(words), count, bits)
    return (stream.astype(numpy.int32) << numpy.arange(bits)).sum(-1)


def decode_gptq(qweight, qzeros, scales, g_idx, bits):
    """GPTQ's tensors of one linear (format gptq_v2: zero points as they are) as values [n, k].

    qweight [k * bits / 32, n], qzeros [groups, n * bits / 32], scales [groups, n], g_idx [k]."""
    n, k = qweight.shape[1], len(g_idx)
    codes = from_bits(qweight.T, bits, k)
    zeros = from_bits(qzeros, bits, n)
    return (codes - zeros[g_idx].T) * scales.astype(numpy.float32)[g_idx].T
