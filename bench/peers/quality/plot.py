"""KL over bits a weight as an SVG file: a point for each method, a line along the best of each tool."""
import html
import math

WIDTH, HEIGHT, LEFT, BOTTOM, MARGIN = 860, 520, 70, 50, 20
COLOURS = {"farthing": "#c0392b", "llama.cpp": "#2c6fbb", "gptqmodel": "#2e8b57", "auto-round": "#b8860b",
           "llmcompressor": "#7d3c98"}


def frontier(rows):
    """The rows with less KL than every row of fewer bits."""
    kept, least = [], math.inf
    for row in sorted(rows, key=lambda row: (row["bits"], row["kl_mean"]["value"])):
        if row["kl_mean"]["value"] < least:
            kept, least = kept + [row], row["kl_mean"]["value"]
    return kept


def svg(rows):
    """A logarithmic KL axis: methods differ by factors."""
    bits = [row["bits"] for row in rows]
    low, high = math.floor(min(bits) * 2) / 2, math.ceil(max(bits) * 2) / 2 + 0.01
    decades = [math.log10(row["kl_mean"]["value"]) for row in rows]
    bottom, top = math.floor(min(decades)), math.ceil(max(decades))

    def x(value):
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - MARGIN)

    def y(kl):
        return MARGIN + (top - math.log10(kl)) / max(top - bottom, 1) * (HEIGHT - MARGIN - BOTTOM)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
             'font-size="11">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
             f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">bits a weight (linears of the blocks)</text>',
             f'<text x="14" y="{HEIGHT / 2}" transform="rotate(-90 14 {HEIGHT / 2})" text-anchor="middle">KL, nats</text>']
    for step in range(int((high - low) * 2) + 1):
        at = x(low + step / 2)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{MARGIN}" y2="{HEIGHT - BOTTOM}" stroke="#eee"/>'
                     f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{low + step / 2:g}</text>')
    for kl in [m * 10.0 ** e for e in range(bottom, top + 1) for m in (1, 2, 5) if bottom <= math.log10(m) + e <= top]:
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - MARGIN}" y1="{y(kl):.1f}" y2="{y(kl):.1f}" stroke="#eee"/>'
                     f'<text x="{LEFT - 6}" y="{y(kl) + 4:.1f}" text-anchor="end">{kl:g}</text>')
    for i, (tool, colour) in enumerate(COLOURS.items()):
        mine = [row for row in rows if row["method"].partition(":")[0] == tool]
        if not mine:
            continue
        line = " ".join(f'{x(row["bits"]):.1f},{y(row["kl_mean"]["value"]):.1f}' for row in frontier(mine))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}"/>')
        parts.append(f'<text x="{WIDTH - 130}" y="{MARGIN + 16 + 15 * i}" fill="{colour}">{tool}</text>')
        for row in mine:
            label = html.escape(row["method"].partition(":")[2])
            at = x(row["bits"]), y(row["kl_mean"]["value"])
            parts.append(f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="3" fill="{colour}"/>'
                         f'<text x="{at[0] + 5:.1f}" y="{at[1] - 4:.1f}" font-size="8" fill="{colour}">{label}</text>')
    return "\n".join(parts) + "\n</svg>\n"
