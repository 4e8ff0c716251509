//! Copies in other regions: moto copies, and the proxy plays what it lacks: tokens, states, deprecation, protection, public access.
use super::{
    botocore,
    fleet::{context, ec2, goldsmith, image, named, patience, refused, region, run, tag, unknown_to_moto},
    moto::{Moto, session, shared},
    proxy::{Call, Fate, Proxy},
};
use goldsmith::{
    cx::{Journal, Stop, Undo},
    publish::ami::{CopyPlan, CopyState, Which, copy},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

const TAGS: &[(&str, &str)] = &[
    ("Name", "AlmaLinux OS 9.6.20250522 x86_64"),
    ("Version", "9.6.20250522"),
    ("Architecture", "x86_64"),
    (goldsmith::aws::BUILD, "0123456789ab"),
];

fn actions(calls: &[Call], action: &str) -> Vec<Call> {
    calls.iter().filter(|call| call.action() == action).cloned().collect()
}

#[tokio::test]
async fn copies_are_tagged_shared_and_given_an_end_and_the_source_is_shared_last() {
    let proxy = Proxy::start(shared().port(), |call| unknown_to_moto(call).unwrap_or(Fate::Forward)).await;
    let home = tempfile::tempdir().unwrap();
    let aws = session(&shared().url()).await;
    let name = "AlmaLinux OS 9.6.20250522 (copies) x86_64";
    let source = image(&aws, name, TAGS).await;
    let snapshot = named(&shared().url(), "us-east-1", name).await[0].block_device_mappings()[0]
        .ebs()
        .unwrap()
        .snapshot_id()
        .unwrap()
        .to_owned();
    aws.ec2().create_tags().resources(&snapshot).tags(tag("of", "the snapshot")).send().await.unwrap();
    let arguments = [
        "ami",
        "copy",
        &source,
        "--regions",
        "eu-west-1,eu-central-1",
        "--public",
        "--account",
        "123456789012",
        "--organization",
        "arn:aws:organizations::123456789012:organization/o-abc123",
        "--ou",
        "arn:aws:organizations::123456789012:ou/o-abc123/ou-ab12-cdef3456",
        "--deprecate-at",
        "2099-01-31",
        "--protect",
        "--csv",
        "amis.csv",
        "--markdown",
        "amis.md",
        "--ami-ids",
        "ids.json",
        "--manifest",
        "manifest.json",
        "--json",
    ];
    let summary = home.path().join("summary.md");
    let again = || {
        let mut command = goldsmith(home.path(), &proxy.url(), &arguments);
        command.env("GITHUB_STEP_SUMMARY", &summary);
        command
    };
    let report = run(again()).await.expect(0).json();
    let regions: Vec<&str> = report["images"][0]["regions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["region"].as_str().unwrap())
        .collect();
    assert_eq!(regions, ["us-east-1", "eu-central-1", "eu-west-1"]);
    assert!(
        report["images"][0]["not-enabled"].as_array().unwrap().iter().any(|region| region == "me-central-1")
    );

    let mut ids = BTreeMap::new();
    for region in ["us-east-1", "eu-central-1", "eu-west-1"] {
        let found = named(&shared().url(), region, name).await;
        assert_eq!(found.len(), 1, "{region}");
        let image = &found[0];
        let id = image.image_id().unwrap();
        ids.insert(region, id.to_owned());
        let there = aws.at(region);
        let audience = goldsmith::publish::ami::audience(&there, id).await.unwrap();
        assert!(audience.public && audience.accounts.contains("123456789012"), "{region}: {audience:?}");
        assert_eq!((audience.organizations.len(), audience.units.len()), (1, 1));
        let snapshot = image.block_device_mappings()[0].ebs().unwrap().snapshot_id().unwrap().to_owned();
        let shared = there
            .ec2()
            .describe_snapshot_attribute()
            .snapshot_id(&snapshot)
            .attribute("createVolumePermission".into())
            .send()
            .await
            .unwrap();
        assert_eq!(shared.create_volume_permissions().len(), 2, "{region}");
        if region != "us-east-1" {
            let of = |tags: &[aws_sdk_ec2::types::Tag]| -> BTreeMap<String, String> {
                tags.iter().map(|tag| (tag.key().unwrap().into(), tag.value().unwrap().into())).collect()
            };
            let tags = of(image.tags());
            assert_eq!(
                (tags["Version"].as_str(), tags[goldsmith::aws::BUILD].as_str()),
                ("9.6.20250522", "0123456789ab")
            );
            assert_eq!(tags["goldsmith:source"], format!("us-east-1:{source}"));
            let found = there.ec2().describe_snapshots().snapshot_ids(&snapshot).send().await.unwrap();
            assert_eq!(of(found.snapshots()[0].tags())["of"], "the snapshot");
        }
    }

    let calls = proxy.calls();
    botocore::check(&calls);
    let shares: Vec<String> = actions(&calls, "ModifyImageAttribute")
        .iter()
        .map(|call| call.parameter("ImageId").unwrap())
        .collect();
    assert_eq!(shares.last(), Some(&source), "the source is shared last");
    for action in ["EnableImageDeprecation", "EnableImageDeregistrationProtection"] {
        assert_eq!(actions(&calls, action).len(), 3, "{action}");
    }
    assert_eq!(
        actions(&calls, "EnableImageDeprecation")[0].parameter("DeprecateAt").as_deref(),
        Some("2099-01-31T00:00:00Z")
    );
    let copies = actions(&calls, "CopyImage");
    let tokens: BTreeSet<String> = copies.iter().map(|call| call.parameter("ClientToken").unwrap()).collect();
    assert_eq!((copies.len(), tokens.len()), (2, 2), "a token for each region");
    assert!(tokens.iter().all(|token| token.len() == 64));

    let read = |name: &str| std::fs::read_to_string(home.path().join(name)).unwrap();
    let row = |region: &str| {
        format!("\"AlmaLinux OS\",\"9.6.20250522\",\"{region}\",\"{}\",\"x86_64\"\n", ids[region])
    };
    assert_eq!(read("amis.csv"), row("eu-central-1") + &row("eu-west-1") + &row("us-east-1"));
    let id = &ids["eu-west-1"];
    assert!(read("amis.md").contains(&format!("\nAlmaLinux OS |9.6.20250522 |eu-west-1 |{id} |x86_64\n")));
    assert!(read("ids.json").contains(&format!("\"id\": \"{id}\"")));
    assert!(read("manifest.json").contains(&format!("eu-west-1:{id},us-east-1:{source}\"")));
    assert!(read("summary.md").contains(&format!("| `{id}` |")), "{}", read("summary.md"));

    // Once more: everything is there, and nothing is asked for that holds.
    let before = proxy.calls().len();
    run(again()).await.expect(0);
    let later = &proxy.calls()[before..];
    for action in ["CopyImage", "CreateTags", "ModifyImageAttribute", "ModifySnapshotAttribute"] {
        assert_eq!(actions(later, action).len(), 0, "{action}");
    }
}

/// EC2's memory of tokens, which moto lacks: a repeated request gets the first one's answer.
#[derive(Default, Clone)]
struct Tokens(Arc<Mutex<HashMap<String, String>>>);

impl Tokens {
    fn fate(&self, call: &Call) -> Option<Fate> {
        if call.action() != "CopyImage" {
            return None;
        }
        let token = call.parameter("ClientToken").expect("every copy has a token");
        if let Some(answer) = self.0.lock().unwrap().get(&token) {
            return Some(Fate::Answer(200, answer.clone()));
        }
        let tokens = Arc::clone(&self.0);
        Some(Fate::Change(Box::new(move |answer| {
            tokens.lock().unwrap().insert(token.clone(), answer.clone());
            answer
        })))
    }
}

#[tokio::test]
async fn a_copy_that_is_killed_anywhere_is_gone_on_with_and_made_once() {
    let moto = Moto::bare();
    let aws = session(&moto.url()).await;
    let tokens = Tokens::default();
    // The call at which everything freezes, and whether it froze.
    let (at, frozen) = (Arc::new(AtomicUsize::new(usize::MAX)), Arc::new(AtomicBool::new(false)));
    let proxy = {
        let (at, frozen, tokens, seen) =
            (Arc::clone(&at), Arc::clone(&frozen), tokens.clone(), Arc::new(AtomicUsize::new(0)));
        Proxy::start(moto.port(), move |call| {
            if at.load(Ordering::SeqCst) == usize::MAX {
                seen.store(0, Ordering::SeqCst);
            } else if seen.fetch_add(1, Ordering::SeqCst) >= at.load(Ordering::SeqCst) {
                frozen.store(true, Ordering::SeqCst);
                return Fate::Late(Duration::from_secs(3600));
            }
            tokens.fate(call).or_else(|| unknown_to_moto(call)).unwrap_or(Fate::Forward)
        })
        .await
    };
    for kill in [0, 2, 4, 5, 6, 8, 9, 11, 13, 16, 20] {
        let home = tempfile::tempdir().unwrap();
        let name = format!("killed-{kill}");
        let source = image(&aws, &name, TAGS).await;
        let command = || {
            goldsmith(
                home.path(),
                &proxy.url(),
                &["ami", "copy", &source, "--regions", "eu-west-1,eu-west-2", "--account", "123456789012"],
            )
        };
        at.store(kill, Ordering::SeqCst);
        let mut child = command()
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while !frozen.load(Ordering::SeqCst) && child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // What was under way beside it may end.
        tokio::time::sleep(Duration::from_millis(50)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        at.store(usize::MAX, Ordering::SeqCst);
        frozen.store(false, Ordering::SeqCst);
        run(command()).await.expect(0);
        for region in ["eu-west-1", "eu-west-2"] {
            let found = named(&moto.url(), region, &name).await;
            assert_eq!(found.len(), 1, "killed at call {kill}, {region}");
            assert!(found[0].tags().iter().any(|tag| tag.key() == Some("Version")), "killed at call {kill}");
            let audience = goldsmith::publish::ami::audience(&aws.at(region), found[0].image_id().unwrap())
                .await
                .unwrap();
            assert!(audience.accounts.contains("123456789012"), "killed at call {kill}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for_with_the_same_token() {
    let lost = AtomicBool::new(false);
    let proxy = Proxy::start(shared().port(), move |call| {
        if call.action() == "CopyImage" && !lost.swap(true, Ordering::SeqCst) {
            Fate::Cut
        } else {
            Fate::Forward
        }
    })
    .await;
    let (home, aws) = (tempfile::tempdir().unwrap(), session(&shared().url()).await);
    let source = image(&aws, "lost-answer", TAGS).await;
    run(goldsmith(home.path(), &proxy.url(), &["ami", "copy", &source, "--to", "eu-west-1"])).await.expect(0);
    let copies = actions(&proxy.calls(), "CopyImage");
    assert_eq!(copies.len(), 2);
    assert_eq!(copies[0].parameter("ClientToken"), copies[1].parameter("ClientToken"));
}

#[tokio::test]
async fn a_region_that_fails_spoils_no_other_and_the_same_command_goes_on() {
    let full = Arc::new(AtomicBool::new(true));
    let proxy = {
        let full = Arc::clone(&full);
        Proxy::start(shared().port(), move |call| {
            if call.action() == "CopyImage" && region(call) == "eu-west-2" && full.load(Ordering::SeqCst) {
                return refused(400, "ResourceLimitExceeded", "Too many snapshot copies in progress");
            }
            unknown_to_moto(call).unwrap_or(Fate::Forward)
        })
        .await
    };
    let (home, aws) = (tempfile::tempdir().unwrap(), session(&shared().url()).await);
    let source = image(&aws, "partly", TAGS).await;
    let arguments = ["ami", "copy", &source, "--to", "eu-west-1,eu-west-2", "--public", "--csv", "t.csv"];
    let summary = home.path().join("summary.md");
    let mut command = goldsmith(home.path(), &proxy.url(), &arguments);
    command.env("GITHUB_STEP_SUMMARY", &summary);
    let ended = run(command).await.expect(5);
    for part in
        ["partly: 1 of 3 regions are done", "CopyImage answered ResourceLimitExceeded", "a copy is missing"]
    {
        assert!(ended.out.contains(part), "no `{part}` in {}", ended.out);
    }
    assert!(
        ended.err.contains("the same command goes on with what is not done: `goldsmith ami copy ami-"),
        "{}",
        ended.err
    );
    let table = std::fs::read_to_string(home.path().join("t.csv")).unwrap();
    assert!(table.contains("eu-west-1") && !table.contains("eu-west-2"), "{table}");
    assert!(std::fs::read_to_string(summary).unwrap().contains("- eu-west-2: failed: could not copy"));
    assert!(!goldsmith::publish::ami::audience(&aws, &source).await.unwrap().public, "the source came first");
    full.store(false, Ordering::SeqCst);
    let ended = run(goldsmith(home.path(), &proxy.url(), &arguments)).await.expect(0);
    assert!(ended.out.contains("was there"), "{}", ended.out);
    assert!(goldsmith::publish::ami::audience(&aws, &source).await.unwrap().public);
    assert_eq!(named(&shared().url(), "eu-west-1", "partly").await.len(), 1);
}

#[tokio::test]
async fn public_access_that_is_blocked_is_told_before_anything_is_copied_and_lifted_on_request() {
    // eu-west-1 forbids both; what is taken away holds from the second look on.
    let looks = Arc::new(AtomicUsize::new(0));
    let lifted = Arc::new(AtomicBool::new(false));
    let refusing = Arc::new(AtomicBool::new(false));
    let proxy = {
        let (looks, lifted, refusing) = (Arc::clone(&looks), Arc::clone(&lifted), Arc::clone(&refusing));
        Proxy::start(shared().port(), move |call| {
            let action = call.action();
            if region(call) == "eu-west-1" {
                let free = lifted.load(Ordering::SeqCst) && looks.load(Ordering::SeqCst) > 1;
                let (images, snapshots) = if free { ("unblocked", "unblocked") } else { ("block-new-sharing", "block-all-sharing") };
                let inner = match action.as_str() {
                    "GetImageBlockPublicAccessState" => {
                        if lifted.load(Ordering::SeqCst) {
                            looks.fetch_add(1, Ordering::SeqCst);
                        }
                        format!("<imageBlockPublicAccessState>{images}</imageBlockPublicAccessState><managedBy>account</managedBy>")
                    }
                    "GetSnapshotBlockPublicAccessState" => format!("<state>{snapshots}</state><managedBy>account</managedBy>"),
                    "DisableImageBlockPublicAccess" => {
                        lifted.store(true, Ordering::SeqCst);
                        "<imageBlockPublicAccessState>unblocked</imageBlockPublicAccessState>".to_owned()
                    }
                    "DisableSnapshotBlockPublicAccess" => "<state>unblocked</state>".to_owned(),
                    "EnableImageBlockPublicAccess" if refusing.swap(false, Ordering::SeqCst) => {
                        return refused(403, "UnauthorizedOperation", "You are not authorized.");
                    }
                    "EnableImageBlockPublicAccess" => {
                        "<imageBlockPublicAccessState>block-new-sharing</imageBlockPublicAccessState>".to_owned()
                    }
                    "EnableSnapshotBlockPublicAccess" => "<state>block-new-sharing</state>".to_owned(),
                    _ => return Fate::Forward,
                };
                return ec2(&action, &inner);
            }
            unknown_to_moto(call).unwrap_or(Fate::Forward)
        })
        .await
    };
    let (home, aws) = (tempfile::tempdir().unwrap(), session(&shared().url()).await);
    let source = image(&aws, "blocked", TAGS).await;
    let arguments = ["ami", "copy", &source, "--to", "eu-west-1,eu-west-2", "--public"];
    let ended = run(goldsmith(home.path(), &proxy.url(), &arguments)).await.expect(2);
    assert!(ended.err.contains("block of public access forbids it in eu-west-1"), "{}", ended.err);
    assert!(ended.err.contains("--lift-public-access-block"), "{}", ended.err);
    assert_eq!(actions(&proxy.calls(), "CopyImage").len(), 0);

    let (folder, library) = (tempfile::tempdir().unwrap(), session(&proxy.url()).await);
    let (cx, _heard) = context(folder.path());
    let plan = CopyPlan {
        ami: source,
        to: Which::Only(BTreeSet::from(["eu-west-1".to_owned()])),
        audience: goldsmith::publish::ami::Audience { public: true, ..Default::default() },
        snapshots: true,
        lift: true,
        restore: true,
        patience: patience(Duration::from_secs(20)),
        ..CopyPlan::default()
    };
    let report = copy(&cx, &library, &plan).await.unwrap();
    assert!(report.is_done(), "{report:#?}");
    let calls = proxy.calls();
    botocore::check(&calls);
    let order: Vec<String> = calls
        .iter()
        .map(Call::action)
        .filter(|action| {
            action.contains("BlockPublicAccess") && !action.starts_with("Get") || action.starts_with("Modify")
        })
        .collect();
    assert_eq!(
        order,
        [
            "DisableImageBlockPublicAccess",
            "DisableSnapshotBlockPublicAccess",
            "ModifyImageAttribute",
            "ModifySnapshotAttribute",
            "EnableImageBlockPublicAccess",
            "EnableSnapshotBlockPublicAccess",
            // The source.
            "ModifyImageAttribute",
            "ModifySnapshotAttribute",
        ]
    );

    // What could not be forbidden again stays in the journal, and whoever undoes it later does it. Nothing else is owed.
    refusing.store(true, Ordering::SeqCst);
    lifted.store(false, Ordering::SeqCst);
    looks.store(0, Ordering::SeqCst);
    let report = copy(&cx, &library, &plan).await.unwrap();
    assert!(!report.is_done(), "{report:#?}");
    drop(cx);
    let (_journal, replay) = Journal::adopt(&folder.path().join("journal")).unwrap().unwrap();
    let mut owed = Vec::new();
    for (_, undo) in replay.owed {
        let Undo::Resource(resource) = undo else { continue };
        owed.push(resource.to_string());
        goldsmith::aws::remove_with(&library.at("eu-west-1"), &resource, &Stop::default()).await.unwrap();
    }
    assert_eq!(owed, ["aws public-leave `images`", "aws public-leave `snapshots`"]);
    let enabled = actions(&proxy.calls()[calls.len()..], "EnableImageBlockPublicAccess");
    assert_eq!(enabled.len(), 2, "refused, then undone");
    assert_eq!(region(&enabled[1]), "eu-west-1");
}

/// An answer about images in another state, with a reason.
fn in_state(state: &'static str) -> Fate {
    Fate::Change(Box::new(move |answer| {
        let reason =
            "<stateReason><code>Client.Why</code><message>the key is disabled</message></stateReason>";
        answer.replace(
            "<imageState>available</imageState>",
            &format!("<imageState>{state}</imageState>{reason}"),
        )
    }))
}

#[tokio::test]
async fn a_copy_that_takes_long_is_left_alone_and_one_that_fails_says_why() {
    let state = Arc::new(Mutex::new("pending"));
    let proxy = {
        let state = Arc::clone(&state);
        Proxy::start(shared().port(), move |call| {
            if call.action() == "DescribeImages" && region(call) == "eu-west-1" {
                in_state(*state.lock().unwrap())
            } else {
                Fate::Forward
            }
        })
        .await
    };
    let (folder, aws) = (tempfile::tempdir().unwrap(), session(&proxy.url()).await);
    let source = image(&aws, "slow", TAGS).await;
    let plan = CopyPlan {
        ami: source.clone(),
        to: Which::Only(BTreeSet::from(["eu-west-1".to_owned()])),
        deprecate: None,
        patience: patience(Duration::from_millis(400)),
        ..CopyPlan::default()
    };
    let (cx, heard) = context(folder.path());
    let report = copy(&cx, &aws, &plan).await.unwrap();
    let copied = &report.regions[1];
    assert_eq!((copied.state, copied.ami.is_some()), (CopyState::Pending, true), "{copied:#?}");
    assert!(heard.text().contains("pending: the key is disabled"), "{}", heard.text());

    *state.lock().unwrap() = "failed";
    let report = copy(&cx, &aws, &plan).await.unwrap();
    let copied = &report.regions[1];
    assert_eq!(copied.state, CopyState::Failed);
    assert!(copied.error.join(": ").contains("is failed: the key is disabled"), "{:?}", copied.error);
    assert!(copied.hint.as_ref().unwrap().contains("deregister-image --region eu-west-1"));

    // An interruption is no failure either.
    *state.lock().unwrap() = "pending";
    let plan = CopyPlan { patience: patience(Duration::from_secs(60)), ..plan };
    let stop = cx.stop().clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.cancel();
    });
    let report = copy(&cx, &aws, &plan).await.unwrap();
    assert_eq!((report.interrupted, report.regions[1].state), (true, CopyState::Pending));
    let calls = proxy.calls();
    assert_eq!(actions(&calls, "CopyImage").len(), 1, "it was found by its name");
    for action in ["DeregisterImage", "DeleteSnapshot"] {
        assert_eq!(actions(&calls, action).len(), 0, "{action}");
    }
}

#[tokio::test]
async fn a_copy_that_was_deregistered_is_made_anew_with_another_token() {
    let tokens = Tokens::default();
    // EC2 answers that a deregistered image was there; moto has an empty list for it.
    let gone: Arc<Mutex<Option<String>>> = Arc::default();
    let proxy = {
        let (tokens, gone) = (tokens.clone(), Arc::clone(&gone));
        Proxy::start(shared().port(), move |call| {
            let gone = gone.lock().unwrap();
            if call.action() == "DescribeImages" && gone.is_some() && call.parameter("ImageId.1") == *gone {
                return refused(400, "InvalidAMIID.Unavailable", "The image ID is no longer available");
            }
            tokens.fate(call).unwrap_or(Fate::Forward)
        })
        .await
    };
    let (home, aws) = (tempfile::tempdir().unwrap(), session(&shared().url()).await);
    let source = image(&aws, "made-anew", TAGS).await;
    let command = || goldsmith(home.path(), &proxy.url(), &["ami", "copy", &source, "--to", "eu-west-1"]);
    run(command()).await.expect(0);
    let first = named(&shared().url(), "eu-west-1", "made-anew").await[0].image_id().unwrap().to_owned();
    aws.at("eu-west-1").ec2().deregister_image().image_id(&first).send().await.unwrap();
    *gone.lock().unwrap() = Some(first.clone());
    run(command()).await.expect(0);
    let second = named(&shared().url(), "eu-west-1", "made-anew").await;
    assert_eq!(second.len(), 1);
    assert_ne!(second[0].image_id(), Some(first.as_str()));
    let copies = actions(&proxy.calls(), "CopyImage");
    assert_eq!(copies.len(), 3, "the first, its token's answer, another one's");
}

#[tokio::test]
async fn what_cannot_be_is_told_before_anything_is_copied() {
    let proxy = Proxy::start(shared().port(), |call| unknown_to_moto(call).unwrap_or(Fate::Forward)).await;
    let (home, aws) = (tempfile::tempdir().unwrap(), session(&shared().url()).await);
    let source = image(&aws, "refused", TAGS).await;
    let stranger =
        image(&aws.at("eu-west-1"), "refused", &[("goldsmith:source", "us-east-1:ami-other")]).await;
    let try_it = async |more: &[&str]| {
        let arguments = [&["ami", "copy", source.as_str()], more].concat();
        run(goldsmith(home.path(), &proxy.url(), &arguments)).await
    };
    for (more, code, part) in [
        (&["--to", "eu-wst-1"][..], 2, "did you mean `eu-west-1`?"),
        (&["--to", "me-central-1"], 2, "aws account enable-region --region-name me-central-1"),
        (&["--to", "eu-west-1", "--account", "12"], 2, "an account is twelve digits"),
        (&["--to", "eu-west-1", "--public", "--encrypt"], 2, "private"),
        (&["--to", "eu-west-1", "--kms", "eu-west-2=alias/a"], 2, "no copy goes there"),
        (&["--to", "eu-west-1", "--csv", "nowhere/t.csv"], 2, "its folder must exist"),
        (&["--to", "eu-west-1", "--deprecate-at", "2001-01-01"], 2, "is over"),
        (&["--to", "eu-west-1", "--region", "eu-west-2"], 1, "AMIs belong to one region"),
    ] {
        let ended = try_it(more).await.expect(code);
        assert!(ended.err.contains(part), "no `{part}` in {}", ended.err);
    }
    assert_eq!(actions(&proxy.calls(), "CopyImage").len(), 0);
    // Another image has the name.
    let ended = try_it(&["--to", "eu-west-1"]).await.expect(5);
    assert!(
        ended
            .out
            .contains(&format!("`{stranger}` has the name `refused` there and is a copy of `ami-other`")),
        "{}",
        ended.out
    );
    assert_eq!(actions(&proxy.calls(), "CopyImage").len(), 0);
}

#[tokio::test]
async fn keys_go_to_their_regions_only() {
    let proxy = Proxy::start(shared().port(), |_| Fate::Forward).await;
    let (home, aws) = (tempfile::tempdir().unwrap(), session(&shared().url()).await);
    let source = image(&aws, "encrypted", TAGS).await;
    let arguments =
        ["ami", "copy", &source, "--to", "eu-west-1,eu-west-2", "--kms", "eu-west-1=alias/images"];
    run(goldsmith(home.path(), &proxy.url(), &arguments)).await.expect(0);
    let calls = proxy.calls();
    botocore::check(&calls);
    for call in actions(&calls, "CopyImage") {
        let key = (region(&call) == "eu-west-1").then(|| "alias/images".to_owned());
        assert_eq!(call.parameter("KmsKeyId"), key);
        assert_eq!(call.parameter("Encrypted"), key.map(|_| "true".to_owned()));
    }

    // What is there without encryption does not pass for what is asked for now.
    let arguments = ["ami", "copy", &source, "--to", "eu-west-2", "--kms", "eu-west-2=alias/images"];
    let ended = run(goldsmith(home.path(), &proxy.url(), &arguments)).await.expect(5);
    assert!(ended.err.contains("is not encrypted"), "{}", ended.err);
    assert_eq!(actions(&proxy.calls(), "CopyImage").len(), 2);
}

#[tokio::test]
async fn a_webhook_hears_of_it_and_nobody_hears_its_address() {
    let deaf = Arc::new(AtomicBool::new(false));
    let hook = {
        let deaf = Arc::clone(&deaf);
        Proxy::start(1, move |_| {
            Fate::Answer(if deaf.load(Ordering::SeqCst) { 500 } else { 200 }, "ok".to_owned())
        })
        .await
    };
    let (home, aws) = (tempfile::tempdir().unwrap(), session(&shared().url()).await);
    let source = image(&aws, "told", TAGS).await;
    let address = format!("{}/hooks/s3cr3t-address", hook.url());
    std::fs::write(home.path().join("hook"), format!("{address}\n")).unwrap();
    let arguments = |more: &[&str]| {
        [&["ami", "copy", &source, "--to", "eu-west-1", "-v"], more]
            .concat()
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let with = |words: &[String]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        goldsmith(home.path(), &shared().url(), &words)
    };
    let silent = |ended: &super::fleet::Ended| {
        assert!(!ended.out.contains("s3cr3t") && !ended.err.contains("s3cr3t"), "{}{}", ended.out, ended.err);
    };
    silent(&run(with(&arguments(&["--webhook", &address]))).await.expect(0));
    silent(&run(with(&arguments(&["--webhook-file", "hook"]))).await.expect(0));
    deaf.store(true, Ordering::SeqCst);
    let mut command = with(&arguments(&[]));
    command.env("GOLDSMITH_WEBHOOK", &address);
    let ended = run(command).await.expect(0);
    assert!(ended.err.contains("could not tell the webhook: the server answered HTTP 500"), "{}", ended.err);
    silent(&ended);
    drop(hook.calls());
    // Nobody listens there any more, and an address that is none.
    let gone = address.replace("/hooks", ":x/hooks");
    let ended = run(with(&arguments(&["--webhook", &gone]))).await.expect(0);
    assert!(ended.err.contains("the address is none of http or https"), "{}", ended.err);
    silent(&ended);
    let calls = hook.calls();
    assert_eq!(calls.len(), 3);
    let body: serde_json::Value = serde_json::from_slice(&calls[0].body).unwrap();
    let text = body["text"].as_str().unwrap();
    assert!(
        text.starts_with(":white_check_mark: told: 2 of 2 regions are done\n- us-east-1: `ami-"),
        "{text}"
    );
    let logs = std::process::Command::new("grep")
        .args(["-rl", "s3cr3t"])
        .arg(home.path().join("state"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&logs.stdout), "");
}
