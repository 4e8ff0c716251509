//! Bundles that are interrupted in the making.
use super::site::{Site, noise};
use crate::eksa::{bench::said, mirror::Fate};
use std::time::Duration;

/// Nothing but whole files lies beside a bundle.
fn left(site: &Site) -> Vec<String> {
    let root = site.bench.path("x");
    let folder = std::fs::read_dir(root.parent().unwrap()).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".goldsmith") || name.ends_with(".bundle")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_was_cut_goes_on() {
    let site = Site::new().await;
    site.list("l.json", &[("/big", noise(1, 3_000_000)), ("/small", noise(2, 100))]);
    site.mirror.fate("/big", Fate::CutAfter(2_000_000));
    site.well(&["bundle", "create", "--list", "l.json", "-o", "x.bundle"]);
    let asked = site.mirror.asked("/big");
    let answers: Vec<u16> = asked.iter().map(|asked| asked.answer).collect();
    assert_eq!(answers, [200, 206], "{asked:?}");
    site.well(&["bundle", "verify", "x.bundle"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_and_a_kill_leave_nothing_under_the_name_and_the_same_command_goes_on() {
    use nix::{sys::signal, unistd::Pid};
    let site = Site::new().await;
    // What takes long is packing: the hardest level there is.
    site.list("l.json", &[("/big", b"some words that repeat ".repeat(4_000_000))]);
    let slow = ["bundle", "create", "--list", "l.json", "-o", "x.bundle", "--level", "19"];
    for (how, code) in [(signal::SIGINT, Some(130)), (signal::SIGKILL, None)] {
        let mut child = site
            .bench
            .plain(&slow)
            .stderr(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let begun = std::time::Instant::now();
        while !left(&site).iter().any(|name| name.ends_with("x.bundle")) {
            assert!(
                begun.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none(),
                "it never wrote"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        signal::kill(Pid::from_raw(child.id().cast_signed()), how).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), code, "{}", said(&output));
        assert!(!site.bench.path("x.bundle").exists());
        if code.is_none() {
            // Who was killed removes nothing; what it wrote down does.
            assert_eq!(left(&site).len(), 1);
            site.well(&["gc"]);
        }
        assert_eq!(left(&site), Vec::<String>::new());
        assert_eq!(site.bench.journals(), 0);
    }
    site.mirror.tree().asked.clear();
    site.well(&["bundle", "create", "--list", "l.json", "-o", "x.bundle", "--level", "1"]);
    assert!(site.mirror.tree().asked.is_empty(), "nothing is fetched again");
    assert_eq!(left(&site), ["x.bundle"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_file_system_is_told_and_nothing_is_left() {
    let site = Site::new().await;
    site.list("l.json", &[("/big", noise(1, 3_000_000))]);
    let script = format!(
        "ulimit -f 1000; exec {} bundle create --list l.json -o x.bundle",
        assert_cmd::cargo::cargo_bin("goldsmith").display()
    );
    // The cache has it already, so that only the bundle is too large.
    site.well(&["bundle", "create", "--list", "l.json", "-o", "y.bundle"]);
    let mut command = site.bench.plain(&[]);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("trap '' XFSZ; {script}")]).current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let _ = &mut command;
    let output = shell.output().unwrap();
    let text = said(&output);
    assert!(!output.status.success() && text.contains("could not write"), "{text}");
    assert_eq!(left(&site), ["y.bundle"]);
}
