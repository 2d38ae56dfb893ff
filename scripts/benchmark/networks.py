"""The networks that are measured: lab files, and the same built by hand."""

SCRIPT = """\
set -e
ip netns add hub
ip netns exec hub sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip -n hub link set lo up
ip -n hub link add br0 type bridge
ip -n hub addr add 10.0.0.1/16 dev br0
ip -n hub link set br0 up
i=1
while [ $i -le {n} ]; do
    ip netns add n$i
    ip netns exec n$i sysctl -qw net.ipv6.conf.all.disable_ipv6=1
    ip link add name eth0 netns n$i type veth peer name p$i netns hub
    ip -n hub link set p$i master br0
    ip -n hub link set p$i up
    ip -n n$i link set lo up
    ip -n n$i addr add 10.0.$(((i + 1) / 256)).$(((i + 1) % 256))/16 dev eth0
    ip -n n$i link set eth0 up
    ip -n n$i route add default via 10.0.0.1
    i=$((i + 1))
done
"""

SCRIPT_DOWN = """\
set -e
i=1
while [ $i -le {n} ]; do
    ip netns del n$i
    i=$((i + 1))
done
ip netns del hub
"""

BATCH = """\
set -e
ip -batch {folder}/make
ip -n hub -batch {folder}/hub
ip netns exec hub sysctl -qw net.ipv6.conf.all.disable_ipv6=1
i=1
while [ $i -le {n} ]; do
    ip netns exec n$i sysctl -qw net.ipv6.conf.all.disable_ipv6=1
    ip -n n$i -batch {folder}/n$i
    i=$((i + 1))
done
"""

BATCH_DOWN = "ip -batch {folder}/delete\n"


def write_batch(n, folder):
    """The files that `ip -batch` reads."""
    all_nodes = range(1, n + 1)
    files = {
        "make": ["netns add hub", *(f"netns add n{i}" for i in all_nodes)]
        + [f"link add name eth0 netns n{i} type veth peer name p{i} netns hub" for i in all_nodes],
        "hub": ["link set lo up", "link add br0 type bridge", "addr add 10.0.0.1/16 dev br0", "link set br0 up"]
        + [f"link set p{i} master br0 up" for i in all_nodes],
        "delete": [*(f"netns del n{i}" for i in all_nodes), "netns del hub"],
    }
    for i in all_nodes:
        address = f"10.0.{(i + 1) // 256}.{(i + 1) % 256}/16"
        files[f"n{i}"] = ["link set lo up", f"addr add {address} dev eth0", "link set eth0 up"]
        files[f"n{i}"] += ["route add default via 10.0.0.1"]
    folder.mkdir()
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines) + "\n")


def shape(name, **parameters):
    """A lab of one ready shape. Namespaces have the nodes' own names, as in the scripts."""
    given = "".join(f", {key}: {value}" for key, value in parameters.items())
    return f'name: {name}\nnetns: "{{node}}"\ngenerate:\n  - {{shape: {name}{given}}}\n'


def matrix(n):
    """A star in which everybody asks everybody."""
    return shape("star", n=n) + f"checks:\n  - reach: [{', '.join(f'n{i}' for i in range(1, n + 1))}]\n"


def bridges(n, ports):
    """n nodes in several stars, each with a bridge of its own, around one router."""
    lines = ["name: bridges", 'netns: "{node}"', "nodes:", "  hub: {sysctls: {net.ipv4.ip_forward: 1}}", "generate:"]
    for star in range(-(-n // ports)):
        here = min(ports, n - star * ports)
        net = f"10.{star // 64}.{star % 64 * 4}"
        lines += [
            f"  - each: {{i: 1..{here}}}",
            "    nodes:",
            f"      hub: {{bridges: {{br{star}: {{ports: [\"p{star}-{{i}}\"]}}}}}}",
            f"      n{star}-{{i}}:",
            f"        interfaces: {{eth0: {{addresses: [\"{{{net}.1 + i}}/22\"]}}}}",
            f"        routes: [default via {net}.1]",
            "    links:",
            f"      - endpoints: [\"n{star}-{{i}}:eth0\", \"hub:p{star}-{{i}}\"]",
            "  - each: {i: 1..1}",
            "    nodes:",
            f"      hub: {{bridges: {{br{star}: {{addresses: [{net}.1/22]}}}}}}",
        ]
    return "\n".join(lines) + "\n"


def wall(lines):
    """Firewall lines of one node."""
    return [f"-A INPUT -s 10.1.{i // 256}.{i % 256}/32 -p tcp --dport 80 -j ACCEPT" for i in range(lines)]


def walls(nodes, lines):
    """Nodes with firewall lines, and nothing else."""
    own = f"    iptables: [{', '.join(wall(lines))}]\n" if lines else ""
    empty = "" if lines else " {}"
    return 'name: walls\nnetns: "{node}"\nnodes:\n' + "".join(f"  n{i}:{empty}\n{own}" for i in range(1, nodes + 1))


def walls_line_by_line(nodes, lines):
    """The same lines, one `iptables` call each, in namespaces that are there already."""
    calls = "\n".join(f"iptables -w {line}" for line in wall(lines))
    enter = "\n".join(f"ip netns exec n{i} sh -e {{folder}}/lines.sh" for i in range(1, nodes + 1))
    return f"set -e\n{enter}\n", f"{calls}\n"
