"""Time and memory as networks of each shape grow, and where it stops."""

import json
import math
import statistics
import time

from . import networks, picture
from .machine import Failed, give_up_everything, peak_memory
from .ways import Builder

SIZES = [10, 30, 100, 300, 1000, 3000]
QUICK = [4, 9]
# Seconds. What would take longer than `LONGEST`, as the last two points say, is left out, and the picture says so.
LONGEST = 15
BUDGET = 420
# A bridge's ports, and how many one of several bridges has.
PORTS, FEW = 1023, 250
# A lab file makes no more routes: every router of the other shapes has one to every other.
ROUTES = 500_000


def grid(n):
    width = max(2, round(math.sqrt(n)))
    return networks.shape("grid", width=width, height=max(2, n // width))


def leaf_spine(n):
    spines = 2 if n < 30 else 4
    return networks.shape("leaf-spine", leaves=n - spines, spines=spines)


def links(name, n):
    """How many cables a network has."""
    width = max(2, round(math.sqrt(n)))
    spines = 2 if n < 30 else 4
    height = max(2, n // width)
    return {
        "mesh": n * (n - 1) // 2,
        "grid": height * (width - 1) + width * (height - 1),
        "leaf-spine": (n - spines) * spines,
        "ring": n,
        "star": n,
        "bridges": n,
    }.get(name, n - 1)


SHAPES = {
    "star": lambda n: networks.shape("star", n=n),
    "bridges": lambda n: networks.bridges(n, FEW),
    "line": lambda n: networks.shape("line", n=n),
    "ring": lambda n: networks.shape("ring", n=n),
    "tree": lambda n: networks.shape("tree", n=n),
    "grid": grid,
    "leaf-spine": leaf_spine,
    "mesh": lambda n: networks.shape("mesh", n=n),
}


def expected(points, n):
    """Seconds, if it goes on growing as between the last two points."""
    if len(points) < 2:
        return 0
    (a, before), (b, last) = [(p["n"], p["up"]) for p in points[-2:]]
    slope = max(math.log(last / before) / math.log(b / a), 1)
    return last * (n / b) ** slope / 1000


def one(way, longest):
    """A point: milliseconds of up, down and until freed; none when it took too long."""
    up = way.bring_up(patience=longest)
    if up is None:
        give_up_everything()
        return None
    down, freed = way.bring_down()
    return {"up": round(up, 1), "down": round(down, 1), "freed": round(freed, 1)}


def median_of(points):
    return {key: statistics.median(p[key] for p in points) for key in points[0]}


def repeats(point):
    """Short ones are measured more often: they are noisier, and cost nothing."""
    return 5 if point["up"] < 100 else 3 if point["up"] < 800 else 1


def measure(netlab, about, quick, say):
    begun = time.monotonic()
    build, curves = Builder(netlab), []
    sizes = QUICK if quick else SIZES
    for name, text in SHAPES.items():
        for way_name in ("netlab", "floor", "ip script") if name == "star" else ("netlab",):
            points, stop = [], None
            for n in sizes:
                stop = reason_to_stop(name, way_name, n, points, time.monotonic() - begun)
                if stop:
                    break
                say(f"{name} of {n} by {way_name}")
                file = build.lab(f"{name}-{n}", text(n))
                makers = {"netlab": build.by_netlab, "floor": build.by_floor, "ip script": lambda f: build.by_script(n, f)}
                way = makers[way_name](file)
                point = one(way, 4 * LONGEST)
                if point is None:
                    stop = f"stops before {n:,}: more than {4 * LONGEST} s"
                    break
                point = median_of([point] + [one(way, None) for _ in range(0 if quick else repeats(point) - 1)])
                if way_name == "netlab":
                    # Large ones only once more: this is not timed, but it takes as long.
                    point["memory"] = round(peak_memory(way.up), 1)
                    way.bring_down()
                points.append({"n": n, "links": links(name, n), **point})
            curves.append({"shape": name, "way": way_name, "points": points, "stop": stop})
    return {"machine": about, "took": round(time.monotonic() - begun), "curves": curves}


def reason_to_stop(name, way, n, points, so_far):
    if name == "star" and n > PORTS:
        return f"stops at {points[-1]['n']:,}: a bridge has {PORTS:,} ports"
    if name == "bridges" and n <= FEW:
        return None
    if name not in ("star", "bridges") and n * n > ROUTES:
        return f"stops at {points[-1]['n']:,}: a lab file makes at most {ROUTES:,} routes"
    seconds = expected(points, n)
    # netlab's large networks come up twice, once for the memory.
    if seconds > LONGEST:
        return f"stops at {points[-1]['n']:,}: {n:,} would take about {seconds:.0f} s"
    if so_far > BUDGET:
        return f"stops at {points[-1]['n']:,}: this run's time is up" if points else "this run's time is up"
    return None


def table(figures):
    """Markdown: time and memory of netlab by shape and size."""
    from .rows import markdown, ms

    sizes = sorted({p["n"] for c in figures["curves"] for p in c["points"]})
    rows = [["shape", "by", *(f"{n:,}" for n in sizes), "memory", ""]]
    for curve in figures["curves"]:
        by_size = {p["n"]: p for p in curve["points"]}
        memory = [f"{p['memory']:.0f} MiB at {p['n']:,}" for p in curve["points"][-1:] if "memory" in p]
        cells = [ms(by_size[n]["up"]) if n in by_size else "" for n in sizes]
        rows.append([curve["shape"], curve["way"], *cells, *(memory or [""]), curve["stop"] or ""])
    return markdown(rows, left=2)


def draw(figures, folder):
    """Writes the figures and the picture, and prints the table."""
    if not any(curve["points"] for curve in figures["curves"]):
        raise Failed("there is nothing to draw")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "curve.json").write_text(json.dumps(figures, indent=1) + "\n")
    (folder / "curve.svg").write_text(picture.svg(figures))
    print(table(figures))
