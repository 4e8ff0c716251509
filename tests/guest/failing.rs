//! Builds that fail say what failed, keep a bundle, and leave nothing.
use crate::support::{Home, over_base};

#[test]
fn a_failing_step_shows_its_last_lines_and_leaves_a_bundle() {
    let home = Home::new("failing");
    let definition = home.definition(
        "failing",
        &over_base(
            "failing",
            "",
            r#"
[[provision]]
name = "the good one"
shell = "echo fine"

[[provision]]
name = "the bad one"
shell = "echo first line; echo the reason >&2; exit 42"

[[output]]
format = "raw.gz"
"#,
        ),
    );
    let ran = home.run(&["build", definition.to_str().unwrap()]).expect_code(1).expect_stderr(&[
        "the bad one",
        "failing.toml:",
        "42",
        "the reason",
        "s/logs/failing-",
    ]);
    drop(ran);
    home.assert_clean("a failing step");
    let logs = std::fs::read_dir(home.root.join("s/logs")).unwrap().next().unwrap().unwrap().path();
    for file in
        ["build.jsonl", "timeline.txt", "error.txt", "plan.json", "serial-build.log", "screenshot.png"]
    {
        let metadata = std::fs::metadata(logs.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(metadata.len() > 0, "{file} is empty");
    }
    assert!(std::fs::read(logs.join("screenshot.png")).unwrap().starts_with(b"\x89PNG"));
    assert!(std::fs::read_to_string(logs.join("serial-build.log")).unwrap().contains("Linux version"));
    let guest_logs = std::fs::read_dir(&logs)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("guest-"))
        .count();
    assert!(guest_logs >= 1, "no logs from inside the guest");
    assert!(!home.out().join("failing.raw.gz").exists());
}

#[test]
fn a_guest_that_never_answers_is_explained() {
    let home = Home::new("silent");
    let blank = home.root.join("blank.raw");
    std::fs::File::create(&blank).unwrap().set_len(64 << 20).unwrap();
    let definition = home.definition(
        "silent",
        &format!(
            "name = \"silent\"\n[source.disk]\npath = \"{}\"\nformat = \"raw\"\n[machine]\ndisk = \"64MiB\"\nmemory = \"256MiB\"\n\
             firmware = \"bios\"\n[guest]\nconnect-timeout = \"8s\"\n[[output]]\nformat = \"raw\"\n",
            blank.display()
        ),
    );
    home.run(&["build", definition.to_str().unwrap()]).expect_code(1).expect_stderr(&["8 s", "banner ✗"]);
    home.assert_clean("a silent guest");
}

#[test]
fn a_work_folder_that_fills_up_is_named() {
    if !crate::support::is_root() {
        println!("skipped: mounting a small tmpfs needs root");
        return;
    }
    let home = Home::new("full");
    let work = home.root.join("small");
    std::fs::create_dir_all(&work).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=192m", "tmpfs"])
        .arg(&work)
        .status()
        .unwrap();
    assert!(mounted.success());
    let definition = home.definition(
        "full",
        &over_base("full", "", "[[provision]]\nshell = \"dd if=/dev/urandom of=/fill bs=1M count=400\"\n[[output]]\nformat = \"raw\""),
    );
    let output = home
        .command()
        .args(["build", definition.to_str().unwrap()])
        .env("GOLDSMITH_WORK_DIR", &work)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let left: Vec<_> = std::fs::read_dir(&work).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(std::process::Command::new("umount").arg(&work).status().unwrap().success(), "{stderr}");
    let code = output.status.code();
    assert!(code == Some(1) || code == Some(3), "{code:?}\n{stderr}");
    assert!(stderr.contains("room") || stderr.contains("free") || stderr.contains("space"), "{stderr}");
    assert!(left.is_empty(), "{left:?}");
    home.assert_clean("a full disk");
}
