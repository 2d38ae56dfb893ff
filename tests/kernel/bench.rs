//! `scripts/bench`: a small instance of every row, which shows that it works. The figures are not judged here, or anywhere.

use std::path::Path;

use crate::support::{Host, Ran, binary, skip};

fn bench(host: &Host, words: &[&str]) -> Option<Ran> {
    // `cargo test` builds the examples; `cargo test --test kernel` leaves them as they are.
    let floor = binary().with_file_name("examples/floor");
    if !floor.exists() {
        skip(&format!("there is no {} (cargo build --example floor)", floor.display()));
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/bench");
    let mut command = host.command(script.to_str().unwrap());
    command.args(words).arg("--netlab").arg(binary());
    Some(Ran::ended("scripts/bench", command.spawn().unwrap()))
}

#[test]
fn the_benchmark_has_every_row_and_leaves_nothing() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let Some(ran) = bench(&host, &["--quick"]) else { return };
    let ran = ran.success();
    for row in [
        "star of 4, up",
        "floor",
        "ip script",
        "ip -batch",
        "star of 6, up",
        "down: the command is back",
        "the kernel has freed all",
        "leaf-spine of 5 routers with 20 routes",
        "6 iptables lines over 2 nodes",
        "1 per node and family",
        "check of all 12 ordered pairs",
        "`status` of 6 nodes",
        "`repair` of 6 nodes",
        "peak memory",
        "`netlab list`",
    ] {
        assert!(ran.stdout.contains(row), "no `{row}` in {ran}");
    }
    host.assert_as(&before, "after scripts/bench");
}

#[test]
fn the_curve_is_measured_and_drawn_and_drawn_again() {
    let Some(host) = Host::new() else { return };
    let before = host.snapshot();
    let folder = host.write("figures", "") + ".d";
    let folder = folder.as_str();
    let Some(ran) = bench(&host, &["--curve", "--quick", "--to", folder]) else { return };
    let ran = ran.success();
    for shape in ["star", "ip script", "floor", "bridges", "line", "ring", "tree", "grid", "leaf-spine", "mesh"] {
        assert!(ran.stdout.contains(shape), "no `{shape}` in {ran}");
    }
    let picture = host.sh(&format!("cat {folder}/curve.svg")).success().says("<svg").says("several bridges");
    host.sh(&format!("rm {folder}/curve.svg")).success();
    bench(&host, &["--curve", "--from", &format!("{folder}/curve.json"), "--to", folder]).unwrap().success();
    assert_eq!(host.sh(&format!("cat {folder}/curve.svg")).stdout, picture.stdout);
    host.assert_as(&before, "after scripts/bench --curve");
}
