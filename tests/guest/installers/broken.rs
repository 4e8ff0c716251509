//! Installers that fail, and installed systems that nobody can use: each build ends with its reason, soon, and leaves nothing.
//! Two guests at a time, since most of the time is waiting.
use super::stand_in::medium;
use crate::{
    support::{Home, alone},
    told::{Told, says},
};
use serde_json::Value;
use std::path::PathBuf;

/// A machine for the stand-in, which is told `conf`.
fn case(home: &Home, name: &str, limits: &str, conf: &str) -> PathBuf {
    let text = format!(
        "name = \"{name}\"\n[source.iso]\npath = \"{}\"\narguments = [\"console=ttyS0,115200\"]\n{limits}\n\
         [machine]\nfirmware = \"bios\"\nmemory = \"512MiB\"\ncpus = 1\ndisk = \"5GiB\"\n[[output]]\nformat = \"raw\"\n\
         [[source.iso.answers.file]]\nname = \"install.conf\"\ncontent = \"\"\"\nmarker={name}\n{}\n\"\"\"\n",
        medium().display(),
        conf.replace('\\', "\\\\")
    );
    home.definition(name, &text)
}

/// Builds all of `definitions`, which fail, and returns the report.
pub(super) fn build(home: &Home, definitions: &[PathBuf]) -> Value {
    // A failed build writes no report where nothing was ever delivered.
    std::fs::create_dir_all(home.out()).unwrap();
    let mut arguments = vec!["build", "--parallel", "2"];
    arguments.extend(definitions.iter().map(|path| path.to_str().unwrap()));
    let ran = home.run(&arguments).expect_code(1);
    home.assert_clean("builds that failed");
    println!("{}", ran.stderr());
    let report = std::fs::read(home.out().join("result.json")).unwrap();
    serde_json::from_slice(&report).unwrap()
}

#[test]
fn installers_that_fail_are_explained() {
    let _turn = alone();
    let home = Home::new("installer-fails");
    let credentials = "[guest]\nseed = \"credentials\"";
    let usual = format!("timeout = \"3m\"\n{credentials}");
    let short = format!("timeout = \"75s\"\n{credentials}");
    let definitions = [
        case(&home, "hang", &short, "behave=hang"),
        case(&home, "nothing", &usual, "behave=nothing"),
        case(&home, "break", &usual, "behave=break"),
    ];
    let result = build(&home, &definitions);
    assert!(!home.root.join("cache/installed").exists(), "nothing that failed is kept");

    let hang = Told::by(&result, "hang");
    says(
        &hang.chain,
        &[
            "the installer did not come to its end",
            "gave up waiting for the installer to finish after 1 min 15 s",
            "stand-in: waiting for ever",
        ],
    );
    says(&hang.hints, &["serial-install.log", "screenshot.png", "source.iso.timeout"]);
    says(&hang.console, &["stand-in: waiting for ever"]);
    assert!(std::fs::read(hang.logs.join("screenshot.png")).unwrap().starts_with(b"\x89PNG"));
    let console = std::fs::read(hang.logs.join("serial-install.log")).unwrap();
    says(&String::from_utf8_lossy(&console), &["answers from /dev/vdb: hang"]);

    let nothing = Told::by(&result, "nothing");
    says(&nothing.chain, &["there is no partition on the disk"]);
    let broke = Told::by(&result, "break");
    says(&broke.chain, &["a step of debian-installer failed"]);
    says(&broke.console, &["An installation step failed."]);
}

/// Restarts as soon as its kernel is up.
const LOOPS: &str = r"
late() {
    busybox rm usr/sbin/init
    printf '#!/bin/sh\necho this system only restarts >/dev/console\necho b >/proc/sysrq-trigger\nsleep 60\n' >usr/sbin/init
    busybox chmod 755 usr/sbin/init
}";

/// Its sshd takes no key of anybody.
const REFUSES: &str = "late() { echo AuthorizedKeysFile none >etc/ssh/sshd_config.d/10-refuse.conf; }";

/// Has an address that its installer gave it.
fn address(address: &str, gateway: &str) -> String {
    let unit = format!("[Match]\\nName=en* eth*\\n[Network]\\nAddress={address}/24\\nGateway={gateway}\\n");
    format!("late() {{ printf '{unit}' >etc/systemd/network/10-static.network; }}")
}

#[test]
fn installed_systems_that_nobody_can_log_in_to_are_explained() {
    let _turn = alone();
    let home = Home::new("installed-broken");
    let usual = "timeout = \"5m\"\n[guest]\nseed = \"credentials\"";
    let short = "timeout = \"5m\"\n[guest]\nseed = \"credentials\"\nconnect-timeout = \"100s\"";
    let stops = "timeout = \"5m\"\n[guest]\nseed = \"credentials\"\n[[provision]]\nname = \"where it is\"\n\
                 shell = \"ip -4 address | grep -F 'inet 10.0.2.77/24'; exit 9\"";
    let definitions = [
        case(&home, "refuses", usual, REFUSES),
        case(&home, "far", short, &address("192.168.77.5", "192.168.77.1")),
        case(&home, "near", stops, &address("10.0.2.77", "10.0.2.2")),
        case(&home, "loops", usual, LOOPS),
    ];
    let result = build(&home, &definitions);
    let told = |name: &str| {
        let told = Told::by(&result, name);
        println!("{name}: {}\n-- {}\n-- {}\n{}", told.chain, told.hints, told.console, told.timeline);
        told
    };

    let refuses = told("refuses");
    says(
        &refuses.chain,
        &["became pointless", "the guest's sshd refused the key of this build for user `root` "],
    );
    says(&refuses.hints, &["/etc/ssh/sshd_config.d", "`AuthorizedKeysFile`"]);

    let loops = told("loops");
    says(
        &loops.chain,
        &[
            "became pointless",
            "the guest restarted 4 times before anybody could log in; ",
            "this system only restarts",
        ],
    );
    says(&loops.hints, &["serial-build.log"]);

    // Where it can be led to, it is.
    let near = told("near");
    says(&near.timeline, &["the guest has the address 10.0.2.77", "▶ provision"]);
    says(&near.chain, &["where it is"]);
    let far = told("far");
    says(&far.chain, &["gave up waiting for the guest's SSH login after 1 min 40 s", "SSH server ✗"]);
    says(&far.hints, &["leads to 10.0.2.15", "the guest speaks from 192.168.77.5", "DHCP"]);
}
