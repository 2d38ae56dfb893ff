//! A learner with no plan: twenty edits by hand, in any order, then `down`. Nothing of the lab stays, and what the learner
//! made stays theirs.
//!
//! The edits follow from a number: `NETLAB_MONKEY=NUMBER` repeats a run, `NETLAB_MONKEYS=N` makes N of them.

use std::time::Instant;

use crate::support::{Host, crowd};

/// Numbers that look random, and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }
}

const LABS: &[&[&str]] = &[&["nat-lab"], &["nat-lab", "--on-host"], &["vxlan-lab"], &["bridge-lab"], &["policy-lab"]];
const EDITS: usize = 20;

/// An edit: a script in which N is a namespace of the lab, M another one, L a link of N's.
const KINDS: &[&str] = &[
    "ip -n N link del L",
    "ip -n N link set L down; ip -n N link set L name mK; ip -n N link set mK up",
    "ip -n N link set L netns M",
    "ip -n N link set L netns 1",
    "ip -n N addr flush dev L",
    "ip -n N route flush table main",
    "ip -n N link set L down",
    "ip netns exec N iptables -t nat -F; ip netns exec N iptables -P FORWARD DROP",
    "ip netns exec N iptables -A INPUT -j DROP",
    "ip netns del N",
    // Somebody else's from then on, which a setting tells.
    "ip netns del N; ip netns add N && ip netns exec N sysctl -qw net.ipv4.ip_default_ttl=77; echo N >> /media/tmp/theirs",
    "ip netns add theirs-K; ip -n N link set L netns theirs-K; echo theirs-K >> /media/tmp/theirs",
    "ip netns attach theirs-K $(ip netns pids N | head -n 1); echo theirs-K >> /media/tmp/theirs",
    "mkdir -p /etc/netns/N; echo theirs > /etc/netns/N/theirs",
    "nft add table inet mK; echo mK >> /media/tmp/tables",
    // The name of a link of the lab's on the machine itself, when it is there.
    "ip link del v-net-0 && ip link add name v-net-0 type bridge && echo v-net-0 > /media/tmp/links",
    "ip netns exec N sleep 1000 > /dev/null 2>&1 &",
    "ip netns exec N sh -c \"trap '' TERM; sleep 1000; sleep 1000\" > /dev/null 2>&1 &",
    "(exec 9< /run/netns/N; exec sleep 1000) > /dev/null 2>&1 &",
    "ip netns exec N unshare --net sleep 1000 > /dev/null 2>&1 &",
    "touch /run/netns/theirs-K; mount --bind /run/netns/N /run/netns/theirs-K; echo theirs-K >> /media/tmp/theirs",
    "ip netns exec N sysctl -qw net.ipv4.ip_forward=0",
    "ip -n N link add name mine-K type bridge; ip -n N addr add 192.0.2.1/24 dev mine-K; ip -n N link set mine-K up",
    "ip -n N link add name tun-K type veth peer name nut-K netns M",
    "for p in $(ip netns pids N); do kill -9 $p; done",
    "netlab repair",
    "netlab check",
];

fn monkey(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let Some(host) = Host::new() else { return };
    host.furnish();
    let before = host.snapshot();
    let lab = LABS[dice.below(LABS.len())];
    host.netlab(["up"].iter().chain(lab)).success();
    let plan = host.netlab(["plan", "--json"].iter().chain(lab)).success().json();
    let nodes = plan["nodes"].as_array().unwrap();
    let names: Vec<&str> = nodes.iter().filter_map(|at| at["netns"].as_str()).collect();
    let mut done = format!("NETLAB_MONKEY={seed}: {lab:?}\n");
    host.sh("cd /media/tmp; touch theirs tables links").success();
    for k in 0..EDITS {
        let (n, m) = (names[dice.below(names.len())], names[dice.below(names.len())]);
        let nth = dice.below(4) + 1;
        let link = format!(
            "$(ip -n {n} -o link | awk -F': ' '{{sub(/@.*/, \"\", $2); print $2}}' | grep -v '^lo$' | sed -n {nth}p)"
        );
        let kind = KINDS[dice.below(KINDS.len())];
        let words: Vec<String> = kind
            .split(' ')
            .map(|w| match w {
                "L" => link.clone(),
                "N" => n.to_string(),
                "N);" | "N;" => w.replace('N', n),
                "M" => m.to_string(),
                _ => w
                    .replace("netns/N", &format!("netns/{n}"))
                    .replace("-K", &format!("-{k}"))
                    .replace("mK", &format!("m{k}")),
            })
            .collect();
        let script = words.join(" ");
        done.push_str(&format!("{script}\n"));
        host.sh(&format!("set +e; {script}\ntrue"));
    }
    let is_theirs =
        |name: &&str| host.sh(&format!("ip netns exec {name} sysctl -n net.ipv4.ip_default_ttl")).stdout.trim() == "77";
    let theirs: Vec<&str> = names.iter().copied().filter(|name| is_theirs(name)).collect();
    let first = host.netlab(["down", lab[0]]);
    assert!(matches!(first.code, Some(0 | 5)), "{done}{first}");
    // What came under our names is left alone, and named.
    for name in &theirs {
        assert!(is_theirs(name) && first.code == Some(5), "{done}{first}");
        assert!(first.stderr.contains(name), "{name} is not named\n{done}{first}");
    }
    host.sh("for link in $(cat /media/tmp/links); do ip link show $link; done
             for table in $(cat /media/tmp/tables); do nft list table inet $table; done")
        .success();
    // What is the learner's is for the learner to take away, and only that.
    // A shell whose first `sleep` was killed begins its second one: both are what is looked for.
    host.sh("set +e; own='^(sh -c trap|sleep 1000)'
             while pgrep -f \"$own\" > /dev/null; do for p in $(pgrep -f \"$own\"); do kill -9 $p; done; done
             while read -r name; do umount /run/netns/$name 2>/dev/null; rm -f /run/netns/$name; done < /media/tmp/theirs
             for table in $(cat /media/tmp/tables); do nft delete table inet $table; done
             for link in $(cat /media/tmp/links); do ip link del $link; done
             rm -f /etc/netns/*/theirs; rmdir /etc/netns/* /etc/netns 2>/dev/null
             true")
        .success();
    if first.code == Some(5) {
        let second = host.netlab(["down", lab[0]]);
        assert_eq!(second.code, Some(0), "{done}first {first}\nthen {second}");
    }
    // The ground was kept for the learner's own names; it goes with the next lab.
    if host.sh("test -e /run/netns").code == Some(0) {
        host.sh("umount /run/netns 2>/dev/null; rmdir /run/netns").success();
    }
    // A namespace that was only unshared ends a moment after its program.
    let until = Instant::now() + std::time::Duration::from_secs(5);
    while !before.difference(&host.snapshot()).is_empty() && Instant::now() < until {}
    let difference = before.difference(&host.snapshot());
    assert!(difference.is_empty(), "{done}down: {first}\nleft:\n{difference}");
}

#[test]
fn whatever_a_learner_does_by_hand_down_leaves_nothing_of_the_lab() {
    if let Some(seed) = std::env::var("NETLAB_MONKEY").ok().and_then(|s| s.parse().ok()) {
        return monkey(seed);
    }
    let n = std::env::var("NETLAB_MONKEYS").ok().and_then(|s| s.parse().ok()).unwrap_or(3);
    crowd::for_each(&(1..=n).collect::<Vec<u64>>(), |seed| monkey(*seed));
    println!("FIGURE: {n} learners without a plan, {EDITS} edits by hand each");
}
