"""The ways to the same network, which take turns.

    netlab     netlab up FILE / netlab down, whole commands: start, lab file, journal, reading the kernel back
    ip script  a shell script as one writes it by hand, one `ip` call for each thing / `ip netns del` for each namespace
    ip -batch  the fewest `ip` processes there can be: one for all namespaces and cables, one for what is inside each
    floor      examples/floor.rs: nothing but the netlink messages, ready before its clock starts, nothing read back;
               what the kernel itself takes
"""

import statistics
import time
from pathlib import Path

from . import machine, networks
from .machine import FOLDER, Failed, ask, run


class Way:
    """How to bring a network up and down."""

    def __init__(self, name, up, down, own_clock=False):
        self.name, self.up, self.down = name, up, down
        self.own_clock = own_clock

    def bring_up(self, patience=None):
        """Milliseconds; None when it took longer than `patience` seconds."""
        took, said = run(self.up, patience=patience)
        return float(said) if self.own_clock and took is not None else took

    def bring_down(self):
        """Milliseconds until the command is back, and until the kernel has freed everything."""
        begun = time.perf_counter()
        took, _ = run(self.down)
        machine.wait_until_freed()
        return took, (time.perf_counter() - begun) * 1000


class Builder:
    """Writes what the ways read, each network in a folder of its own."""

    def __init__(self, netlab):
        self.netlab = netlab
        self.floor_program = str(Path(netlab).parent / "examples/floor")  # where cargo puts examples

    def lab(self, name, text):
        """A lab file."""
        folder = FOLDER / name
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "lab.yaml"
        file.write_text(text)
        return file

    def by_netlab(self, file):
        lab = file.read_text().split("\n", 1)[0].removeprefix("name: ")
        return Way("netlab", [self.netlab, "up", str(file)], [self.netlab, "down", lab])

    def by_floor(self, file):
        plan = file.with_name("plan.json")
        plan.write_text(ask(self.netlab, "plan", str(file), "--format", "json"))
        return Way("floor", [self.floor_program, "up", str(plan)], [self.floor_program, "down"], own_clock=True)

    def _script(self, folder, name, text):
        path = folder / name
        path.write_text(text)
        return ["sh", str(path)]

    def by_script(self, n, file):
        folder = file.parent
        up = self._script(folder, "up.sh", networks.SCRIPT.format(n=n))
        return Way("ip script", up, self._script(folder, "down.sh", networks.SCRIPT_DOWN.format(n=n)))

    def by_batch(self, n, file):
        folder = file.parent / "batch"
        networks.write_batch(n, folder)
        up = self._script(folder, "up.sh", networks.BATCH.format(n=n, folder=folder))
        return Way("ip -batch", up, self._script(folder, "down.sh", networks.BATCH_DOWN.format(folder=folder)))


def compare(all_ways, looked_at, ping=None):
    """Each way once: it works, and all make the same."""
    first = None
    for way in all_ways:
        way.bring_up()
        if ping:
            ask("ip", "netns", "exec", ping[0], "ping", "-n", "-q", "-c", "1", "-W", "5", ping[1])
        seen = machine.picture(looked_at)
        first = first or seen
        if seen != first:
            raise Failed(f"`{way.name}` makes something else than `{all_ways[0].name}`:\n{seen}\n{first}")
        way.bring_down()


def measure(all_ways, runs):
    """Medians in milliseconds, the ways in turn: up, down, down until the kernel is done; for each way."""
    figures = {way.name: ([], [], []) for way in all_ways}
    for _ in range(runs):
        for way in all_ways:
            up, down, freed = figures[way.name]
            up.append(way.bring_up())
            back, gone = way.bring_down()
            down.append(back)
            freed.append(gone)
    return {name: [statistics.median(times) for times in lists] for name, lists in figures.items()}
