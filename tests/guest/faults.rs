//! What goes wrong in a guest while it is provisioned: said clearly, soon, and nothing is left. Builds run two at a time, and each
//! guest suffers as much as it can.
use crate::{
    support::{Home, alone, base, tool},
    told::{Told, says},
};
use serde_json::Value;
use std::{
    fmt::Write as _,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// A machine over `image` that is as small as can be.
fn small(name: &str, image: &Path, format: &str, rest: &str) -> String {
    format!(
        "name = \"{name}\"\n[source.disk]\npath = \"{}\"\nformat = \"{format}\"\n[machine]\nmemory = \"512MiB\"\ncpus = 1\n\
         disk = \"5GiB\"\nfirmware = \"bios\"\n{rest}\n[[output]]\nformat = \"raw\"\n",
        image.display()
    )
}

/// A program of the guest takes apt's lock, and gives it back after `seconds`.
fn holder(seconds: u32) -> String {
    format!(
        r#"
[[provision]]
name = "somebody takes the lock"
shell = """
rm -f /run/held
systemctl stop holder 2>/dev/null || true
systemd-run --quiet --unit holder --collect python3 -c "
import fcntl, time
lock = open('/var/lib/dpkg/lock-frontend', 'w')
fcntl.lockf(lock, fcntl.LOCK_EX)
open('/run/held', 'w')
time.sleep({seconds})"
until [ -e /run/held ]; do sleep 0.1; done
"""
"#
    )
}

/// Ends the SSH connection when an upload to `folder` is under way, so many times.
fn cutter(folder: &str, times: u32, finally: bool) -> String {
    format!(
        r#"
[[provision]]
name = "cut {times} times"
finally = {finally}
shell = """
cat >/run/cutter <<'END'
mkdir -p {folder}
for time in $(seq {times}); do
  until [ -n "$(find {folder} -name '.goldsmith.*' -size +4096k)" ]; do sleep 0.1; done
  cd /proc
  for p in [0-9]*; do
    {{ read -r name <$p/comm && read -r _ _ _ up _ <$p/stat; }} 2>/dev/null || continue
    if [ "$name" = sshd ] && [ "$up" != 1 ]; then kill -s KILL $p; fi
  done
  while [ -n "$(find {folder} -name '.goldsmith.*' -size +4096k)" ]; do sleep 0.1; done
done
END
systemd-run --quiet --collect sh /run/cutter
"""
"#
    )
}

const CREDENTIALS: &str = "[guest]\nseed = \"credentials\"\n";

/// The lock is given back in time, and the connection comes back; then neither.
fn busy(image: &Path) -> String {
    let mut rest = String::from(CREDENTIALS);
    let _ = write!(
        rest,
        r#"
[[provision]]
name = "never arrives"
finally = true
file = {{ dest = "/srv/large", source = "large" }}
{always}
{a_while}
[[provision]]
name = "waits"
package = {{ remove = ["no-such-package"] }}
{once}
[[provision]]
name = "arrives"
file = {{ dest = "/opt/large", source = "large" }}
[[provision]]
name = "is whole"
shell = "test $(stat -c %s /opt/large) = {LARGE}; test $(ls -A /opt) = large"
{for_ever}
[[provision]]
name = "waits in vain"
timeout = "6s"
package = {{ remove = ["no-such-package"] }}
"#,
        always = cutter("/srv", 5, true),
        a_while = holder(5),
        once = cutter("/opt", 1, false),
        for_ever = holder(1000),
    );
    small("busy", image, "qcow2", &rest)
}

/// The disk fills up, loudly and silently, and a package does not exist.
fn full(image: &Path) -> String {
    let rest = r#"
[[provision]]
name = "fill memory"
finally = true
shell = """
mount -t tmpfs -o size=8m tmpfs /mnt
dd if=/dev/zero of=/mnt/x bs=1M count=10 status=none || { rm /mnt/x; exit 1; }
"""
[[provision]]
name = "fill silently"
finally = true
shell = "fallocate -l 20G /var/tmp/rest 2>/dev/null || true; echo x >/var/tmp/x 2>/dev/null || exit 7"
[[provision]]
name = "typo"
finally = true
package = { install = ["no-such-package-1", "tcpdump"] }
[[provision]]
name = "make room again"
finally = true
shell = "rm /var/tmp/fill"
[[provision]]
name = "leave little"
shell = "fallocate -l $(($(stat -f -c '%f * %S' /) - (20 << 20))) /var/tmp/fill"
[[provision]]
name = "does not fit"
file = { dest = "/opt/large", source = "large" }
"#;
    small("full", image, "qcow2", &format!("{CREDENTIALS}{rest}"))
}

/// The guest powers off instead of restarting.
fn gone(image: &Path) -> String {
    let rest = r#"
[[provision]]
name = "too late"
finally = true
shell = "true"
[[provision]]
name = "mix up reboot and poweroff"
shell = "ln -s /lib/systemd/system/poweroff.target /etc/systemd/system/reboot.target; systemctl daemon-reload"
[[provision]]
reboot = true
timeout = "10m"
"#;
    small("gone", image, "qcow2", &format!("{CREDENTIALS}{rest}"))
}

/// The guest hangs on its way down.
fn hung(image: &Path) -> String {
    let rest = r#"
[[provision]]
name = "a service that does not stop"
shell = """
cat >/etc/systemd/system/stubborn.service <<'END'
[Service]
ExecStart=/bin/sleep infinity
ExecStop=/bin/sleep infinity
TimeoutStopSec=infinity
END
systemctl daemon-reload
systemctl start stubborn
"""
[[provision]]
reboot = true
timeout = "20s"
"#;
    small("hung", image, "qcow2", &format!("{CREDENTIALS}{rest}"))
}

/// The image takes back what the seed gives to the user of the build.
fn refused(image: &Path) -> String {
    let rest = "[[provision]]\nname = \"never begins\"\nshell = \"true\"\n";
    small("refused", image, "raw", rest)
}

/// The base image with a rule of its own for sudo.
fn image_that_refuses(home: &Home) -> PathBuf {
    let raw = home.root.join("refuses.raw");
    let (from, to) = (base().qcow2(), raw.display().to_string());
    tool("qemu-img", &["convert", "-O", "raw", from.to_str().unwrap(), &to], &home.root);
    let table: Value = serde_json::from_str(&tool("sfdisk", &["--json", &to], &home.root)).unwrap();
    let parts = table["partitiontable"]["partitions"].as_array().unwrap();
    let root = parts.iter().max_by_key(|part| part["size"].as_u64()).unwrap();
    let rule = home.root.join("rule");
    std::fs::write(&rule, "goldsmith ALL=(ALL) ALL\n").unwrap();
    std::fs::set_permissions(&rule, std::fs::Permissions::from_mode(0o440)).unwrap();
    let place = "/etc/sudoers.d/99-refuse";
    for command in [
        format!("write {} {place}", rule.display()),
        format!("set_inode_field {place} mode 0100440"),
        format!("set_inode_field {place} uid 0"),
        format!("set_inode_field {place} gid 0"),
    ] {
        let disk = format!("{to}?offset={}", root["start"].as_u64().unwrap() * 512);
        tool("debugfs", &["-w", "-R", &command, &disk], &home.root);
    }
    raw
}

/// Bytes of a file that takes a while to send.
const LARGE: usize = 64 << 20;

#[test]
fn what_goes_wrong_in_a_guest_is_said_clearly_and_soon_and_nothing_is_left() {
    let _turn = alone();
    let home = Home::new("faults");
    // A failed build writes no report where nothing was ever delivered.
    std::fs::create_dir_all(home.out()).unwrap();
    let large: Vec<u8> =
        (0..LARGE as u32 / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(home.root.join("large"), large).unwrap();
    let image = base().qcow2();
    let stubborn = image_that_refuses(&home);
    let definitions = [
        home.definition("refused", &refused(&stubborn)),
        home.definition("busy", &busy(&image)),
        home.definition("full", &full(&image)),
        home.definition("hung", &hung(&image)),
        home.definition("gone", &gone(&image)),
    ];
    let mut arguments = vec!["build", "--parallel", "2"];
    arguments.extend(definitions.iter().map(|path| path.to_str().unwrap()));
    let ran = home.run(&arguments).expect_code(1);
    home.assert_clean("builds that failed in their guests");
    println!("{}", ran.stderr());

    let result: Value =
        serde_json::from_slice(&std::fs::read(home.out().join("result.json")).unwrap()).unwrap();
    let told = |name: &str| Told::by(&result, name);

    let busy = told("busy");
    says(&busy.timeline, &["/var/lib/dpkg/lock-frontend ✗ held by python3, pid ", "of holder.service"]);
    says(
        &busy.warnings,
        &[
            "in the middle of `upload of /opt/large`: ",
            " of 64 MiB were sent; connecting again",
            "(`never arrives`, ",
            "as well: the connection to the guest was lost in the middle of `upload of /srv/large`: ",
        ],
    );
    says(
        &busy.chain,
        &[
            "(`waits in vain`, ",
            "another program of the guest uses its package manager",
            "after 6 s",
            "held by python3, pid ",
        ],
    );
    says(&busy.hints, &["end or stop that program"]);

    let full = told("full");
    says(
        &full.chain,
        &[
            "(`does not fit`, ",
            "the guest's file system `/` (ext4 on /dev/",
            "GiB) is full",
            "upload of /opt/large",
            "No space left on device",
        ],
    );
    says(&full.hints, &["machine.disk"]);
    says(
        &full.warnings,
        &[
            "(`typo`, ",
            "Unable to locate package no-such-package-1",
            "`no-such-package-1` is in no package list of the guest",
            "(`fill silently`, ",
            "as well: the guest's file system `/` (ext4 on /dev/",
            " is full",
            "(`fill memory`, ",
            "as well: the guest's file system `/mnt` (tmpfs on tmpfs, 8 MiB) was full, and has 8 MiB free now",
            "machine.memory",
        ],
    );

    let gone = told("gone");
    says(&gone.chain, &["did not come back from its restart", "the machine went off"]);
    says(&gone.hints, &["must not power the machine off"]);
    says(&gone.console, &["Power"]);
    says(&gone.warnings, &["did not run, since the guest is gone"]);

    let hung = told("hung");
    says(&hung.chain, &["did not come back from its restart", "after 20 s; last seen: "]);
    says(&hung.hints, &["where it hangs", "`timeout`"]);
    says(&hung.console, &["stubborn.service"]);

    let refused = told("refused");
    says(
        &refused.chain,
        &["`goldsmith` is logged in to the guest but cannot become root", "a password is required"],
    );
    says(&refused.hints, &["NOPASSWD", "guest.user"]);
    assert!(!refused.timeline.contains("never begins"), "{}", refused.timeline);
    says(&ran.stderr(), &["the console said last:", "hint:"]);
}
