"""The rows of the table: each a piece of work, what stands beside netlab, and the target."""

import re
import statistics
from dataclasses import dataclass

from . import networks
from .machine import FOLDER, Failed, ask, peak_memory, run, wait_until_freed
from .ways import Builder, compare, measure


@dataclass
class Row:
    """A line of the table. `value` is what the target speaks of."""

    work: str
    ours: str
    beside: str = ""
    words: str = ""
    value: float = 0
    most: float = None
    least: float = None
    unit: str = ""

    def target(self):
        if self.most is not None:
            return f"≤ {self.most:g}{self.unit}"
        return f"≥ {self.least:g}{self.unit}" if self.least is not None else ""

    def met(self):
        if self.most is not None:
            return self.value <= self.most
        return self.value >= self.least if self.least is not None else None


@dataclass
class Sizes:
    """How large the networks are, and how often each is measured."""

    star: int = 100
    large: int = 1000
    leaves: int = 296
    spines: int = 4
    walled: int = 50
    lines: int = 20
    asking: int = 100
    runs: int = 5
    runs_large: int = 3
    starts: int = 20


QUICK = Sizes(star=4, large=6, leaves=3, spines=2, walled=2, lines=3, asking=4, runs=1, runs_large=1, starts=2)


def ms(value):
    if value >= 10_000:
        return f"{value / 1000:.0f} s"
    if value >= 1000:
        return f"{value / 1000:.2f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def faster(work, ours, other, name, least=None):
    """How many times faster than another way."""
    ratio = other / ours
    return Row(work, ms(ours), f"{name} {ms(other)}", f"{ratio:.1f} × faster", ratio, least=least, unit=" × faster")


def of_floor(work, ours, floor, most):
    ratio = ours / floor
    return Row(work, ms(ours), f"floor {ms(floor)}", f"{ratio:.2f} × the floor", ratio, most=most, unit=" × the floor")


def within(work, ours, seconds):
    """A time that has its own limit."""
    limit = f" {'ms' if seconds < 0.1 else 's'}"
    value, most = (ours, seconds * 1000) if seconds < 0.1 else (ours / 1000, seconds)
    return Row(work, ms(ours), value=value, most=most, unit=limit)


def star(sizes, build):
    n = sizes.star
    file = build.lab("star", networks.shape("star", n=n))
    ways = [build.by_netlab(file), build.by_script(n, file), build.by_batch(n, file), build.by_floor(file)]
    compare(ways, ["hub", "n1", f"n{n}"], ping=("n1", f"10.0.0.{n + 1}"))
    medians = measure(ways, sizes.runs)
    ours, script, batch, floor = (medians[way.name][0] for way in ways)
    yield of_floor(f"star of {n}, up", ours, floor, 1.8)
    yield faster(f"star of {n}, up", ours, script, "ip script", 8)
    yield faster(f"star of {n}, up", ours, batch, "ip -batch")


def large_star(sizes, build):
    n = sizes.large
    file = build.lab("large", networks.shape("star", n=n))
    ours, floor, script = build.by_netlab(file), build.by_floor(file), build.by_script(n, file)
    compare([ours, floor], ["hub", "n1", f"n{n}"], ping=("n1", "10.0.0.1"))
    medians = measure([ours, floor], sizes.runs_large)
    by_script = script.bring_up()  # once: it is far away
    script.bring_down()
    up, down, freed = medians["netlab"]
    floor_up, _, floor_freed = medians["floor"]
    yield of_floor(f"star of {n:,}, up", up, floor_up, 1.3)
    yield faster(f"star of {n:,}, up", up, by_script, "ip script", 10)
    yield within(f"star of {n:,}, down: the command is back", down, 0.3)
    yield of_floor(f"star of {n:,}, down: the kernel has freed all", freed, floor_freed, 1.2)


def leaf_spine(sizes, build):
    leaves, spines = sizes.leaves, sizes.spines
    file = build.lab("leaf-spine", networks.shape("leaf-spine", leaves=leaves, spines=spines))
    ways = [build.by_netlab(file), build.by_floor(file)]
    routes = file.with_name("plan.json").read_text().count('"add-route"')
    compare(ways, ["leaf1", f"leaf{leaves}", "spine1"], ping=("leaf1", "10.0.1.2"))
    medians = measure(ways, sizes.runs_large)
    work = f"leaf-spine of {leaves + spines} routers with {routes:,} routes, up"
    yield of_floor(work, medians["netlab"][0], medians["floor"][0], 1.3)


def firewall(sizes, build):
    nodes, lines = sizes.walled, sizes.lines
    walled = build.by_netlab(build.lab("walls", networks.walls(nodes, lines)))
    bare = build.by_netlab(build.lab("bare", networks.walls(nodes, 0)))
    by_hand = FOLDER / "walls"
    outer, inner = networks.walls_line_by_line(nodes, lines)
    (by_hand / "lines.sh").write_text(inner)
    (by_hand / "walls.sh").write_text(outer.format(folder=by_hand))
    shown = lambda: re.sub(r"\[\d+:\d+\]|#.*", "", ask("ip", "netns", "exec", f"n{nodes}", "iptables-save", "-t", "filter"))
    with_lines, without, line_by_line, seen = [], [], [], set()
    for _ in range(sizes.runs_large):
        with_lines.append(walled.bring_up())
        seen.add(shown())
        walled.bring_down()
        without.append(bare.bring_up())
        line_by_line.append(run(["sh", str(by_hand / "walls.sh")])[0])
        seen.add(shown())
        bare.bring_down()
    if len(seen) != 1 or seen.pop().count("-A INPUT") != lines:
        raise Failed("netlab and the script line by line load different rules")
    work = f"{nodes * lines:,} iptables lines over {nodes} nodes"
    loading = max(statistics.median(with_lines) - statistics.median(without), 0.1)
    yield faster(f"{work}: what they add to `up`", loading, statistics.median(line_by_line), "one `iptables` each", 15)
    count = restores(walled)
    per = count / nodes
    words = f"{per:g} per node and family"
    yield Row(f"{work}: `iptables-restore` started", f"{count} times", f"{nodes} nodes, 1 family", words, per, most=1)


def restores(way):
    """How many restoring programs an `up` starts: stand-ins where netlab looks first count, and then run the real ones."""
    folder, first = FOLDER / "counted", "/usr/local/sbin"
    folder.mkdir(exist_ok=True)
    said = folder / "said"
    said.touch()
    for name in ("iptables-restore", "ip6tables-restore", "iptables", "ip6tables"):
        real = ask("sh", "-c", f"command -v {name}").strip()
        (folder / name).write_text(f'#!/bin/sh\necho {name} >> {said}\nexec {real} "$@"\n')
        (folder / name).chmod(0o755)
    ask("mount", "--bind", str(folder), first)
    run(way.up)
    way.bring_down()
    ask("umount", first)
    count = len(said.read_text().splitlines())
    if count == 0:
        raise Failed(f"no firewall program was started, or netlab does not look in {first}")
    return count


def matrix(sizes, build):
    n = sizes.asking
    file = build.lab("matrix", networks.matrix(n))
    way = build.by_netlab(file)
    way.bring_up()
    times = [run([build.netlab, "check", "star"])[0] for _ in range(sizes.runs_large)]
    way.bring_down()
    yield within(f"check of all {n * (n - 1):,} ordered pairs of {n} nodes", statistics.median(times), 3)


def at_rest(sizes, build):
    """A large lab that is up: looking at it, mending nothing, and what it took in memory."""
    n = sizes.large
    file = build.lab("rest", networks.shape("star", n=n))
    way = build.by_netlab(file)
    peak = peak_memory(way.up)
    for word in ("status", "repair"):
        times = [run([build.netlab, word, "star"])[0] for _ in range(sizes.runs)]
        yield within(f"`{word}` of {n:,} nodes, nothing differs", statistics.median(times), 1)
    way.bring_down()
    yield Row(f"star of {n:,}, up: peak memory", f"{peak:.1f} MiB", value=peak * 1.048576, most=60, unit=" MB")


def start(sizes, build):
    times = [run([build.netlab, "list"])[0] for _ in range(sizes.starts)]
    yield within("`netlab list`", statistics.median(times), 0.01)


def first_lab(sizes, build):
    """The lab of the first lesson: what a learner waits for."""
    took = {"up": [], "down": []}
    for _ in range(sizes.runs):
        for word, times in took.items():
            times.append(run([build.netlab, word, "bridge-lab"])[0])
        wait_until_freed()
    for word, times in took.items():
        yield Row(f"`netlab {word} bridge-lab`", ms(statistics.median(times)))


ALL = [star, large_star, leaf_spine, firewall, matrix, at_rest, start, first_lab]


def table(netlab, sizes, only, say):
    """Every row, in Markdown; `say` hears what is under way."""
    build, rows = Builder(netlab), []
    groups = {group.__name__.replace("_", "-"): group for group in ALL}
    if only and not any(only in name for name in groups):
        raise Failed(f"no rows have `{only}` in their name: {', '.join(groups)}")
    for name, group in groups.items():
        if only and only not in name:
            continue
        say(name)
        rows += group(sizes, build)
    judged = sizes != QUICK
    cells = [["work", "netlab", "beside it", "ratio", "target", ""]]
    for row in rows:
        met = {True: "met", False: "**missed**", None: ""}[row.met()] if judged else ""
        cells.append([row.work, row.ours, row.beside, row.words, row.target(), met])
    return markdown(cells), sum(1 for row in rows if judged and row.met() is False)


def markdown(rows, left=1):
    """Aligned, and at the same time Markdown."""
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    pad = lambda cell, c: cell.ljust(widths[c]) if c < left else cell.rjust(widths[c])
    rules = ["-" * w if c < left else "-" * (w - 1) + ":" for c, w in enumerate([max(w, 3) for w in widths])]
    lines = ["| " + " | ".join(pad(cell, c) for c, cell in enumerate(row)) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join(rules) + " |")
    return "\n".join(lines)
