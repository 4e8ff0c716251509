//! `goldsmith publish ami` from outside: what it prints, and that no way of dying loses or leaves anything.
use super::{
    bench::{Bench, assert_same, images, snapshots},
    ebs::block_of,
    moto::{session, shared},
    proxy::{Fate, Proxy},
};
use std::{
    collections::BTreeSet,
    path::Path,
    process::{Output, Stdio},
    time::{Duration, Instant},
};

pub(crate) fn said(output: &Output) -> String {
    format!(
        "{:?}\n{}\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The last line of `--json`.
pub(crate) fn result(output: &Output) -> serde_json::Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap_or_default())
        .unwrap_or_else(|_| panic!("{}", said(output)))
}

/// Indices of the blocks that the records of a folder say arrived.
fn recorded(folder: &Path) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "blocks") {
            continue;
        }
        for line in std::fs::read_to_string(path).unwrap().lines() {
            if let Ok(line) = serde_json::from_str::<serde_json::Value>(line)
                && let Some(block) = line.get("block")
            {
                found.insert(block[0].as_u64().unwrap());
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_becomes_an_ami_and_says_which() {
    let aws = session(&shared().url()).await;
    let bench = Bench::new();
    let disk = bench.mixed("disk.raw");
    let packed = bench.path("disk.raw.gz");
    let convert = bench.command(&["convert", "disk.raw", "-o", "disk.raw.gz"]).output().unwrap();
    assert!(convert.status.success(), "{}", said(&convert));
    let url = shared().url();
    let people = bench
        .command(&["publish", "ami", "disk.raw", "--name", "people", "--endpoint-url", &url])
        .output()
        .unwrap();
    assert!(people.status.success(), "{}", said(&people));
    let id = String::from_utf8(people.stdout.clone()).unwrap();
    assert_eq!(images(&aws, "people").await, [id.trim()]);
    let text = String::from_utf8_lossy(&people.stderr);
    assert!(text.contains("stage upload") && text.contains("stage register"), "{text}");
    assert!(text.contains(id.trim()) && text.contains("us-east-1") && text.contains("snap-"), "{text}");

    let machine = bench
        .command(&["publish", "ami", "disk.raw.gz", "--name", "machine", "--json", "--endpoint-url", &url])
        .args(["--tag", "a=b", "--region", "eu-west-1", "--volume-size", "2GiB"])
        .output()
        .unwrap();
    assert!(machine.status.success(), "{}", said(&machine));
    let made = result(&machine);
    assert_eq!(made["event"], "published");
    assert_eq!(made["region"], "eu-west-1");
    assert_eq!(made["name"], "machine");
    let there = aws.at("eu-west-1");
    assert_eq!(images(&there, "machine").await, [made["id"].as_str().unwrap()]);
    // Holes of a raw disk do not survive gzip; the bytes do.
    let snapshot = made["snapshot"].as_str().unwrap();
    let blocks = super::bench::blocks_of(&there, snapshot).await;
    let bytes = std::fs::read(&disk).unwrap();
    for (index, block) in &blocks {
        let start = *index as usize * super::bench::BLOCK;
        let end = (start + super::bench::BLOCK).min(bytes.len());
        assert!(block[..end - start] == bytes[start..end], "block {index}");
    }
    assert_eq!(blocks.len(), bytes.len().div_ceil(super::bench::BLOCK));
    assert!(packed.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_command_is_said_at_once() {
    let proxy = Proxy::start(shared().port(), |_| Fate::Forward).await;
    let bench = Bench::new();
    bench.blocks("disk.raw", 1);
    let url = proxy.url();
    for (arguments, word) in [
        (&["--name", "x"][..], "cannot name an AMI"),
        (&["--name", "good", "--iops", "5"], "operations a second"),
        (&["--name", "good", "--tag", "aws:x=1"], "Amazon's own"),
        (&["--name", "good", "--kms-key", "alias/x"], "is not the ARN of a key"),
        (&["--name", "good", "--boot-mode", "bios", "--tpm"], "TPM"),
        (&["--name", "good", "--uefi-data", "none", "--boot-mode", "uefi"], "UEFI variables"),
    ] {
        let output = bench
            .command(&["publish", "ami", "disk.raw", "--endpoint-url", &url])
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(String::from_utf8_lossy(&output.stderr).contains(word), "{}", said(&output));
    }
    assert!(proxy.calls().is_empty(), "nothing was asked of the service");
    let output = bench.command(&["publish", "ami", "none.raw", "--name", "good"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("none.raw"), "{}", said(&output));
    assert_eq!(bench.open_uploads(), [""; 0]);
}

/// Starts the command and ends it by `signal` after so many blocks were sent; returns its output.
pub(crate) fn ended_after(
    bench: &Bench,
    proxy: &Proxy,
    arguments: &[&str],
    blocks: usize,
    signal: nix::sys::signal::Signal,
) -> Option<Output> {
    let child = bench.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    let before = proxy.calls().len();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let sent = proxy.calls()[before..].iter().filter(|call| block_of(call).is_some()).count();
        if sent >= blocks {
            break;
        }
        assert!(Instant::now() < deadline, "no {blocks} blocks were sent");
        std::thread::park_timeout(Duration::from_millis(2));
    }
    nix::sys::signal::kill(pid, signal).unwrap();
    child.wait_with_output().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_point_it_goes_on_and_sends_nothing_twice_that_was_confirmed() {
    let proxy = Proxy::start(shared().port(), |call| match block_of(call) {
        Some(_) => Fate::Late(Duration::from_millis(30)),
        None => Fate::Forward,
    })
    .await;
    let aws = session(&shared().url()).await;
    let bench = Bench::new();
    let disk = bench.blocks("disk.raw", 150);
    let url = proxy.url();
    let arguments = [
        "publish",
        "ami",
        "disk.raw",
        "--name",
        "killed",
        "--json",
        "--connections",
        "8",
        "--endpoint-url",
        &url,
    ];
    let mut confirmed: BTreeSet<u64> = BTreeSet::new();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..4 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let before = proxy.calls().len();
        let blocks = 1 + (random % 30) as usize;
        ended_after(&bench, &proxy, &arguments, blocks, nix::sys::signal::Signal::SIGKILL);
        let sent: Vec<u64> = proxy.calls()[before..].iter().filter_map(block_of).collect();
        let twice: Vec<&u64> = sent.iter().filter(|index| confirmed.contains(index)).collect();
        assert!(twice.is_empty(), "sent again although they were confirmed: {twice:?}");
        let now = recorded(&bench.uploads());
        assert!(confirmed.is_subset(&now), "a confirmation was lost");
        confirmed = now;
    }
    assert!(!confirmed.is_empty());
    assert_eq!(snapshots(&aws, "killed").await.len(), 1, "all of them are one upload");
    let before = proxy.calls().len();
    let output = bench.command(&arguments).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let sent: Vec<u64> = proxy.calls()[before..].iter().filter_map(block_of).collect();
    assert!(sent.iter().all(|index| !confirmed.contains(index)));
    let made = result(&output);
    assert_eq!(made["blocks-known"].as_u64().unwrap() as usize, confirmed.len());
    let snapshot = made["snapshot"].as_str().unwrap();
    assert_same(&aws, snapshot, &disk).await;
    assert_eq!(snapshots(&aws, "killed").await, [snapshot]);
    assert_eq!(images(&aws, "killed").await, [made["id"].as_str().unwrap()]);
    assert_eq!(bench.open_uploads(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_nobody_goes_on_with_is_collected() {
    let proxy = Proxy::start(shared().port(), |call| match block_of(call) {
        Some(_) => Fate::Late(Duration::from_millis(30)),
        None => Fate::Forward,
    })
    .await;
    let aws = session(&shared().url()).await;
    let bench = Bench::new();
    bench.blocks("disk.raw", 100);
    let url = proxy.url();
    let arguments =
        ["publish", "ami", "disk.raw", "--name", "abandoned", "--connections", "4", "--endpoint-url", &url];
    ended_after(&bench, &proxy, &arguments, 5, nix::sys::signal::Signal::SIGKILL);
    let left = snapshots(&aws, "abandoned").await;
    assert_eq!(left.len(), 1);

    let listed = bench.command(&["gc", "--dry-run"]).output().unwrap();
    let text = String::from_utf8_lossy(&listed.stdout);
    assert!(text.contains("upload of abandoned") && text.contains(&left[0]), "{}", said(&listed));
    assert_eq!(snapshots(&aws, "abandoned").await.len(), 1, "a dry run touches nothing");
    // It has a journal here, so it is none of the leftovers that are found by their tags.
    let leftovers = ["ami", "gc", "--leftovers", "--older-than", "0s", "--regions", "us-east-1", "--json"];
    let tagged = bench.command(&leftovers).args(["--endpoint-url", &url]).output().unwrap();
    let tagged: serde_json::Value =
        serde_json::from_slice(&tagged.stdout).unwrap_or_else(|_| panic!("{}", said(&tagged)));
    let found = tagged["regions"][0]["found"].as_array().unwrap();
    let one = found.iter().find(|one| one["id"] == left[0].as_str()).expect("it has our tag");
    assert!(one["stays"].as_str().is_some_and(|why| why.contains("journal")), "{one}");

    let gc = bench.command(&["gc"]).output().unwrap();
    assert!(gc.status.success(), "{}", said(&gc));
    assert!(snapshots(&aws, "abandoned").await.is_empty());
    assert!(images(&aws, "abandoned").await.is_empty());
    assert_eq!(bench.open_uploads(), [""; 0]);
    let again = bench.command(&["gc", "--dry-run"]).output().unwrap();
    assert!(String::from_utf8_lossy(&again.stdout).contains("nothing was left behind"), "{}", said(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_keeps_what_arrived_and_says_how_to_go_on_and_gc_spares_who_is_at_it() {
    let proxy = Proxy::start(shared().port(), |call| match block_of(call) {
        Some(_) => Fate::Late(Duration::from_millis(30)),
        None => Fate::Forward,
    })
    .await;
    let aws = session(&shared().url()).await;
    let bench = Bench::new();
    bench.blocks("disk.raw", 100);
    let url = proxy.url();
    let arguments =
        ["publish", "ami", "disk.raw", "--name", "stopped", "--connections", "4", "--endpoint-url", &url];
    let output = ended_after(&bench, &proxy, &arguments, 10, nix::sys::signal::Signal::SIGINT).unwrap();
    assert_eq!(output.status.code(), Some(131), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("the same command goes on") && text.contains("goldsmith gc"), "{text}");
    let left = snapshots(&aws, "stopped").await;
    assert_eq!(left.len(), 1);

    // While it goes on, neither gc nor a second one touches it.
    let child = bench.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let before = proxy.calls().len();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !proxy.calls()[before..].iter().any(|call| block_of(call).is_some()) {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let second = bench.command(&arguments).output().unwrap();
    assert_eq!(second.status.code(), Some(2), "{}", said(&second));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another goldsmith"), "{}", said(&second));
    let gc = bench.command(&["gc"]).output().unwrap();
    assert!(gc.status.success(), "{}", said(&gc));
    assert_eq!(snapshots(&aws, "stopped").await, left);
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success());
    assert_eq!(images(&aws, "stopped").await.len(), 1);
}
