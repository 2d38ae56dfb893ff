"""The curves as SVG: log-log axes, a label at the end of each line, readable on light and dark pages."""

import math
from html import escape

WIDTH, HEIGHT = 920, 860
STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #24292f; }
    .title { font-weight: 600; font-size: 15px; }
    .small { font-size: 11px; fill: #57606a; }
    .grid { stroke: #d0d7de; stroke-width: 1; }
    .line { fill: none; stroke-width: 2; }
    .wide { stroke-width: 3.5; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .small { fill: #9198a1; }
      .grid { stroke: #3d444d; }
    }
"""
# Seen well on white and on black alike.
COLOURS = {
    "netlab": "#1f883d",
    "star": "#1f883d",
    "floor": "#8250df",
    "ip script": "#cf222e",
    "bridges": "#0a7ea4",
    "line": "#bf8700",
    "ring": "#d4572a",
    "tree": "#4f7cff",
    "grid": "#c2418a",
    "leaf-spine": "#7a6ff0",
    "mesh": "#8a8f98",
}


class Axis:
    """From a value to a place, by its logarithm."""

    def __init__(self, least, most, begin, end):
        self.low, self.high = math.log10(least), math.log10(most)
        self.begin, self.end = begin, end

    def __call__(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low or 1)
        return self.begin + part * (self.end - self.begin)


def milliseconds(value):
    return f"{value:g} ms" if value < 1000 else f"{value / 1000:g} s"


def mebibytes(value):
    return f"{value:g} MiB"


def tens(least, most):
    """Powers of ten that hold all values."""
    return [10**e for e in range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)]


def panel(x, y, width, height, title, lines, unit):
    """`lines`: label, colour, wide, [(n, value)]."""
    lines = [line for line in lines if line[3]]
    values = [value for line in lines for _, value in line[3]]
    sizes = sorted({n for line in lines for n, _ in line[3]})
    if not values:
        return []
    rungs = tens(min(values), max(values))
    if len(rungs) == 1:
        rungs.append(rungs[0] * 10)
    across = Axis(sizes[0], max(sizes[-1], sizes[0] + 1), x + 58, x + width - 92)
    upward = Axis(rungs[0], rungs[-1], y + height - 26, y + 34)
    out = [f'<text class="title" x="{x + 4}" y="{y + 16}">{escape(title)}</text>']
    for value in rungs:
        place = upward(value)
        out.append(f'<line class="grid" x1="{x + 58}" x2="{x + width - 92}" y1="{place:.1f}" y2="{place:.1f}"/>')
        out.append(f'<text class="small" x="{x + 52}" y="{place + 4:.1f}" text-anchor="end">{unit(value)}</text>')
    for n in sizes:
        out.append(f'<text class="small" x="{across(n):.1f}" y="{y + height - 8}" text-anchor="middle">{n:,}</text>')
    ends = []
    for label, colour, wide, points in lines:
        places = [(across(n), upward(value)) for n, value in points]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
        out.append(f'<polyline class="line{" wide" if wide else ""}" stroke="{colour}" points="{path}"/>')
        out += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="{3 if wide else 2.2}" fill="{colour}"/>' for px, py in places]
        ends.append([places[-1][1], places[-1], label, colour])
    out += labels(ends)
    return out


def labels(ends):
    """At the end of each line, moved apart where two would cover each other."""
    out, taken = [], []
    for wanted, (px, py), label, colour in sorted(ends):
        place = wanted
        while any(abs(place - other) < 14 and abs(px - far) < 92 for other, far in taken):
            place += 2
        taken.append((place, px))
        if abs(place - py) > 6:
            out.append(f'<line class="grid" x1="{px + 4:.1f}" y1="{py:.1f}" x2="{px + 8:.1f}" y2="{place:.1f}"/>')
        out.append(f'<text x="{px + 9:.1f}" y="{place + 4:.1f}" style="fill: {colour}">{escape(label)}</text>')
    return out


def svg(figures):
    """The whole picture."""
    curves = figures["curves"]

    def points(curve, key):
        return [(p["n"], p[key]) for p in curve["points"] if key in p]

    star = [c for c in curves if c["shape"] == "star"]
    bridges = [c for c in curves if c["shape"] == "bridges"]
    ours = [c for c in curves if c["way"] == "netlab"]
    ways = [(c["way"], COLOURS[c["way"]], c["way"] == "netlab", points(c, "up")) for c in star]
    ways += [("several bridges", COLOURS["bridges"], False, points(c, "up")) for c in bridges]
    shapes = [(c["shape"], COLOURS[c["shape"]], False, points(c, "up")) for c in ours]
    memory = [(c["shape"], COLOURS[c["shape"]], False, points(c, "memory")) for c in ours]
    down = [(c["way"], COLOURS[c["way"]], c["way"] == "netlab", points(c, "freed")) for c in star]
    down += [("several bridges", COLOURS["bridges"], False, points(c, "freed")) for c in bridges]
    half, high = WIDTH // 2, 350
    body = panel(0, 0, half, high, "a star comes up: netlab and the others", ways, milliseconds)
    body += panel(half, 0, half, high, "every shape comes up, by netlab", shapes, milliseconds)
    body += panel(0, high + 20, half, high, "down, until the kernel has freed all", down, milliseconds)
    body += panel(half, high + 20, half, high, "peak memory of netlab", memory, mebibytes)
    machine = figures["machine"]
    notes = ["across: nodes; all axes are logarithmic. Linux {kernel}, {cores} cores ({processor})".format(**machine)]
    stops = [f"{c['shape']} by {c['way']} {c['stop']}" for c in curves if c["stop"]]
    notes += ["; ".join(stops[i : i + 2]) for i in range(0, len(stops), 2)]
    for i, note in enumerate(notes):
        body.append(f'<text class="small" x="8" y="{2 * high + 48 + 15 * i}">{escape(note)}</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
    return f"{head}\n  <style>{STYLE}  </style>\n  " + "\n  ".join(body) + "\n</svg>\n"
