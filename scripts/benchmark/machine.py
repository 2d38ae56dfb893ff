"""Running, timing, and waiting until the kernel is done. Everything in a throw-away host."""

import json
import os
import subprocess
import time
from pathlib import Path

FOLDER = Path("/run/bench")
NAMES = Path("/run/netns")
PATIENCE = 120  # seconds for the kernel to let go of everything


class Failed(Exception):
    """Something did not work."""


def run(command, meanwhile=lambda child: None, patience=None):
    """Runs a command to its end: milliseconds, and what it printed. After `patience` seconds it is ended, and that is None."""
    said = FOLDER / "said"
    with open(said, "wb") as out:
        begun = time.perf_counter()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, cwd=FOLDER
        )
        meanwhile(child)
        try:
            code = child.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, 9)
            child.wait()
            return None, ""
        took = (time.perf_counter() - begun) * 1000
    text = said.read_text(errors="replace")
    if code != 0:
        raise Failed(f"`{' '.join(command)}` ended with {code}:\n{text[-4000:]}")
    return took, text


def peak_memory(command):
    """Runs a command to its end, without timing it: its peak memory in MiB.

    The kernel's own sum at the end (`ru_maxrss`) would not do: it includes the moment before the child became another
    program, when it was still this Python, which is larger than netlab. So its high-water mark is read all the time.
    """
    peak = 0

    def watch(child):
        nonlocal peak
        while child.poll() is None:
            try:
                lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
            except (FileNotFoundError, ProcessLookupError):
                continue
            # A child that has ended has none.
            peak = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), peak)
            time.sleep(0.001)

    run(command, watch)
    return peak / 1024


def ask(*command):
    """What a command prints."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_until(true, what):
    """Polls; a deadline instead of a sleep that is long enough on most days."""
    until = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > until:
            raise Failed(f"not so after {PATIENCE} s: {what}")
        time.sleep(0.0005)


def wait_until_freed():
    """Returns when the kernel has taken everything apart that was given up before.

    `ip netns del` only takes the name away: cables and bridges go later, in the background, and would slow down
    whoever is measured next. Namespaces that nobody can name any more cannot be asked whether they are still there.
    But the kernel frees namespaces in the order in which they were given up. So: give up one more, the probe, with one
    end of a cable in it. When the other end vanishes from here, everything before it has gone.
    """
    wait_until(lambda: not NAMES.exists() or not os.listdir(NAMES), "no namespace has a name any more")
    wait_until(lambda: os.listdir("/sys/class/net") == ["lo"], "no interface is left but lo")
    ask("ip", "netns", "add", "probe")
    ask("ip", "link", "add", "name", "probe", "type", "veth", "peer", "name", "probe", "netns", "probe")
    ask("ip", "netns", "del", "probe")
    wait_until(lambda: not os.path.exists("/sys/class/net/probe"), "the probe's cable is gone")
    # netlab takes the folder's own mount away after its last lab, iproute2 never does: all begin without it.
    subprocess.run(["umount", "--lazy", str(NAMES)], stderr=subprocess.DEVNULL)
    if NAMES.exists():
        NAMES.rmdir()


def give_up_everything():
    """After a way that was stopped half-way."""
    for name in os.listdir(NAMES) if NAMES.exists() else []:
        ask("ip", "netns", "del", name)
    wait_until_freed()


def picture(nodes):
    """What `ip` shows of some nodes; MAC addresses and numbers aside."""
    seen = {}
    for node in nodes:
        shown = lambda *words: json.loads(ask("ip", "-n", node, "-json", *words) or "[]")
        links = shown("addr")
        hops = lambda r: sorted((h.get("gateway", "-"), h.get("dev", "-")) for h in r.get("nexthops", [r]))
        seen[node] = {
            "links": sorted((l["ifname"], l.get("master", "-"), "UP" in l["flags"]) for l in links),
            "addresses": sorted(f"{a['local']}/{a['prefixlen']}" for l in links for a in l["addr_info"]),
            "routes": sorted((r["dst"], r.get("prefsrc", "-"), hops(r)) for r in shown("route")),
        }
    return seen


def description():
    """The machine that the figures are of."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "kernel": os.uname().release,
        "cores": len(os.sched_getaffinity(0)),
        "processor": model[0] if model else os.uname().machine,
        "load": round(os.getloadavg()[0], 1),
    }


def in_words(machine):
    return "Linux {kernel}, {cores} cores ({processor}), load {load} at the start".format(**machine)
