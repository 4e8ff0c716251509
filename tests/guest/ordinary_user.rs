//! Everything works without privileges: bootstrap, embedded and session libvirt; and from a cloud image, with BIOS.
use crate::support::{Home, base, over_base, tool};

#[test]
fn an_ordinary_user_builds_over_a_cloud_image_with_bios_and_reboots_in_between() {
    let home = Home::ordinary("bios");
    let definition = home.definition(
        "bios",
        &over_base(
            "bios",
            "firmware = \"bios\"",
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
commands = ["test \"$(cat /etc/built)\" = built"]
"#,
        ),
    );
    let mut command = home.command();
    let output = command
        .args(["build", definition.to_str().unwrap()])
        .env("TOKEN_OF_THIS_TEST", "canary-9d1f0c77ab")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    home.assert_clean("a build of an ordinary user");
    tool("sha256sum", &["--strict", "-c", "bios.raw.sha256"], &home.out());
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
fn an_ordinary_user_bootstraps_and_builds_in_a_libvirt_session() {
    let home = Home::ordinary("session");
    let definition = home.definition(
        "session",
        r#"
name = "session"
[source.bootstrap]
suite = "bookworm"
kernel = "linux-image-cloud-amd64"
initramfs-modules = ["virtio_pci", "virtio_blk", "ext4"]
[[source.bootstrap.partition]]
mount = "/boot"
size = "256MiB"
[[source.bootstrap.partition]]
mount = "/"
size = "rest"
[machine]
uri = "qemu:///session"
memory = "1GiB"
disk = "3GiB"
[[provision]]
shell = "findmnt /boot"
[[output]]
format = "qcow2"
[verify]
firmware = ["bios", "efi"]
"#,
    );
    home.run(&["build", definition.to_str().unwrap()]).expect_code(0);
    tool("qemu-img", &["check", "-f", "qcow2", "session.qcow2"], &home.out());
    home.stop_session_daemons();
    home.assert_clean("a session build");
}
