"""Writes golden_spqr.safetensors beside it: spqr3_g16 and spqr4_g16 in numpy, by the rule of src/formats/spqr.h.

Usage: python make_golden_spqr.py [FOLDER]   (numpy alone)
NAME.values: the weights; NAME.PLANE: the planes; NAME.decoded: the weights that they stand for. Every operation is one of f32, in the
order in which the rule names them; sums go in ascending order.
"""
import json
import struct
import sys
from pathlib import Path

import numpy as np

N, K, GROUP, ROWS, THRESHOLD = 37, 90, 16, 16, np.float32(0.2)  # both end in a shorter one
f32, f16 = np.float32, np.float16
ZERO = f32(0)


def values() -> np.ndarray:
    g = np.random.default_rng(7)
    w = g.normal(0, 0.05, (N, K))
    w[g.random((N, K)) < 0.01] *= 9            # outliers of both signs
    w[3] = g.standard_t(2, K) * 0.03
    w[5, 16:32] = 0                            # a row's group of zeros
    w[16:32, 32:48] = 0                        # sixteen of them
    w[8, 48:64] = abs(w[8, 48:64])             # one sign
    w[20, 64:80] = 0.25                        # all alike
    w[32:, :16] = g.normal(0, 0.05, (1, 16))   # rows that are alike: no range in the second level
    return w.astype(f32)


def clamp_round(x: np.float32, highest: int) -> int:
    return int(np.rint(min(max(x, ZERO), f32(highest))))


def by_rule(w: np.ndarray, highest: int) -> tuple:
    low, high = min(w.min(), ZERO), max(w.max(), ZERO)
    scale = (high - low) / f32(highest)
    return scale, (-low / scale if scale != 0 else ZERO)


def code(r: tuple, x: np.float32, highest: int) -> int:
    return clamp_round(x / r[0] + r[1], highest) if r[0] > 0 else 0


def value(r: tuple, c: int) -> np.float32:
    return r[0] * (f32(c) - r[1])


def miss(r: tuple, x: np.float32, highest: int) -> np.float32:
    return x - value(r, code(r, x, highest))


def leave_out(w: np.ndarray, limit: np.float32, highest: int) -> np.ndarray:
    """The candidates of one row's group."""

    def error(r: tuple, of: np.ndarray) -> np.float32:
        total = ZERO
        for x in of:
            m = miss(r, x, highest)
            total = total + m * m
        return total

    whole = by_rule(w, highest)
    out = np.zeros(len(w), bool)
    for j, x in enumerate(w):
        m = miss(whole, x, highest)
        gain = m * m
        if j in (int(w.argmin()), int(w.argmax())):
            rest_of = w.copy()
            rest_of[j] = 0
            rest = by_rule(rest_of, highest)
            of_zero = miss(rest, ZERO, highest)
            gain = error(whole, w) - (error(rest, rest_of) - of_zero * of_zero)
        out[j] = gain > limit
    return out


def second(low: np.float32, high: np.float32) -> tuple:
    scale = f32(f16((high - low) / f32(7)))
    zero = f32(f16(-low / scale)) if scale > 0 else f32(np.inf)
    if scale > 0 and np.isfinite(zero):
        return scale, zero
    return f32(f16(f32(0.5) * (low + high))), f32(-1)


def second_value(s: tuple, c: int) -> np.float32:
    return f32(f16(s[0] * (f32(c) - s[1])))


def statistics(block: np.ndarray, highest: int) -> tuple:
    """Second levels of scales and of zeros, and both codes of each row."""
    wanted = [by_rule(row, highest) for row in block]
    counted = [r for r in wanted if r[0] != 0]
    if not counted:
        return ((ZERO, ZERO),) * 2, [(0, 0)] * len(block)
    levels = tuple(second(min(r[i] for r in counted), max(r[i] for r in counted)) for i in (0, 1))

    def code3(s: tuple, x: np.float32) -> int:
        return clamp_round(x / s[0] + s[1], 7) if s[0] > 0 else 0

    return levels, [(0, 0) if r[0] == 0 else tuple(code3(levels[i], r[i]) for i in (0, 1)) for r in wanted]


def ranges(levels: tuple, codes: list) -> list:
    return [tuple(second_value(levels[i], c[i]) for i in (0, 1)) for c in codes]


def blocks():
    for n in range(0, N, ROWS):
        for k in range(0, K, GROUP):
            yield slice(n, min(n + ROWS, N)), slice(k, min(k + GROUP, K))


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    stream = codes.astype(np.uint8)[..., None] >> np.arange(bits, dtype=np.uint8) & 1
    return np.packbits(stream.reshape(len(codes), -1), axis=1, bitorder="little")


def spqr(out: dict, name: str, bits: int) -> None:
    w = values()
    highest = 2**bits - 1
    total = 0.0
    for row in w:
        of_row = 0.0
        for x in row:
            of_row += float(x) * float(x)
        total += of_row
    limit = f32(float(THRESHOLD) * total / (N * K))
    apart = np.zeros((N, K), bool)
    for n, k in blocks():
        kept = w[n, k].copy()
        for row in kept:
            row[leave_out(row.copy(), limit, highest)] = 0
        for i, r in enumerate(ranges(*statistics(kept, highest))):
            for j, x in enumerate(w[n, k][i]):
                m = miss(r, x, highest)
                apart[n, k][i, j] = m * m > limit
    groups = (K + GROUP - 1) // GROUP
    codes = np.zeros((N, K), np.uint8)
    codes3 = np.zeros((2, N, groups), np.uint8)
    level = np.zeros(((N + ROWS - 1) // ROWS, groups, 4), f16)
    decoded = np.zeros((N, K), f32)
    for n, k in blocks():
        kept = np.where(apart[n, k], ZERO, w[n, k])
        levels, of_rows = statistics(kept, highest)
        g = k.start // GROUP
        level[n.start // ROWS, g] = [*levels[0], *levels[1]]
        codes3[:, n, g] = np.array(of_rows).T
        for i, r in enumerate(ranges(levels, of_rows)):
            for j, x in enumerate(kept[i]):
                codes[n, k][i, j] = code(r, x, highest)
                decoded[n, k][i, j] = value(r, codes[n, k][i, j])
    halves = w.astype(f16)
    out[f"{name}.values"] = w
    out[f"{name}.codes"] = pack(codes, bits)
    out[f"{name}.scale_codes"], out[f"{name}.zero_codes"] = (pack(c, 3) for c in codes3)
    out[f"{name}.second_level"] = level.reshape(len(level), -1)
    out[f"{name}.outlier_rows"] = np.concatenate([[0], np.cumsum(apart.sum(1))]).astype(np.int32)
    out[f"{name}.outlier_columns"] = np.nonzero(apart)[1].astype(np.uint16)
    out[f"{name}.outlier_values"] = halves[apart]
    out[f"{name}.decoded"] = np.where(apart, halves.astype(f32), decoded)


def save(tensors: dict, path: Path) -> None:
    """A safetensors file; larger elements first, which aligns them."""
    names = {"float32": "F32", "int32": "I32", "float16": "F16", "uint16": "U16", "uint8": "U8"}
    header, data = {}, b""
    for name, t in sorted(tensors.items(), key=lambda item: -item[1].itemsize):
        begin = len(data)
        data += np.ascontiguousarray(t).tobytes()
        header[name] = {"dtype": names[t.dtype.name], "shape": list(t.shape), "data_offsets": [begin, len(data)]}
    text = json.dumps(header, separators=(",", ":"))
    text += " " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text.encode() + data)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    out: dict = {}
    np.seterr(all="ignore")
    spqr(out, "spqr3_g16", 3)
    spqr(out, "spqr4_g16", 4)
    for bits in (3, 4):
        print(bits, len(out[f"spqr{bits}_g16.outlier_values"]), "outliers of", N * K)
    save(out, folder / "golden_spqr.safetensors")


if __name__ == "__main__":
    main()
