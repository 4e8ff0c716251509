//! Snapshots as the difference to an earlier one.
//!
//! moto ignores `ParentSnapshotId`: a snapshot of its holds what was sent to it and nothing else. What Amazon reads where nothing was sent,
//! the parent's block, is laid under it here. It also gives each image a snapshot of its own making; [`mapped`] tells the image's true one.
use super::{
    bench::{BLOCK, Bench, MIB, ami, blocks_of, noise, opened, snapshots},
    botocore,
    ebs::{block_of, tell},
    moto::{session, shared},
    proxy::{Call, Fate, Proxy},
    publish::{ended_after, result, said},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use goldsmith::{
    aws::{Aws, AwsErrorKind},
    cx::Stop,
    plan::AmiPlan,
    publish::{self, ami::Published},
};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

type Blocks = BTreeMap<u64, Vec<u8>>;

/// The key of parents that are said to be encrypted.
const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/parent";

fn over(name: &str, parent: &str) -> AmiPlan {
    AmiPlan { parent: Some(parent.to_owned()), ..ami(name) }
}

/// The successor of [`Bench::mixed`]: block 7 has another byte, block 40 is a hole, block 86 is new, the disk is longer.
fn successor(bench: &Bench, name: &str) -> PathBuf {
    let mut changed = noise(2, 4 * MIB as usize);
    changed[BLOCK + 17] ^= 1;
    bench.raw(
        name,
        44 * MIB,
        &[
            (0, noise(1, 300 * 1024)),
            (3 * MIB, changed),
            (10 * MIB, vec![0; MIB as usize]),
            (30 * MIB, noise(4, 3 * MIB as usize)),
            (40 * MIB, noise(5, 70 * 1024)),
            (43 * MIB, noise(6, 4096)),
        ],
    )
}

/// Blocks of the one over those of the other.
fn laid_over(mut parent: Blocks, child: Blocks) -> Blocks {
    parent.extend(child);
    parent
}

/// What a volume of these blocks reads as is the disk, and zeroes behind it.
fn assert_reads_as(blocks: &Blocks, disk: &Path) {
    let disk = opened(disk);
    let end = disk.size().div_ceil(BLOCK as u64);
    let last = blocks.keys().next_back().map_or(end, |last| end.max(last + 1));
    for index in 0..last {
        let start = index * BLOCK as u64;
        let mut wanted = vec![0; BLOCK];
        if index < end {
            let len = (disk.size() - start).min(BLOCK as u64) as usize;
            disk.read_at(&mut wanted[..len], start).unwrap();
        }
        match blocks.get(&index) {
            Some(bytes) => assert!(*bytes == wanted, "block {index} differs"),
            None => assert!(wanted.iter().all(|byte| *byte == 0), "block {index} is missing"),
        }
    }
}

/// What moto answers; images are of the snapshots that they were registered of.
fn mapped(call: &Call) -> Fate {
    const TAG: &str = "<key>goldsmith:snapshot</key>";
    if call.action() != "DescribeImages" {
        return Fate::Forward;
    }
    Fate::Change(Box::new(|text| {
        let images = text.split("<imageId>").map(|image| {
            let value = |text: &str, name: &str| {
                let (_, rest) = text.split_once(&format!("<{name}>"))?;
                Some(rest.split_once("</")?.0.to_owned())
            };
            let tagged = image.split_once(TAG).and_then(|(_, rest)| value(rest, "value"));
            match (tagged, value(image, "snapshotId")) {
                (Some(snapshot), Some(own)) => image.replace(&own, &snapshot),
                _ => image.to_owned(),
            }
        });
        images.collect::<Vec<_>>().join("<imageId>")
    }))
}

/// Indices of the blocks that were sent by these calls, and of those that were read.
fn moved(calls: &[Call]) -> (Vec<u64>, usize) {
    let mut sent: Vec<u64> = calls.iter().filter_map(block_of).collect();
    sent.sort_unstable();
    let read = calls.iter().filter(|call| call.method == "GET" && call.path.contains("/blocks")).count();
    (sent, read)
}

fn header<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

async fn published(bench: &Bench, aws: &Aws, disk: &Path, ami: &AmiPlan) -> Published {
    bench
        .publish(aws, &Stop::default(), disk, ami)
        .await
        .unwrap_or_else(|stopped| panic!("{}", tell(&stopped.error)))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_is_sent_and_the_host_knows_what_that_is() {
    let proxy = Proxy::start(shared().port(), mapped).await;
    let (aws, direct) = (session(&proxy.url()).await, session(&shared().url()).await);
    let bench = Bench::new();
    let first = published(&bench, &aws, &bench.mixed("first.raw"), &ami("delta-1")).await;
    assert_eq!((first.blocks_sent, first.blocks_unchanged), (19, 0));

    // By the AMI.
    let disk = successor(&bench, "second.raw");
    let before = proxy.calls().len();
    let second = published(&bench, &aws, &disk, &over("delta-2", &first.ami.id)).await;
    let calls = proxy.calls().split_off(before);
    assert_eq!(moved(&calls), (vec![7, 40, 86], 0), "and nothing was read");
    assert_eq!((second.blocks_sent, second.blocks_known, second.blocks_unchanged), (3, 0, 17));
    let start: serde_json::Value =
        serde_json::from_slice(&calls.iter().find(|call| call.path == "/snapshots").unwrap().body).unwrap();
    assert_eq!(start["ParentSnapshotId"], first.ami.snapshot.as_str());
    assert!(start.get("Encrypted").is_none() && start.get("KmsKeyArn").is_none());
    // Completed by what was sent to this snapshot, and by nothing else.
    let complete = calls.iter().find(|call| call.path.contains("/completion/")).unwrap();
    assert_eq!(header(complete, "x-amz-changedblockscount"), Some("3"));
    let child = blocks_of(&direct, &second.ami.snapshot).await;
    let digests: Vec<u8> = child.values().flat_map(Sha256::digest).collect();
    assert_eq!(
        header(complete, "x-amz-checksum"),
        Some(BASE64_STANDARD.encode(Sha256::digest(digests)).as_str())
    );
    assert!(child[&40].iter().all(|byte| *byte == 0), "a hole over data is zeroes");
    let parent = blocks_of(&direct, &first.ami.snapshot).await;
    let second_blocks = laid_over(parent, child);
    assert_reads_as(&second_blocks, &disk);

    // By the snapshot, which is a difference itself: its blocks are its parent's and its own. Back to the first disk, which is shorter.
    let before = proxy.calls().len();
    let third =
        published(&bench, &aws, &bench.path("first.raw"), &over("delta-3", &second.ami.snapshot)).await;
    assert_eq!(moved(&proxy.calls()[before..]), (vec![7, 40, 86], 0));
    assert_eq!(third.blocks_unchanged, 17);
    let child = blocks_of(&direct, &third.ami.snapshot).await;
    let third_blocks = laid_over(second_blocks, child);
    assert_reads_as(&third_blocks, &bench.path("first.raw"));

    // What did not change at all is a snapshot without blocks.
    let before = proxy.calls().len();
    let same = published(&bench, &aws, &bench.path("first.raw"), &over("delta-4", &third.ami.snapshot)).await;
    assert_eq!(moved(&proxy.calls()[before..]), (vec![], 0));
    // Block 40 and 7 are the child's by now; 86 stays as zeroes that the disk does not have.
    assert_eq!((same.blocks_sent, same.blocks_unchanged), (0, 19));
    assert_eq!(bench.open_uploads(), [""; 0]);
    assert_eq!(std::fs::read_dir(bench.uploads().join("digests")).unwrap().count(), 4);
    botocore::check(&proxy.calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_record_the_parent_is_read_once_whatever_goes_wrong() {
    let direct = session(&shared().url()).await;
    let bench = Bench::new();
    let first = published(&bench, &direct, &bench.mixed("first.raw"), &ami("delta-read-1")).await;
    let tries: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let proxy = Proxy::start(shared().port(), move |call| {
        if call.method != "GET" || !call.path.contains("/blocks") {
            return Fate::Forward;
        }
        let mut tries = tries.lock().unwrap();
        let nth = tries.entry(call.path.clone()).or_default();
        *nth += 1;
        let Some((_, rest)) = call.path.split_once("/blocks/") else {
            // Two pages of the list; each fails once.
            let second = call.path.contains("pageToken=more");
            return match *nth {
                1 => Fate::Answer(503, String::new()),
                _ => Fate::Change(Box::new(move |text| {
                    let mut list: serde_json::Value = serde_json::from_str(&text).unwrap();
                    let blocks = list["Blocks"].as_array_mut().unwrap();
                    let late = blocks.split_off(9);
                    if second {
                        *blocks = late;
                    } else {
                        list["NextToken"] = "more".into();
                    }
                    list.to_string()
                })),
            };
        };
        let index: u64 = rest.split('?').next().unwrap().parse().unwrap();
        match (index, *nth) {
            (6, 1) => {
                Fate::Answer(400, r#"{"__type":"RequestThrottledException","message":"slow"}"#.to_owned())
            }
            (8, 1 | 2) => Fate::Answer(500, r#"{"__type":"InternalServerException"}"#.to_owned()),
            (10, 1) => Fate::Lost,
            // As long, and another one: only the checksum tells.
            (20, 1) => Fate::Change(Box::new(|text| text.replacen('\0', "x", 1))),
            // Not as long.
            (21, 1) => Fate::Change(Box::new(|text| text.replacen('\0', "", 1))),
            _ => Fate::Forward,
        }
    })
    .await;
    let aws = session(&proxy.url()).await;
    let disk = successor(&bench, "second.raw");
    // The record is another server's: nothing is known here.
    let second = published(&bench, &aws, &disk, &over("delta-read-2", &first.ami.snapshot)).await;
    let (sent, read) = moved(&proxy.calls());
    assert_eq!(sent, [7, 40, 86]);
    // 19 blocks and two pages; six blocks and both pages again.
    assert_eq!(read, 19 + 2 + 6 + 2);
    let heard = bench.heard.text();
    assert!(heard.contains("all of it is read, once") && heard.contains("\"stage\":\"parent\""), "{heard}");
    let parent = blocks_of(&direct, &first.ami.snapshot).await;
    let child = blocks_of(&direct, &second.ami.snapshot).await;
    assert_reads_as(&laid_over(parent, child), &disk);

    // Once.
    let before = proxy.calls().len();
    published(&bench, &aws, &disk, &over("delta-read-3", &first.ami.snapshot)).await;
    assert_eq!(moved(&proxy.calls()[before..]), (vec![7, 40, 86], 0));

    // A record that was damaged is none.
    for entry in std::fs::read_dir(bench.uploads().join("digests")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[60] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let before = proxy.calls().len();
    published(&bench, &aws, &disk, &over("delta-read-4", &first.ami.snapshot)).await;
    let (sent, read) = moved(&proxy.calls()[before..]);
    assert_eq!((sent, read), (vec![7, 40, 86], 19 + 2));
    botocore::check(&proxy.calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_that_failed_goes_on_over_its_parent() {
    static HEALED: AtomicBool = AtomicBool::new(false);
    let proxy = Proxy::start(shared().port(), |call| match block_of(call) {
        Some(86) if !HEALED.load(Ordering::Relaxed) => {
            Fate::Answer(400, r#"{"__type":"ValidationException","message":"not allowed"}"#.to_owned())
        }
        _ => mapped(call),
    })
    .await;
    let (aws, direct) = (session(&proxy.url()).await, session(&shared().url()).await);
    let bench = Bench::new();
    let first = published(&bench, &aws, &bench.mixed("first.raw"), &ami("delta-again-1")).await;
    let disk = successor(&bench, "second.raw");
    let plan = over("delta-again-2", &first.ami.id);
    let job = |connections| {
        let (bench, aws, plan, disk) = (&bench, &aws, &plan, &disk);
        async move { bench.publish_by(aws, &Stop::default(), disk, plan, Some(connections)).await }
    };
    let stopped = job(1).await.unwrap_err();
    assert!(stopped.kept, "{}", tell(&stopped.error));

    HEALED.store(true, Ordering::Relaxed);
    let before = proxy.calls().len();
    let second = job(1).await.unwrap();
    // Block 7 arrived before 86 was refused; 40, which became a hole, comes last.
    assert_eq!(moved(&proxy.calls()[before..]), (vec![40, 86], 0));
    assert_eq!((second.blocks_sent, second.blocks_known, second.blocks_unchanged), (2, 1, 17));
    let complete =
        proxy.calls()[before..].iter().find(|call| call.path.contains("/completion/")).cloned().unwrap();
    assert_eq!(header(&complete, "x-amz-changedblockscount"), Some("3"));
    assert_eq!(snapshots(&direct, "delta-again-2").await, std::slice::from_ref(&second.ami.snapshot));
    let parent = blocks_of(&direct, &first.ami.snapshot).await;
    let child = blocks_of(&direct, &second.ami.snapshot).await;
    assert_reads_as(&laid_over(parent, child), &disk);

    // What an interrupted run left is in the record of what the snapshot holds.
    let before = proxy.calls().len();
    published(&bench, &aws, &disk, &over("delta-again-3", &second.ami.snapshot)).await;
    assert_eq!(moved(&proxy.calls()[before..]), (vec![], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_it_sends_the_rest_of_the_difference() {
    let proxy = Proxy::start(shared().port(), |call| match block_of(call) {
        Some(_) => Fate::Late(Duration::from_millis(20)),
        None => mapped(call),
    })
    .await;
    let direct = session(&shared().url()).await;
    let bench = Bench::new();
    let url = proxy.url();
    bench.blocks("base.raw", 100);
    let base = bench
        .command(&["publish", "ami", "base.raw", "--name", "delta-kill-1", "--json", "--endpoint-url", &url])
        .output()
        .unwrap();
    assert!(base.status.success(), "{}", said(&base));
    let base = result(&base);
    // Every second block is another one; the last ten are holes.
    let pieces: Vec<(u64, Vec<u8>)> = (0..90u64)
        .map(|index| (index * MIB, noise(if index % 2 == 0 { index + 1 } else { index + 1000 }, 4096)))
        .collect();
    let disk = bench.raw("next.raw", 100 * MIB, &pieces);
    let parent = base["id"].as_str().unwrap();
    let arguments = [
        "publish",
        "ami",
        "next.raw",
        "--name",
        "delta-kill-2",
        "--parent",
        parent,
        "--connections",
        "4",
        "--endpoint-url",
        &url,
    ];
    let json: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    let before = proxy.calls().len();
    for _ in 0..2 {
        ended_after(&bench, &proxy, &json, 15, nix::sys::signal::Signal::SIGKILL);
    }
    let output = bench.command(&arguments).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("arrived before, the rest is the parent's"), "{text}");
    let (mut sent, read) = moved(&proxy.calls()[before..]);
    assert_eq!(read, 0);
    // Those that were on their way when it was killed were sent twice.
    let all = sent.len();
    sent.dedup();
    assert_eq!(sent.len(), 45 + 10);
    assert!(all <= sent.len() + 2 * 4, "{all}");
    let [snapshot] = &snapshots(&direct, "delta-kill-2").await[..] else { panic!("one snapshot in all") };
    let parent = blocks_of(&direct, base["snapshot"].as_str().unwrap()).await;
    assert_reads_as(&laid_over(parent, blocks_of(&direct, snapshot).await), &disk);
    assert_eq!(bench.open_uploads(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_machines_hear_what_was_not_sent() {
    let proxy = Proxy::start(shared().port(), mapped).await;
    let bench = Bench::new();
    let url = proxy.url();
    bench.mixed("first.raw");
    successor(&bench, "second.raw");
    let publish = |disk: &str, name: &str, more: &[&str]| {
        let output = bench
            .command(&["publish", "ami", disk, "--name", name, "--endpoint-url", &url])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", said(&output));
        output
    };
    let first = publish("first.raw", "delta-said-1", &[]);
    let id = String::from_utf8(first.stdout).unwrap();
    let second = publish("second.raw", "delta-said-2", &["--parent", id.trim()]);
    let text = String::from_utf8_lossy(&second.stderr);
    assert!(text.contains("1.5 MiB of 10 MiB sent, the rest is the parent's"), "{text}");
    let third = result(&publish("second.raw", "delta-said-3", &["--parent", id.trim(), "--json"]));
    assert_eq!((third["blocks-sent"].as_u64(), third["blocks-unchanged"].as_u64()), (Some(3), Some(17)));
}

/// Changes EC2's answer about snapshots.
fn snapshots_say(change: impl Fn(String) -> String + Send + Sync + 'static) -> impl Fn(&Call) -> Fate {
    let change = Arc::new(change);
    move |call| {
        if call.action() != "DescribeSnapshots" {
            return Fate::Forward;
        }
        let change = Arc::clone(&change);
        Fate::Change(Box::new(move |text| change(text)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_parent_is_said_before_anything_is_made() {
    let direct = session(&shared().url()).await;
    let bench = Bench::new();
    let large = bench.raw("large.raw", 3 << 30, &[(0, noise(9, 4096))]);
    let parent = published(&bench, &direct, &large, &ami("delta-large")).await.ami;
    let small = bench.raw("small.raw", (2 << 30) + MIB, &[]);
    let smaller = bench.raw("smaller.raw", 2 << 30, &[]);

    let refused = async |proxy: &Proxy, disk: &Path, plan: &AmiPlan| {
        let aws = session(&proxy.url()).await;
        let stopped = bench.publish(&aws, &Stop::default(), disk, plan).await.unwrap_err();
        assert!(!stopped.kept);
        assert!(proxy.calls().iter().all(|call| call.path != "/snapshots"), "nothing was made");
        let hint = stopped.error.hint_text().unwrap_or_default().to_owned();
        (stopped.error.kind(), format!("{} ({hint})", tell(&stopped.error)))
    };
    let plain = Proxy::start(shared().port(), mapped).await;
    // No such thing.
    for id in ["snap-0123456789abcdef0", "ami-0123456789abcdef0"] {
        let (kind, text) = refused(&plain, &small, &over("delta-none", id)).await;
        assert_eq!(kind, AwsErrorKind::NotFound, "{text}");
        assert!(text.contains(id) && text.contains("us-east-1") && text.contains("--region"), "{text}");
    }
    // Too large. 2 GiB and a little are a volume of 3 GiB.
    let (kind, text) = refused(&plain, &smaller, &over("delta-small", &parent.id)).await;
    assert_eq!(kind, AwsErrorKind::Usage, "{text}");
    assert!(text.contains("3 GiB") && text.contains("2 GiB") && text.contains("without a parent"), "{text}");
    // Of another encryption.
    let mut plan = over("delta-encrypted", &parent.snapshot);
    plan.volume.encrypted = true;
    let (kind, text) = refused(&plain, &small, &plan).await;
    assert_eq!(kind, AwsErrorKind::Usage, "{text}");
    assert!(text.contains("not encrypted") && text.contains("without a parent"), "{text}");
    let encrypted = |text: String| {
        let says = format!("<encrypted>true</encrypted><kmsKeyId>{KEY}</kmsKeyId>");
        text.replace("<encrypted>false</encrypted>", &says).replace("<encrypted/>", &says)
    };
    let secret = Proxy::start(shared().port(), snapshots_say(encrypted)).await;
    plan.volume.kms_key = Some("arn:aws:kms:us-east-1:123456789012:key/other".to_owned());
    let (_, text) = refused(&secret, &small, &plan).await;
    assert!(text.contains("key/parent") && text.contains("key/other"), "{text}");
    // Not complete.
    let pending = Proxy::start(
        shared().port(),
        snapshots_say(|text| text.replace("<status>completed</status>", "<status>pending</status>")),
    )
    .await;
    let (_, text) = refused(&pending, &small, &over("delta-pending", &parent.snapshot)).await;
    assert!(text.contains("`pending`"), "{text}");
    assert!(snapshots(&direct, "delta-encrypted").await.is_empty());

    // Of the same encryption, which StartSnapshot must not hear again.
    plan.volume.kms_key = Some(KEY.to_owned());
    for plan in [plan, over("delta-as-parent", &parent.snapshot)] {
        let before = secret.calls().len();
        published(&bench, &session(&secret.url()).await, &small, &plan).await;
        let calls = secret.calls().split_off(before);
        let start = &calls.iter().find(|call| call.path == "/snapshots").unwrap().body;
        let start: serde_json::Value = serde_json::from_slice(start).unwrap();
        assert_eq!(start["ParentSnapshotId"], parent.snapshot.as_str());
        assert!(start.get("Encrypted").is_none() && start.get("KmsKeyArn").is_none(), "{start}");
    }
    let told = format!("the snapshot is encrypted with {KEY}, as its parent `{}` is", parent.snapshot);
    assert!(bench.heard.text().contains(&told), "who did not ask for it hears of it");

    // A build asks before it makes anything, too.
    let aws = session(&plain.url()).await;
    let wanted = |parent: &str| [over("delta-build", parent)];
    publish::ami::preflight(&aws, &wanted(&parent.id), 3 << 30).await.unwrap();
    for (parent, bytes, kind) in [
        (&*parent.id, 1 << 30, AwsErrorKind::Usage),
        ("snap-0123456789abcdef0", 3 << 30, AwsErrorKind::NotFound),
    ] {
        let error = publish::ami::preflight(&aws, &wanted(parent), bytes).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{}", tell(&error));
    }

    // What is no id at all is not even asked for.
    let before = plain.calls().len();
    let output = bench
        .command(&["publish", "ami", "small.raw", "--name", "delta-odd", "--parent", "vol-1"])
        .args(["--endpoint-url", &plain.url()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--parent"), "{}", said(&output));
    assert_eq!(plain.calls().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_takes_no_such_parent_is_told_the_way_out() {
    let proxy = Proxy::start(shared().port(), |call| {
        let parent = call.path == "/snapshots" && String::from_utf8_lossy(&call.body).contains("Parent");
        if parent {
            let answer =
                r#"{"__type":"ValidationException","message":"The parent snapshot must be encrypted"}"#;
            return Fate::Answer(400, answer.to_owned());
        }
        mapped(call)
    })
    .await;
    let aws = session(&proxy.url()).await;
    let bench = Bench::new();
    let disk = bench.mixed("disk.raw");
    let first = published(&bench, &aws, &disk, &ami("delta-default-1")).await;
    let plan = over("delta-default-2", &first.ami.id);
    let stopped = bench.publish(&aws, &Stop::default(), &disk, &plan).await.unwrap_err();
    let hint = stopped.error.hint_text().unwrap_or_default();
    assert!(hint.contains("encrypts everything by default") && hint.contains("encrypted copy"), "{hint}");
}
