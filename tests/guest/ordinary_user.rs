//! Everything works without privileges: a cloud image in a libvirt session, a bootstrap in the embedded libvirt.
use crate::support::{Home, base, beside, over_base, tool};

#[test]
fn an_ordinary_user_builds_over_a_cloud_image_with_bios_in_a_session_and_reboots_in_between() {
    let _turn = beside();
    let home = Home::ordinary("session");
    let definition = home.definition(
        "session",
        &over_base(
            "session",
            "firmware = \"bios\"\nuri = \"qemu:///session\"",
            r#"
[secret.token]
env = "TOKEN_OF_THIS_TEST"

[[provision]]
shell = { run = 'echo "token is $TOKEN"; echo built > /etc/built', env = { TOKEN = "${secret.token}" } }

[[provision]]
reboot = true

[[provision]]
shell = "test -e /etc/built && uptime"

[[provision]]
file = { dest = "/etc/golden.d/one.conf", content = "one\n", mode = "0640" }

[[provision]]
user = { name = "keeper", groups = ["adm"], shell = "/bin/bash" }

[[output]]
format = "raw"

[verify]
commands = ["test \"$(cat /etc/built)\" = built", "test \"$(df --output=size -B1M / | tail -n 1)\" -gt 4400"]
"#,
        ),
    );
    let output = home
        .command()
        .args(["build", definition.to_str().unwrap()])
        .env("TOKEN_OF_THIS_TEST", "canary-9d1f0c77ab")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    home.stop_session_daemons();
    home.assert_clean("a session build of an ordinary user");
    tool("sha256sum", &["--strict", "-c", "session.raw.sha256"], &home.out());
    // The secret is nowhere: not on the terminal, not in the logs, not in the image.
    assert!(!stderr.contains("canary-9d1f0c77ab"), "{stderr}");
    let found = std::process::Command::new("grep")
        .args(["-rlaF", "canary-9d1f0c77ab", "s", "out"])
        .current_dir(&home.root)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "the secret leaked");
    // The image that was built from is what it was.
    tool("sha256sum", &["--strict", "-c", "debian-12.qcow2.sha256"], &base().home.out());
}

#[test]
fn an_ordinary_user_bootstraps_and_a_failing_step_shows_its_last_lines_and_leaves_a_bundle() {
    let _turn = beside();
    let home = Home::ordinary("failing");
    let definition = home.definition(
        "failing",
        r#"
name = "failing"
[source.bootstrap]
suite = "bookworm"
cloud-init = false
kernel = "linux-image-cloud-amd64"
initramfs-modules = ["virtio_pci", "virtio_blk", "ext4"]
[[source.bootstrap.partition]]
mount = "/boot"
size = "256MiB"
[[source.bootstrap.partition]]
mount = "/"
size = "rest"
[machine]
memory = "1GiB"
disk = "3GiB"

[[provision]]
name = "the good one"
shell = "findmnt /boot"

[[provision]]
name = "the bad one"
shell = "echo first line; echo the reason >&2; exit 42"

[[output]]
format = "raw.gz"
"#,
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
    let serial = std::fs::read(logs.join("serial-build.log")).unwrap();
    assert!(String::from_utf8_lossy(&serial).contains("Linux version"));
    let journal =
        std::fs::read_to_string(logs.join("guest-journal.txt")).expect("logs from inside the guest");
    assert!(journal.contains("systemd"), "{journal}");
    assert!(!home.out().join("failing.raw.gz").exists());
}
