//! Ctrl-C cleans up; after `kill -9`, gc does.
//!
//! Every stage that comes before the guest's boot is cut both ways. Of those that come after it, each is cut one way, because
//! each costs a boot; the engine's own tests cut every stage and every driver call both ways in a world in memory.
use crate::support::{Building, Home, over_base};
use nix::sys::signal::Signal;
use std::time::Duration;

/// A stage that is over in a blink is cut at its beginning; the others after this.
const MOMENT: Duration = Duration::from_millis(700);

fn start(home: &Home) -> Building {
    let definition = home.definition(
        "cut",
        &over_base("cut", "", "[[provision]]\nshell = \"sleep 5\"\n[[output]]\nformat = \"raw.gz\""),
    );
    home.start(&["build", definition.to_str().unwrap()])
}

fn interrupt(home: &Home, stage: &str) {
    let mut building = start(home);
    building.wait_for_stage(stage);
    std::thread::sleep(MOMENT);
    building.signal(Signal::SIGINT);
    let status = building.end(Duration::from_secs(60));
    assert_eq!(status.code(), Some(130), "Ctrl-C in {stage}: {:#?}", building.seen.last());
    home.assert_clean(&format!("Ctrl-C in {stage}"));
    assert!(!home.out().join("cut.raw.gz").exists());
}

fn kill(home: &Home, stage: &str) {
    let mut building = start(home);
    building.wait_for_stage(stage);
    std::thread::sleep(MOMENT);
    building.signal(Signal::SIGKILL);
    building.end(Duration::from_secs(10));
    home.run(&["gc"]).expect_code(0);
    home.assert_clean(&format!("kill -9 in {stage}, then gc"));
    // A second collection finds nothing and is content.
    home.run(&["gc"]).expect_code(0);
}

#[test]
fn ctrl_c_cleans_up() {
    let home = Home::new("ctrl-c");
    for stage in ["preflight", "source", "connect", "convert"] {
        interrupt(&home, stage);
    }
}

#[test]
fn after_kill_9_gc_cleans_up() {
    let home = Home::new("kill-9");
    for stage in ["preflight", "source", "seed", "create", "power-on", "connect", "provision", "verify"] {
        kill(&home, stage);
    }
}

#[test]
fn after_kill_9_in_a_bootstrap_of_an_ordinary_user_gc_cleans_up() {
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
