//! Ctrl-C cleans up; after `kill -9`, gc does.
//!
//! Every stage is cut, those before the guest answers both ways; the other way for the rest, a boot each, is in `make test-slow`. The guest takes its keys from credentials, which spares it cloud-init and half of its boot.
//! The engine's own tests cut before and after every stage and every driver call in a world in memory.
use crate::support::{Building, Home, beside, over_base};
use nix::sys::signal::Signal;
use std::time::Duration;

/// A stage that is over in a blink is cut at its beginning; the others after a moment.
fn moment(stage: &str) -> Duration {
    match stage {
        "preflight" | "source" | "seed" | "create" | "power-on" => Duration::ZERO,
        _ => Duration::from_millis(700),
    }
}

/// The stages that need no whole boot. The last of all stages is over in a moment and undone like the one before.
const EARLY: [&str; 6] = ["preflight", "source", "seed", "create", "power-on", "connect"];
/// The rest, by turns.
const LATE: [&str; 3] = ["provision", "shut-down", "verify"];
const OTHER_LATE: [&str; 2] = ["seal", "convert"];

fn start(home: &Home, stage: &str) -> Building {
    // A stage behind the seal needs no seal that takes long.
    let thorough = stage == "seal";
    let definition = home.definition(
        "cut",
        &over_base(
            "cut",
            "firmware = \"bios\"\n[guest]\nseed = \"credentials\"",
            &format!("[[provision]]\nshell = \"sleep 2\"\n[seal]\nsysprep = {thorough}\n[[output]]\nformat = \"raw.gz\""),
        ),
    );
    home.start(&["build", definition.to_str().unwrap()])
}

fn interrupt(home: &Home, stage: &str) {
    let mut building = start(home, stage);
    building.wait_for_stage(stage);
    std::thread::sleep(moment(stage));
    building.signal(Signal::SIGINT);
    let status = building.end(Duration::from_secs(60));
    assert_eq!(status.code(), Some(130), "Ctrl-C in {stage}: {:#?}", building.seen.last());
    home.assert_clean(&format!("Ctrl-C in {stage}"));
    assert!(!home.out().join("cut.raw.gz").exists());
}

fn kill(home: &Home, stage: &str) {
    let mut building = start(home, stage);
    building.wait_for_stage(stage);
    std::thread::sleep(moment(stage));
    building.signal(Signal::SIGKILL);
    building.end(Duration::from_secs(10));
    home.run(&["gc"]).expect_code(0);
    home.assert_clean(&format!("kill -9 in {stage}, then gc"));
    // A second collection finds nothing and is content.
    home.run(&["gc"]).expect_code(0);
}

#[test]
fn ctrl_c_cleans_up() {
    let _turn = beside();
    let home = Home::new("ctrl-c");
    for stage in EARLY.into_iter().chain(OTHER_LATE) {
        interrupt(&home, stage);
    }
}

#[test]
#[ignore = "three boots; these stages are killed in the test for kill -9: make test-slow"]
fn ctrl_c_in_the_other_late_stages_cleans_up() {
    let _turn = beside();
    let home = Home::new("ctrl-c-late");
    for stage in LATE {
        interrupt(&home, stage);
    }
}

#[test]
fn after_kill_9_gc_cleans_up() {
    let _turn = beside();
    let home = Home::new("kill-9");
    for stage in EARLY.into_iter().chain(LATE) {
        kill(&home, stage);
    }
}

#[test]
#[ignore = "two boots; these stages are interrupted in the test for Ctrl-C: make test-slow"]
fn after_kill_9_in_the_other_late_stages_gc_cleans_up() {
    let _turn = beside();
    let home = Home::new("kill-9-late");
    for stage in OTHER_LATE {
        kill(&home, stage);
    }
}

#[test]
fn after_kill_9_in_a_bootstrap_of_an_ordinary_user_gc_cleans_up() {
    let _turn = beside();
    let home = Home::ordinary("kill-bootstrap");
    let definition = home.definition(
        "cut",
        "name = \"cut\"\n[source.bootstrap]\nsuite = \"bookworm\"\n[machine]\ndisk = \"3GiB\"\n[[output]]\nformat = \"raw\"\n",
    );
    let mut building = home.start(&["build", definition.to_str().unwrap()]);
    building.wait_for_stage("source");
    // Long enough for packages to be unpacked and for /proc to be mounted in the new root.
    std::thread::sleep(Duration::from_secs(20));
    building.kill_goldsmith();
    building.end(Duration::from_secs(10));
    home.run(&["gc"]).expect_code(0);
    home.assert_clean("kill -9 in a bootstrap, then gc");
}
