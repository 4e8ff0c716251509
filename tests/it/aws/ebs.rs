//! Snapshots from disks: what arrives is the disk, whatever goes wrong on the way.
use super::{
    bench::{Bench, ami, assert_same, blocks_of, images, opened, snapshots},
    moto::{Moto, session, shared},
    proxy::{Call, Fate, Proxy},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use goldsmith::{
    aws::{Account, Aws, AwsError, AwsErrorKind},
    cx::Stop,
    disk::{self, ConvertOptions, OutputFormat, Target},
    value::Secret,
};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    error::Error,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

pub(crate) fn tell(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", tell(source)))
}

/// The index of the block that a call sends.
pub(crate) fn block_of(call: &Call) -> Option<u64> {
    let (_, rest) = call.path.split_once("/blocks/")?;
    (call.method == "PUT").then(|| rest.split('?').next()?.parse().ok())?
}

fn header<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn body(call: &Call) -> serde_json::Value {
    serde_json::from_slice(&call.body).unwrap()
}

fn refusal(code: &str, message: &str) -> String {
    serde_json::json!({ "__type": code, "message": message }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_of_any_format_is_read_back_block_by_block() {
    let aws = session(&shared().url()).await;
    let bench = Bench::new();
    let raw = bench.mixed("disk.raw");
    let options = ConvertOptions { threads: 2, needles: &[], progress: &|_| {}, cancelled: &|| false };
    let qcow2 = bench.path("disk.qcow2");
    disk::convert(&*opened(&raw), &[Target::new(OutputFormat::Qcow2, &qcow2)], &options).unwrap();
    for (name, path) in [("read-back-raw", &raw), ("read-back-qcow2", &qcow2)] {
        let made = bench.publish(&aws, &Stop::default(), path, &ami(name)).await.unwrap();
        assert_same(&aws, &made.ami.snapshot, path).await;
        assert_eq!(made.blocks_sent, 19);
        // Written zeroes were sent.
        let blocks = blocks_of(&aws, &made.ami.snapshot).await;
        assert!(blocks[&20].iter().all(|byte| *byte == 0) && blocks.contains_key(&21));
        assert!(!blocks.contains_key(&18) && !blocks.contains_key(&23));
        assert_eq!(bench.open_uploads(), [""; 0], "an upload that is over leaves nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_right_where_they_are_checked() {
    let moto = Moto::start(&[("MOTO_EC2_LOAD_DEFAULT_AMIS", "false"), ("INITIAL_NO_AUTH_ACTION_COUNT", "3")]);
    let aws = session(&moto.url()).await;
    let iam = aws.iam();
    iam.create_user().user_name("uploader").send().await.unwrap();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ebs:*","ec2:*"],"Resource":"*"}]}"#;
    iam.put_user_policy()
        .user_name("uploader")
        .policy_name("all")
        .policy_document(policy)
        .send()
        .await
        .unwrap();
    let key = iam.create_access_key().user_name("uploader").send().await.unwrap().access_key.unwrap();
    // moto takes nobody's signature of this call, not even boto3's: it signs a body of no bytes, which moto then does not see.
    let proxy = Proxy::start(moto.port(), |call| {
        if call.path.contains("/completion/") {
            return Fate::Answer(202, r#"{"Status":"completed"}"#.to_owned());
        }
        Fate::Forward
    })
    .await;
    let account = Account { profile: None, region: Some("eu-west-1".into()), endpoint: Some(proxy.url()) };
    let signed =
        Aws::with_keys(&account, key.access_key_id(), &Secret::new(key.secret_access_key())).await.unwrap();
    let bench = Bench::new();
    let disk = bench.mixed("disk.raw");
    let made = bench.publish(&signed, &Stop::default(), &disk, &ami("signed")).await.unwrap();
    // Nor does it take the signatures of reading back: from here on it checks 1000 calls less.
    let before = proxy.calls().len();
    assert!(proxy.calls()[..before].iter().any(|call| header(call, "authorization").is_some()));
    moto.trust(1000).await;
    assert_same(&signed, &made.ami.snapshot, &disk).await;
    moto.trust(0).await;
    // And with another secret it is refused, which is told as such and leaves nothing.
    let wrong = Aws::with_keys(&account, key.access_key_id(), &Secret::new("wrong")).await.unwrap();
    let stopped = bench.publish(&wrong, &Stop::default(), &disk, &ami("refused")).await.unwrap_err();
    assert_eq!(stopped.error.kind(), AwsErrorKind::Auth, "{}", tell(&stopped.error));
    assert!(!stopped.kept);
    assert_eq!(bench.open_uploads(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_say_what_the_service_wants_to_know() {
    let proxy = Proxy::start(shared().port(), |_| Fate::Forward).await;
    let aws = session(&proxy.url()).await;
    let bench = Bench::new();
    let disk = bench.mixed("disk.raw");
    let mut plan = ami("calls");
    plan.volume.encrypted = true;
    plan.volume.kms_key = Some("arn:aws:kms:us-east-1:123456789012:key/1".into());
    plan.tags.insert("team".into(), "web".into());
    let made = bench.publish(&aws, &Stop::default(), &disk, &plan).await.unwrap();
    let calls = proxy.calls();

    let start = calls.iter().find(|call| call.path == "/snapshots").expect("StartSnapshot");
    let said = body(start);
    assert_eq!(said["VolumeSize"], 1);
    assert_eq!(said["Timeout"], 1440);
    assert_eq!(said["Encrypted"], true);
    assert_eq!(said["KmsKeyArn"], "arn:aws:kms:us-east-1:123456789012:key/1");
    assert!(said.get("ParentSnapshotId").is_none());
    assert!(uuid::Uuid::parse_str(said["ClientToken"].as_str().unwrap()).is_ok());
    let tags: BTreeMap<String, String> = said["Tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| (tag["Key"].as_str().unwrap().to_owned(), tag["Value"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(tags["team"], "web");
    assert_eq!(tags["goldsmith:image"], "calls");
    assert_eq!(tags["goldsmith:build"], tags["goldsmith:upload"]);

    let mut digests: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for call in calls.iter().filter(|call| block_of(call).is_some()) {
        assert_eq!(call.body.len(), 512 << 10, "the last block is padded");
        assert_eq!(header(call, "x-amz-data-length"), Some("524288"));
        assert_eq!(header(call, "x-amz-checksum-algorithm"), Some("SHA256"));
        let digest = Sha256::digest(&call.body);
        assert_eq!(header(call, "x-amz-checksum"), Some(BASE64_STANDARD.encode(digest).as_str()));
        digests.insert(block_of(call).unwrap(), digest.to_vec());
    }
    assert_eq!(digests.len(), 19);

    let complete = calls.iter().find(|call| call.path.contains("/completion/")).expect("CompleteSnapshot");
    assert!(complete.path.ends_with(&made.ami.snapshot), "{}", complete.path);
    assert_eq!(header(complete, "x-amz-changedblockscount"), Some("19"));
    assert_eq!(header(complete, "x-amz-checksum-aggregation-method"), Some("LINEAR"));
    let joined: Vec<u8> = digests.into_values().flatten().collect();
    assert_eq!(
        header(complete, "x-amz-checksum"),
        Some(BASE64_STANDARD.encode(Sha256::digest(joined)).as_str())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_that_passes_is_overcome_and_the_snapshot_is_whole() {
    let tries: Mutex<BTreeMap<u64, usize>> = Mutex::default();
    let proxy = Proxy::start(shared().port(), move |call| {
        let Some(index) = block_of(call) else { return Fate::Forward };
        let mut tries = tries.lock().unwrap();
        let nth = tries.entry(index).or_default();
        *nth += 1;
        match (index % 8, *nth) {
            (0, 1) => Fate::Answer(400, refusal("RequestThrottledException", "slow down")),
            (1, 1 | 2) => Fate::Answer(500, refusal("InternalServerException", "oops")),
            (2, 1) => Fate::Cut,
            (3, 1) => Fate::Lost,
            (4, 1) => Fate::Answer(400, refusal("ValidationException", "The SHA256 checksum does not match")),
            (5, 1) => Fate::Late(Duration::from_millis(700)),
            (6, 1) => Fate::Answer(503, "no JSON at all".to_owned()),
            _ => Fate::Forward,
        }
    })
    .await;
    let aws = session(&proxy.url()).await;
    let bench = Bench::new();
    let disk = bench.mixed("disk.raw");
    let made = bench.publish(&aws, &Stop::default(), &disk, &ami("trouble")).await.unwrap();
    assert_same(&aws, &made.ami.snapshot, &disk).await;
    assert!(made.blocks_repeated >= 10, "{made:?}");
    // Whoever watches is told that it is not the usual speed.
    assert!(bench.heard.text().contains("\"event\":\"message\""), "{}", bench.heard.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_throttles_is_given_less_at_once() {
    static FLYING: AtomicUsize = AtomicUsize::new(0);
    // At most 6 in 50 ms.
    let window: Mutex<(std::time::Instant, usize)> = Mutex::new((std::time::Instant::now(), 0));
    let proxy = Proxy::start(shared().port(), move |call| {
        if block_of(call).is_none() {
            return Fate::Forward;
        }
        let mut window = window.lock().unwrap();
        if window.0.elapsed() > Duration::from_millis(50) {
            *window = (std::time::Instant::now(), 0);
        }
        window.1 += 1;
        if window.1 > 6 {
            FLYING.fetch_add(1, Ordering::Relaxed);
            return Fate::Answer(400, refusal("ThrottlingException", "Rate exceeded"));
        }
        Fate::Forward
    })
    .await;
    let aws = session(&proxy.url()).await;
    let bench = Bench::new();
    let disk = bench.blocks("disk.raw", 120);
    let made = bench.publish(&aws, &Stop::default(), &disk, &ami("throttled")).await.unwrap();
    assert_same(&aws, &made.ami.snapshot, &disk).await;
    let refused = FLYING.load(Ordering::Relaxed);
    assert!(refused > 0, "the service never throttled");
    assert!(refused < 400, "{refused} refusals for 120 blocks");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_would_come_again_ends_it_and_what_arrived_is_kept() {
    static HEALED: AtomicBool = AtomicBool::new(false);
    let proxy = Proxy::start(shared().port(), |call| match block_of(call) {
        // The last: it gets a place only when others are through.
        Some(80) if !HEALED.load(Ordering::Relaxed) => {
            Fate::Answer(400, refusal("ValidationException", "The block is not allowed"))
        }
        _ => Fate::Forward,
    })
    .await;
    let aws = session(&proxy.url()).await;
    let bench = Bench::new();
    let disk = bench.mixed("disk.raw");
    let stopped = bench.publish(&aws, &Stop::default(), &disk, &ami("refusal")).await.unwrap_err();
    assert!(stopped.kept);
    let error = AwsError::from(stopped);
    let text = tell(&error);
    assert!(text.starts_with("could not send block 80 of the snapshot `snap-"), "{text}");
    assert!(
        text.contains("us-east-1") && text.contains("PutSnapshotBlock answered ValidationException"),
        "{text}"
    );
    let hint = error.hint_text().unwrap();
    assert!(hint.contains("the same command goes on") && hint.contains("`goldsmith gc`"), "{hint}");
    let tries = proxy.calls().iter().filter(|call| block_of(call) == Some(80)).count();
    assert_eq!(tries, 1, "what is refused for good is not tried again");
    assert_eq!(bench.open_uploads().len(), 2);

    HEALED.store(true, Ordering::Relaxed);
    let before = proxy.calls().len();
    let made = bench.publish(&aws, &Stop::default(), &disk, &ami("refusal")).await.unwrap();
    assert_same(&aws, &made.ami.snapshot, &disk).await;
    assert_eq!(made.blocks_sent + made.blocks_known, 19);
    assert!(made.blocks_known > 0, "{made:?}");
    let sent: Vec<u64> = proxy.calls()[before..].iter().filter_map(block_of).collect();
    assert_eq!(sent.len() as u64, made.blocks_sent, "what was confirmed is not sent again: {sent:?}");
    let starts = proxy.calls().iter().filter(|call| call.path == "/snapshots").count();
    assert_eq!(starts, 1, "one snapshot in all");
    assert_eq!(bench.open_uploads(), [""; 0]);
    assert_eq!(snapshots(&aws, "refusal").await, [made.ami.snapshot]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_keeps_what_arrived_and_a_changed_disk_begins_anew() {
    let stop = Stop::default();
    let canceller = stop.clone();
    let proxy = Proxy::start(shared().port(), move |call| {
        match block_of(call) {
            // Interrupted in the middle.
            Some(20) => {
                canceller.cancel();
                Fate::Late(Duration::from_secs(5))
            }
            _ => Fate::Forward,
        }
    })
    .await;
    let aws = session(&proxy.url()).await;
    let bench = Bench::new();
    let disk = bench.mixed("disk.raw");
    let begun = std::time::Instant::now();
    let stopped = bench.publish(&aws, &stop, &disk, &ami("interrupted")).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(4), "it does not wait for what is on its way");
    assert!(stopped.kept);
    assert_eq!(stopped.error.kind(), AwsErrorKind::Cancelled, "{}", tell(&stopped.error));
    let left = snapshots(&aws, "interrupted").await;
    assert_eq!(left.len(), 1);

    // The disk is another one now: going on would mix them.
    let disk = bench.raw("disk.raw", 8 << 20, &[(0, vec![7; 4096]), (5 << 20, vec![8; 4096])]);
    let direct = session(&shared().url()).await;
    let aws = Aws::clone(&direct);
    // Another address is another place; this one must find its upload again.
    assert_eq!(bench.open_uploads().len(), 2);
    let proxied = session(&proxy.url()).await;
    let made = bench.publish(&proxied, &Stop::default(), &disk, &ami("interrupted")).await.unwrap();
    assert_same(&aws, &made.ami.snapshot, &disk).await;
    assert_eq!((made.blocks_sent, made.blocks_known), (2, 0));
    assert_eq!(
        snapshots(&aws, "interrupted").await,
        std::slice::from_ref(&made.ami.snapshot),
        "the old one is gone: {left:?}"
    );
    assert!(bench.heard.text().contains("it begins anew"));
    assert_eq!(images(&aws, "interrupted").await, [made.ami.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_states_are_waited_for_and_a_failed_snapshot_says_why() {
    static LOOKS: AtomicUsize = AtomicUsize::new(0);
    let change = |state: &'static str, more: &'static str| {
        Fate::Change(Box::new(move |text| {
            text.replace("<status>completed</status>", &format!("<status>{state}</status>{more}"))
        }))
    };
    let proxy = Proxy::start(shared().port(), move |call| {
        if call.action() != "DescribeSnapshots" {
            return Fate::Forward;
        }
        match LOOKS.fetch_add(1, Ordering::Relaxed) {
            0 => change("pending", ""),
            1 => Fate::Answer(503, String::new()),
            _ => Fate::Forward,
        }
    })
    .await;
    let aws = session(&proxy.url()).await;
    let bench = Bench::new();
    let disk = bench.mixed("disk.raw");
    let made = bench.publish(&aws, &Stop::default(), &disk, &ami("slow-upload")).await.unwrap();
    assert!(LOOKS.load(Ordering::Relaxed) >= 2);
    let heard = bench.heard.text();
    assert!(heard.contains("\"event\":\"waiting\"") && heard.contains("pending"), "{heard}");
    assert!(heard.contains(&made.ami.snapshot));

    let failing = Proxy::start(shared().port(), move |call| {
        if call.action() == "DescribeSnapshots" {
            change("error", "<statusMessage>the key is disabled</statusMessage>")
        } else {
            Fate::Forward
        }
    })
    .await;
    let aws = session(&failing.url()).await;
    let stopped = bench.publish(&aws, &Stop::default(), &disk, &ami("failed")).await.unwrap_err();
    assert!(stopped.kept, "nothing is removed because it went wrong");
    let text = tell(&stopped.error);
    assert!(text.contains("the key is disabled"), "{text}");
    assert!(images(&session(&shared().url()).await, "failed").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_of_start_and_completion_make_one_snapshot() {
    static STARTS: AtomicUsize = AtomicUsize::new(0);
    static ENDS: AtomicUsize = AtomicUsize::new(0);
    let proxy = Proxy::start(shared().port(), |call| {
        if call.path == "/snapshots" && STARTS.fetch_add(1, Ordering::Relaxed) == 0 {
            return Fate::Cut;
        }
        if call.path.contains("/completion/") {
            return match ENDS.fetch_add(1, Ordering::Relaxed) {
                0 => Fate::Lost,
                // What the real service says to who completes again.
                _ => Fate::Answer(400, refusal("ValidationException", "The snapshot is not pending")),
            };
        }
        Fate::Forward
    })
    .await;
    let aws = session(&proxy.url()).await;
    let bench = Bench::new();
    let disk = bench.mixed("disk.raw");
    let made = bench.publish(&aws, &Stop::default(), &disk, &ami("lost")).await.unwrap();
    assert_same(&aws, &made.ami.snapshot, &disk).await;
    let tokens: Vec<serde_json::Value> = proxy
        .calls()
        .iter()
        .filter(|call| call.path == "/snapshots")
        .map(|call| body(call)["ClientToken"].clone())
        .collect();
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0], tokens[1], "the service makes one snapshot of both");
    assert_eq!(snapshots(&aws, "lost").await, [made.ami.snapshot]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_data_is_a_snapshot_without_blocks() {
    let proxy = Proxy::start(shared().port(), |_| Fate::Forward).await;
    let aws = session(&proxy.url()).await;
    let bench = Bench::new();
    let disk = bench.raw("disk.raw", 3 << 30, &[]);
    let made = bench.publish(&aws, &Stop::default(), &disk, &ami("empty")).await.unwrap();
    assert_eq!(made.blocks_sent, 0);
    let calls = proxy.calls();
    assert_eq!(body(calls.iter().find(|call| call.path == "/snapshots").unwrap())["VolumeSize"], 3);
    let complete = calls.iter().find(|call| call.path.contains("/completion/")).unwrap();
    assert_eq!(header(complete, "x-amz-changedblockscount"), Some("0"));
    assert_eq!(header(complete, "x-amz-checksum"), None);
}
