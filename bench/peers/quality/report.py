"""The table of all methods by bits, and Farthing's KL over the best peer's at not more bits, at each point asked for."""
POINTS = (3.5, 4.25, 4.5, 4.75, 5.5, 6.5, 8.0)


def is_ours(row):
    return row["method"].startswith("farthing:")


def best(rows, bits):
    """The row with the least KL among those of at most so many bits a weight; None without one."""
    # A thousandth of a bit: what scales of rows add to a format that is named by its group's bits.
    fitting = [row for row in rows if row["bits"] <= bits + 1e-3]
    return min(fitting, key=lambda row: row["kl_mean"]["value"], default=None)


def add_ratios(rows):
    """Gives each of Farthing's rows the best peer of not more bits than its own."""
    peers = [row for row in rows if not is_ours(row)]
    for row in filter(is_ours, rows):
        peer = best(peers, row["bits"])
        if peer:
            row["best_peer"] = peer["method"]
            row["ratio"] = row["kl_mean"]["value"] / peer["kl_mean"]["value"]


def at_points(rows, points=POINTS):
    """For each number of bits: the best of Farthing, the best peer, and the ratio of their KL."""
    found = []
    for bits in points:
        ours = best([row for row in rows if is_ours(row)], bits)
        peer = best([row for row in rows if not is_ours(row)], bits)
        ratio = ours["kl_mean"]["value"] / peer["kl_mean"]["value"] if ours and peer else None
        found.append({"bits": bits, "farthing": ours and ours["method"], "peer": peer and peer["method"], "ratio": ratio})
    return found


def kl_text(row):
    kl = row["kl_mean"]
    return f"{kl['value']:.4f} ({kl['low']:.4f} to {kl['high']:.4f})"


def text(rows, points, failures):
    """Markdown: all methods by bits, then the points, then what could not be run."""
    lines = ["| method | bits a weight | KL | top-1 | perplexity | s | processor s | over the best peer of not more bits |",
             "|---|---|---|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: (row["bits"], row["kl_mean"]["value"])):
        ratio = f"{row['ratio']:.2f} ({row['best_peer']})" if "ratio" in row else ""
        lines.append(f"| {row['method']} | {row['bits']:.3f} | {kl_text(row)} | {100 * row['top1_agreement']['value']:.1f} % | "
                     f"{row['perplexity']['value']:.2f} | {row['seconds']:.0f} | {row['processor_seconds']:.0f} | {ratio} |")
    lines += ["", "| at most so many bits | farthing | best peer | ratio of KL |", "|---|---|---|---|"]
    for point in points:
        ratio = f"{point['ratio']:.2f}" if point["ratio"] is not None else ""
        lines.append(f"| {point['bits']} | {point['farthing'] or ''} | {point['peer'] or ''} | {ratio} |")
    lines += [f"\n{failure['method']} could not be run: {failure['error']}" for failure in failures]
    return "\n".join(lines)
