"""How far apart two arrays of logits [windows, context, vocabulary] are, with the statistics of `farthing align`."""
import numpy

CLIP = 0.2


def compare(a, b, windows, name_a, name_b):
    """Statistics of two arrays of logits [windows, context, vocabulary]."""
    d = next_token_log_p(a, windows) - next_token_log_p(b, windows)
    log_r = d.clip(-10, 10)
    r = numpy.exp(log_r)
    return {"a": name_a, "b": name_b, "tokens": d.size, "mean": float(abs(d).mean()), "max": float(abs(d).max()),
            "deviation": float(abs(d).std()), "k3_mean": float((numpy.expm1(log_r) - log_r).clip(0).mean()),
            "clip_fraction": float(((r < 1 - CLIP) | (r > 1 + CLIP)).mean()),
            "equal_bits": bool((a.view(numpy.uint32) == b.view(numpy.uint32)).all())}


def next_token_log_p(logits, windows):
    """In double, so that equal logits alone give 0 and nothing is rounded away: [windows, context - 1]."""
    rows = logits[:, :-1].astype(numpy.float64)
    largest = rows.max(-1, keepdims=True)
    norm = numpy.log(numpy.exp(rows - largest).sum(-1)) + largest[..., 0]
    return numpy.take_along_axis(rows, windows[:, 1:, None], -1)[..., 0] - norm
