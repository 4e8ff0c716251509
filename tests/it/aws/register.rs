//! RegisterImage: all that a definition can say, once for each name.
use super::{
    bench::{Bench, ami, images, snapshots},
    ebs::tell,
    moto::{session, shared},
    proxy::{Call, Fate, Proxy},
};
use goldsmith::{
    aws::{AwsErrorKind, Kind, remove_with, resource},
    cx::Stop,
    plan::{AmiPlan, AmiVolume, BootMode, VolumeKind},
    value::{Arch, Size},
};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

fn registration(calls: &[Call]) -> &Call {
    calls.iter().find(|call| call.action() == "RegisterImage").expect("RegisterImage")
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_said_reaches_the_service() {
    let proxy = Proxy::start(shared().port(), |_| Fate::Forward).await;
    let aws = session(&proxy.url()).await;
    let bench = Bench::new();
    let disk = bench.blocks("disk.raw", 2);
    let vars = bench.path("vars.b64");
    std::fs::write(&vars, "QU1B\nT05V\n").unwrap();
    let plan = AmiPlan {
        description: Some("all of it".into()),
        sriov: true,
        tpm: true,
        uefi_data: Some(vars),
        root_device: "/dev/xvda".into(),
        volume: AmiVolume {
            size: Some(Size::gib(20)),
            kind: VolumeKind::Gp3,
            iops: Some(4000),
            throughput: Some(250),
            keep: true,
            encrypted: false,
            kms_key: None,
        },
        tags: BTreeMap::from([("team".into(), "web".into())]),
        ..AmiPlan::new("everything", Arch::X86_64, BootMode::UefiPreferred)
    };
    let made = bench.publish(&aws, &Stop::default(), &disk, &plan).await.unwrap();
    let calls = proxy.calls();
    let call = registration(&calls);
    for (key, value) in [
        ("Name", "everything"),
        ("Description", "all of it"),
        ("Architecture", "x86_64"),
        ("VirtualizationType", "hvm"),
        ("BootMode", "uefi-preferred"),
        ("EnaSupport", "true"),
        ("SriovNetSupport", "simple"),
        ("ImdsSupport", "v2.0"),
        ("TpmSupport", "v2.0"),
        ("UefiData", "QU1BT05V"),
        ("RootDeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.SnapshotId", made.ami.snapshot.as_str()),
        ("BlockDeviceMapping.1.Ebs.VolumeSize", "20"),
        ("BlockDeviceMapping.1.Ebs.VolumeType", "gp3"),
        ("BlockDeviceMapping.1.Ebs.Iops", "4000"),
        ("BlockDeviceMapping.1.Ebs.Throughput", "250"),
        ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "false"),
        ("TagSpecification.1.ResourceType", "image"),
    ] {
        assert_eq!(call.parameter(key).as_deref(), Some(value), "{key}");
    }
    // The snapshot has the encryption; saying it here is refused.
    assert_eq!(call.parameter("BlockDeviceMapping.1.Ebs.Encrypted"), None);
    // The AMI is found by its tags, also at servers that forget those of the registration.
    let answer = aws.ec2().describe_images().image_ids(&made.ami.id).send().await.unwrap();
    let tags: BTreeMap<&str, &str> =
        answer.images()[0].tags().iter().map(|tag| (tag.key().unwrap(), tag.value().unwrap())).collect();
    assert_eq!(tags["team"], "web");
    assert_eq!(tags["goldsmith:snapshot"], made.ami.snapshot);
    assert_eq!(tags["goldsmith:image"], "everything");
}

#[tokio::test(flavor = "multi_thread")]
async fn arm_and_bios_are_said_in_amazons_words() {
    let proxy = Proxy::start(shared().port(), |_| Fate::Forward).await;
    let aws = session(&proxy.url()).await;
    let bench = Bench::new();
    let disk = bench.blocks("disk.raw", 1);
    for (name, arch, mode, said) in [
        ("said-arm", Arch::Aarch64, BootMode::Uefi, ("arm64", "uefi")),
        ("said-bios", Arch::X86_64, BootMode::Bios, ("x86_64", "legacy-bios")),
    ] {
        let plan = AmiPlan { ena: false, imds_v2: false, ..AmiPlan::new(name, arch, mode) };
        bench.publish(&aws, &Stop::default(), &disk, &plan).await.unwrap();
        let calls = proxy.calls();
        let call = calls.iter().rfind(|call| call.action() == "RegisterImage").unwrap();
        assert_eq!(call.parameter("Architecture").as_deref(), Some(said.0));
        assert_eq!(call.parameter("BootMode").as_deref(), Some(said.1));
        assert_eq!(call.parameter("EnaSupport").as_deref(), Some("false"));
        for key in [
            "ImdsSupport",
            "TpmSupport",
            "SriovNetSupport",
            "UefiData",
            "BlockDeviceMapping.1.Ebs.VolumeSize",
        ] {
            assert_eq!(call.parameter(key), None, "{key}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_is_told_before_anything_is_sent() {
    let proxy = Proxy::start(shared().port(), |_| Fate::Forward).await;
    let aws = session(&proxy.url()).await;
    let bench = Bench::new();
    let disk = bench.blocks("disk.raw", 2);
    let first = bench.publish(&aws, &Stop::default(), &disk, &ami("taken")).await.unwrap();
    let before = proxy.calls().len();
    let stopped = bench.publish(&aws, &Stop::default(), &disk, &ami("taken")).await.unwrap_err();
    assert!(!stopped.kept);
    assert_eq!(stopped.error.kind(), AwsErrorKind::Exists);
    let text = tell(&stopped.error);
    assert!(text.contains("`taken` in us-east-1") && text.contains(&first.ami.id), "{text}");
    assert!(stopped.error.hint_text().unwrap().contains("deregister-image"), "{text}");
    assert!(proxy.calls()[before..].iter().all(|call| call.action() == "DescribeImages"));
    assert_eq!(bench.open_uploads(), [""; 0]);
    assert_eq!(images(&aws, "taken").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_was_interrupted_is_found_and_not_made_twice() {
    static LOOKS: AtomicUsize = AtomicUsize::new(0);
    // The AMI is registered, and then the service cannot be asked for it until goldsmith gives up.
    let proxy = Proxy::start(shared().port(), |call| {
        let by_id = call.parameter("ImageId.1").is_some();
        if call.action() == "DescribeImages" && by_id && LOOKS.fetch_add(1, Ordering::Relaxed) == 1 {
            return Fate::Answer(
                400,
                "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></Response>"
                    .to_owned(),
            );
        }
        // The first look says `pending`, with its reason.
        if by_id && call.action() == "DescribeImages" && LOOKS.load(Ordering::Relaxed) == 1 {
            return Fate::Change(Box::new(|text| {
                text.replace("<imageState>available</imageState>", "<imageState>pending</imageState>")
            }));
        }
        Fate::Forward
    })
    .await;
    let aws = session(&proxy.url()).await;
    let bench = Bench::new();
    let disk = bench.blocks("disk.raw", 3);
    let stopped = bench.publish(&aws, &Stop::default(), &disk, &ami("halfway")).await.unwrap_err();
    assert!(stopped.kept, "{}", tell(&stopped.error));
    assert!(bench.heard.text().contains("pending"));
    let registered = images(&aws, "halfway").await;
    assert_eq!(registered.len(), 1);
    // moto forgets the tags that say of which snapshot it is; Amazon does not.
    let snapshot = snapshots(&aws, "halfway").await.remove(0);
    let tag = aws_tag("goldsmith:snapshot", &snapshot);
    aws.ec2().create_tags().resources(&registered[0]).tags(tag).send().await.unwrap();

    let before = proxy.calls().len();
    let made = bench.publish(&aws, &Stop::default(), &disk, &ami("halfway")).await.unwrap();
    assert_eq!(made.ami.id, registered[0]);
    assert_eq!(made.ami.snapshot, snapshot);
    assert_eq!((made.blocks_sent, images(&aws, "halfway").await.len()), (0, 1));
    let calls = &proxy.calls()[before..];
    assert!(calls.iter().all(|call| call.method != "PUT" && call.action() != "RegisterImage"));
    assert_eq!(bench.open_uploads(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_of_the_registration_makes_one_image() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let snapshot = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let said = std::sync::Arc::clone(&snapshot);
    let proxy = Proxy::start(shared().port(), move |call| match call.action().as_str() {
        "RegisterImage" => {
            *said.lock().unwrap() = call.parameter("BlockDeviceMapping.1.Ebs.SnapshotId").unwrap();
            match CALLS.fetch_add(1, Ordering::Relaxed) {
                0 => Fate::Lost,
                // As Amazon answers who registers a name twice; moto would make a second image.
                _ => Fate::Answer(
                    400,
                    "<Response><Errors><Error><Code>InvalidAMIName.Duplicate</Code><Message>taken</Message></Error></Errors></Response>"
                        .to_owned(),
                ),
            }
        }
        "DescribeImages" => {
            // And it says what an image is made of, which moto makes up.
            let said = said.lock().unwrap().clone();
            Fate::Change(Box::new(move |text| match (text.split_once("<snapshotId>"), said.is_empty()) {
                (Some((head, tail)), false) => {
                    let tail = tail.split_once('<').map_or("", |(_, tail)| tail);
                    format!("{head}<snapshotId>{said}<{tail}")
                }
                _ => text,
            }))
        }
        _ => Fate::Forward,
    })
    .await;
    let aws = session(&proxy.url()).await;
    let bench = Bench::new();
    let disk = bench.blocks("disk.raw", 1);
    let made = bench.publish(&aws, &Stop::default(), &disk, &ami("lost-registration")).await.unwrap();
    assert_eq!(made.ami.snapshot, *snapshot.lock().unwrap());
    assert_eq!(images(&aws, "lost-registration").await, [made.ami.id]);
    assert!(CALLS.load(Ordering::Relaxed) >= 2);
}

fn aws_tag(key: &str, value: &str) -> aws_sdk_ec2::types::Tag {
    aws_sdk_ec2::types::Tag::builder().key(key).value(value).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_fails_says_why() {
    let proxy = Proxy::start(shared().port(), |call| {
        if call.action() == "DescribeImages" && call.parameter("ImageId.1").is_some() {
            return Fate::Change(Box::new(|text| {
                text.replace(
                    "<imageState>available</imageState>",
                    "<imageState>failed</imageState><stateReason><code>Client.Bad</code><message>the disk is no disk</message></stateReason>",
                )
            }));
        }
        Fate::Forward
    })
    .await;
    let aws = session(&proxy.url()).await;
    let bench = Bench::new();
    let disk = bench.blocks("disk.raw", 1);
    let stopped = bench.publish(&aws, &Stop::default(), &disk, &ami("bad")).await.unwrap_err();
    let text = tell(&stopped.error);
    assert!(text.contains("it is failed: the disk is no disk"), "{text}");
    assert!(stopped.kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_upload_and_a_registration_left_is_found_by_tag_and_by_snapshot() {
    let aws = session(&shared().url()).await;
    let bench = Bench::new();
    let disk = bench.blocks("disk.raw", 1);
    let made = bench.publish(&aws, &Stop::default(), &disk, &ami("traces")).await.unwrap();
    let answer = aws.ec2().describe_snapshots().snapshot_ids(&made.ami.snapshot).send().await.unwrap();
    let upload = answer.snapshots()[0]
        .tags()
        .iter()
        .find(|tag| tag.key() == Some("goldsmith:upload"))
        .and_then(|tag| tag.value())
        .unwrap()
        .to_owned();
    let stop = Stop::default();
    remove_with(&aws, &resource(&aws, Kind::ImageOf, &made.ami.snapshot), &stop).await.unwrap();
    assert!(images(&aws, "traces").await.is_empty());
    remove_with(&aws, &resource(&aws, Kind::Upload, &upload), &stop).await.unwrap();
    assert!(snapshots(&aws, "traces").await.is_empty());
    // Gone already is fine.
    remove_with(&aws, &resource(&aws, Kind::ImageOf, &made.ami.snapshot), &stop).await.unwrap();
    remove_with(&aws, &resource(&aws, Kind::Upload, &upload), &stop).await.unwrap();
}
