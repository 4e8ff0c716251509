//! `goldsmith download hook`.
use super::{
    bench::{Bench, document, refused, said},
    mirror::{BUNDLE, Fate, Mirror, content},
};
use sha2::{Digest as _, Sha256};

const FILES: [&str; 4] = ["vmlinuz-x86_64", "initramfs-x86_64", "vmlinuz-aarch64", "initramfs-aarch64"];

fn listed(bench: &Bench, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(bench.path(folder)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn last_line(output: &std::process::Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", said(output));
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

const HOOK: [&str; 6] = ["download", "hook", "-o", "www/hook", "--release-channel", "1-34"];

#[tokio::test(flavor = "multi_thread")]
async fn kernel_and_ram_disk_come_for_both_architectures() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    // One is cut on its way, another is refused at first.
    mirror.fate("/hook/initramfs-x86_64", Fate::CutAfter(70_000));
    mirror.fate("/hook/vmlinuz-aarch64", Fate::Status(503));
    let output = bench.command(&mirror, &HOOK).arg("--json").output().unwrap();
    let made = last_line(&output);
    assert_eq!((&made["event"], &made["release"]), (&"downloaded".into(), &"v0.26.0".into()));
    for (file, told) in FILES.iter().zip(made["files"].as_array().unwrap()) {
        let bytes = content(&format!("/hook/{file}"));
        assert!(std::fs::read(bench.path("www/hook").join(file)).unwrap() == bytes, "{file}");
        assert_eq!(told["sha256"], hex::encode(Sha256::digest(&bytes)).as_str());
        assert_eq!((&told["bytes"], &told["digest-compared"]), (&bytes.len().into(), &false.into()));
    }
    assert_eq!(listed(&bench, "www/hook").len(), 4);
    let asked = mirror.asked("/hook/initramfs-x86_64");
    assert!(asked.len() == 2 && asked[1].answer == 206, "it went on where it was cut: {asked:?}");
    let ranges: Vec<&str> = asked.iter().filter_map(|asked| asked.range.as_deref()).collect();
    assert!(ranges.len() == 1 && ranges[0] != "bytes=0-", "{ranges:?}");
    assert_eq!(bench.journals(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_architecture_is_enough_and_what_is_missing_is_named_first() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    // The first channel of the bundle, which has no initial RAM disk.
    let output = bench.run(&mirror, &["download", "hook", "-o", "a", "--arch", "amd64"]);
    refused(&output, 1, &["`tinkerbell.tinkerbellStack.hook.initramfs.amd` of channel 1-30"]);
    assert!(mirror.asked("/hook/vmlinuz-x86_64").is_empty(), "nothing was downloaded");
    let output = bench.command(&mirror, &HOOK).args(["--arch", "arm64"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(listed(&bench, "www/hook"), ["initramfs-aarch64", "vmlinuz-aarch64"]);
    assert!(said(&output).contains("nobody states it"), "{}", said(&output));
    refused(
        &bench.run(&mirror, &["download", "hook", "-o", "a", "--arch", "riscv"]),
        2,
        &["`amd64` or `arm64`"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_are_compared_where_a_bundle_states_them() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    let uri = format!("uri: {}", mirror.url("/hook/vmlinuz-aarch64"));
    let right = hex::encode(Sha256::digest(content("/hook/vmlinuz-aarch64")));
    mirror.edit(BUNDLE, &uri, &format!("{uri}, sha256: \"{right}\""));
    let mut command = bench.command(&mirror, &HOOK);
    let made = last_line(&command.args(["--arch", "arm64", "--json"]).output().unwrap());
    assert_eq!(made["files"][0]["digest-compared"], true);
    mirror.edit(BUNDLE, &right, &"a".repeat(64));
    refused(&command.output().unwrap(), 1, &["vmlinuz-aarch64", "expected sha256:aaaa", &right]);
    mirror.edit(BUNDLE, &"a".repeat(64), "00");
    refused(&command.output().unwrap(), 1, &["`00` for its digest, which is none"]);
    assert_eq!(listed(&bench, "www/hook").len(), 2, "what was there before stays, and no part of anything");
    assert_eq!(bench.journals(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_is_told_with_its_address() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    mirror.tree().files.remove("/hook/initramfs-aarch64");
    let output = bench.command(&mirror, &HOOK).output().unwrap();
    refused(&output, 1, &["download `initramfs-aarch64`", &mirror.url("/hook/initramfs-aarch64"), "404"]);
    let list = document(&bench.run(&mirror, &["release", "list", "--json"]));
    assert_eq!(list["latest"], "v0.26.0");
}
