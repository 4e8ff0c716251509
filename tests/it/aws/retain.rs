//! Retention and leftovers: what may go and what stays, in moto's account.
use super::{
    botocore,
    fleet::{goldsmith, image, named, refused, run, tag},
    moto::{Moto, session},
    proxy::{Fate, Proxy},
};
use aws_sdk_ec2::types::{RequestLaunchTemplateData, ResourceType, TagSpecification};
use goldsmith::aws::{Aws, BUILD};
use std::collections::BTreeMap;

const OURS: &[(&str, &str)] = &[(BUILD, "0123456789ab")];

async fn snapshots(aws: &Aws) -> Vec<String> {
    let all = aws.ec2().describe_snapshots().owner_ids("self").send().await.unwrap();
    all.snapshots().iter().map(|one| one.snapshot_id().unwrap().to_owned()).collect()
}

async fn snapshot(url: &str, region: &str, name: &str) -> String {
    let found = named(url, region, name).await;
    found[0].block_device_mappings()[0].ebs().unwrap().snapshot_id().unwrap().to_owned()
}

#[tokio::test]
async fn old_images_go_with_their_snapshots_and_what_is_used_stays() {
    let moto = Moto::bare();
    let proxy = Proxy::start(moto.port(), |_| Fate::Forward).await;
    let (home, aws) = (tempfile::tempdir().unwrap(), session(&moto.url()).await);
    let mut ids = BTreeMap::new();
    for number in 1..=7 {
        let name = format!("web-{number}");
        ids.insert(number, image(&aws, &name, OURS).await);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let strange = image(&aws, "web-0-strange", &[]).await;
    let far = aws.at("eu-west-1");
    for name in ["web-a", "web-b", "web-c"] {
        image(&far, name, OURS).await;
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // Number 1 runs, 2 is in a template, 3 is in a channel, 4 is marked.
    aws.ec2().run_instances().image_id(&ids[&1]).min_count(1).max_count(1).send().await.unwrap();
    let data = RequestLaunchTemplateData::builder().image_id(&ids[&2]).build();
    aws.ec2()
        .create_launch_template()
        .launch_template_name("pool")
        .launch_template_data(data)
        .send()
        .await
        .unwrap();
    aws.ssm()
        .put_parameter()
        .name("/org/stable")
        .value(&ids[&3])
        .r#type(aws_sdk_ssm::types::ParameterType::String)
        .send()
        .await
        .unwrap();
    aws.ec2().create_tags().resources(&ids[&4]).tags(tag("goldsmith:keep", "")).send().await.unwrap();

    let arguments = ["ami", "gc", "--name", "web-*", "--keep", "2"];
    let say = async |more: &[&str]| {
        run(goldsmith(home.path(), &proxy.url(), &[&arguments[..], more].concat())).await
    };
    let ended = say(&[]).await.expect(0);
    for part in [
        "the instance i-",
        "the launch template pool uses it",
        "the parameter /org/stable uses it",
        "it has the tag `goldsmith:keep`",
        "goldsmith did not make it",
        "number 1 of the 2 newest",
        "not among the 2 newest",
    ] {
        assert!(ended.out.contains(part), "no `{part}` in {}", ended.out);
    }
    assert_eq!(ended.out.matches("would go").count(), 2, "{}", ended.out);
    assert!(ended.err.contains("nothing was removed; `--execute` does it"), "{}", ended.err);
    assert!(
        proxy
            .calls()
            .iter()
            .all(|call| !call.action().starts_with("De") || call.action().starts_with("Describe"))
    );

    let (old, oldest) = (
        snapshot(&moto.url(), "us-east-1", "web-5").await,
        snapshot(&moto.url(), "eu-west-1", "web-a").await,
    );
    let report = say(&["--execute", "--json"]).await.expect(0).json();
    assert_eq!(report["removed"].as_array().unwrap().len(), 2);
    for (number, left) in [(1, 1), (2, 1), (3, 1), (4, 1), (5, 0), (6, 1), (7, 1)] {
        let name = format!("web-{number}");
        assert_eq!(named(&moto.url(), "us-east-1", &name).await.len(), left, "{name}");
    }
    assert_eq!(named(&moto.url(), "eu-west-1", "web-a").await.len(), 0);
    assert_eq!(named(&moto.url(), "eu-west-1", "web-b").await.len(), 1);
    assert!(!snapshots(&aws).await.contains(&old) && !snapshots(&far).await.contains(&oldest));
    assert!(snapshots(&aws).await.contains(&snapshot(&moto.url(), "us-east-1", "web-1").await));
    assert!(named(&moto.url(), "us-east-1", "web-0-strange").await[0].image_id() == Some(strange.as_str()));
    botocore::check(&proxy.calls());
    // Nothing is left in the journal.
    let ended = run({
        let mut command = goldsmith(home.path(), &moto.url(), &[]);
        command = {
            let mut plain = std::process::Command::new(command.get_program());
            plain
                .args(["gc", "--dry-run"])
                .env("HOME", home.path())
                .env("GOLDSMITH_STATE_DIR", home.path().join("state"));
            plain
        };
        command
    })
    .await
    .expect(0);
    assert!(ended.out.contains("nothing was left behind"), "{}", ended.out);
    // Twice is as once.
    say(&["--execute"]).await.expect(0);
}

#[tokio::test]
async fn where_users_cannot_be_seen_nothing_is_removed() {
    let moto = Moto::bare();
    let proxy = Proxy::start(moto.port(), |call| match call.action().as_str() {
        "DescribeLaunchTemplates" => refused(403, "UnauthorizedOperation", "You are not authorized"),
        _ => Fate::Forward,
    })
    .await;
    let (home, aws) = (tempfile::tempdir().unwrap(), session(&moto.url()).await);
    image(&aws, "web-1", OURS).await;
    let arguments = ["ami", "gc", "--name", "web-*", "--keep", "0", "--execute", "--regions", "us-east-1"];
    let ended = run(goldsmith(home.path(), &proxy.url(), &arguments)).await.expect(5);
    assert!(
        ended.err.contains("could not see which launch templates there are in us-east-1"),
        "{}",
        ended.err
    );
    assert_eq!(named(&moto.url(), "us-east-1", "web-1").await.len(), 1);
}

#[tokio::test]
async fn a_removal_that_dies_half_way_is_finished_by_gc() {
    let moto = Moto::bare();
    let (home, aws) = (tempfile::tempdir().unwrap(), session(&moto.url()).await);
    image(&aws, "web-1", OURS).await;
    let gone = snapshot(&moto.url(), "us-east-1", "web-1").await;
    let (seen, at) =
        (std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)), std::sync::atomic::Ordering::SeqCst);
    let proxy = {
        let seen = std::sync::Arc::clone(&seen);
        Proxy::start(moto.port(), move |call| {
            if call.action() == "DeleteSnapshot" {
                seen.store(true, at);
                return Fate::Late(std::time::Duration::from_secs(3600));
            }
            Fate::Forward
        })
        .await
    };
    // The journal names the address of the server: the proxy is let go of, and another takes its place by forwarding.
    let arguments = ["ami", "gc", "--name", "web-*", "--keep", "0", "--execute", "--regions", "us-east-1"];
    let mut child = goldsmith(home.path(), &proxy.url(), &arguments)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !seen.load(at) {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(snapshots(&aws).await.contains(&gone));
    assert_eq!(named(&moto.url(), "us-east-1", "web-1").await.len(), 0);
    for entry in std::fs::read_dir(home.path().join("state/journal"))
        .into_iter()
        .flatten()
        .chain(std::fs::read_dir(home.path().join("state/journals")).into_iter().flatten())
    {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(&gone), "the journal does not name the snapshot: {text}");
        std::fs::write(&path, text.replace(&proxy.url(), &moto.url())).unwrap();
    }
    let mut command = goldsmith(home.path(), &moto.url(), &[]);
    let mut plain = std::process::Command::new(command.get_program());
    plain.arg("gc").env("HOME", home.path()).env("GOLDSMITH_STATE_DIR", home.path().join("state"));
    super::moto::isolate(&mut plain);
    command = plain;
    run(command).await.expect(0);
    assert!(!snapshots(&aws).await.contains(&gone));
}

#[tokio::test]
async fn leftovers_of_dead_builds_go_when_they_are_old_enough() {
    let moto = Moto::bare();
    let proxy = Proxy::start(moto.port(), |_| Fate::Forward).await;
    let (home, aws) = (tempfile::tempdir().unwrap(), session(&moto.url()).await);
    let ours = |kind: ResourceType, build: &str| {
        TagSpecification::builder().resource_type(kind).tags(tag(BUILD, build)).build()
    };
    let made = aws
        .ec2()
        .create_volume()
        .availability_zone("us-east-1a")
        .size(1)
        .tag_specifications(ours(ResourceType::Volume, "aaaaaaaaaaaa"))
        .send()
        .await
        .unwrap();
    let volume = made.volume_id().unwrap().to_owned();
    let other = aws.ec2().create_volume().availability_zone("us-east-1a").size(1).send().await.unwrap();
    let snap = aws
        .ec2()
        .create_snapshot()
        .volume_id(&volume)
        .tag_specifications(ours(ResourceType::Snapshot, "aaaaaaaaaaaa"))
        .send()
        .await
        .unwrap();
    // A result's snapshot has the tag, too.
    image(&aws, "kept", OURS).await;
    let kept = snapshot(&moto.url(), "us-east-1", "kept").await;
    aws.ec2().create_tags().resources(&kept).tags(tag(BUILD, "0123456789ab")).send().await.unwrap();
    let key = aws
        .ec2()
        .create_key_pair()
        .key_name("goldsmith-aaaaaaaaaaaa")
        .tag_specifications(ours(ResourceType::KeyPair, "aaaaaaaaaaaa"))
        .send()
        .await
        .unwrap();
    let _ = key;
    let say = async |more: &[&str]| {
        let arguments = [&["ami", "gc", "--leftovers", "--regions", "us-east-1"], more].concat();
        run(goldsmith(home.path(), &proxy.url(), &arguments)).await
    };
    let ended = say(&[]).await.expect(2);
    assert!(ended.err.contains("--older-than"), "{}", ended.err);
    let ended = say(&["--older-than", "1h"]).await.expect(0);
    assert_eq!(
        ended.out.matches("it is too young: its build may live on another host").count(),
        3,
        "{}",
        ended.out
    );
    assert!(!ended.out.contains("would go"), "{}", ended.out);
    // A build of this host has a journal.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let ended = say(&["--older-than", "1s"]).await.expect(0);
    assert_eq!(ended.out.matches("would go").count(), 3, "{}", ended.out);
    say(&["--older-than", "1s", "--execute"]).await.expect(0);
    let volumes = aws.ec2().describe_volumes().send().await.unwrap();
    let left: Vec<&str> = volumes.volumes().iter().filter_map(|volume| volume.volume_id()).collect();
    assert_eq!(left, [other.volume_id().unwrap()]);
    let left = snapshots(&aws).await;
    assert!(left.contains(&kept) && !left.contains(&snap.snapshot_id().unwrap().to_owned()), "{left:?}");
    assert!(aws.ec2().describe_key_pairs().send().await.unwrap().key_pairs().is_empty());
    botocore::check(&proxy.calls());
}

#[tokio::test]
async fn what_is_meant_must_be_said() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, part) in [
        (&["ami", "gc"][..], "no images are meant"),
        (&["ami", "gc", "--name", "a*"], "nothing says how many images stay"),
        (&["ami", "gc", "--name", "a*", "--keep-minors", "version"], "write TAG=N"),
        (&["ami", "gc", "--leftovers", "--older-than", "1d", "--keep", "2"], "cannot be used with"),
    ] {
        let ended = run(goldsmith(home.path(), "http://127.0.0.1:9", arguments)).await.expect(2);
        assert!(ended.err.contains(part), "no `{part}` in {}", ended.err);
    }
}
