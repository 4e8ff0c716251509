//! The driver for EC2 against moto: an AMI is what remains of a build, and nothing of one that fails.
use super::{
    ec2_world::{AMI, build, context, definition, left, moto, plan, proxy, without_second_specification},
    moto::session,
    proxy::{Call, Fate},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use goldsmith::{
    aws::Aws,
    build::KEPT_STAGES,
    driver::{
        Hypervisor,
        ec2::{self, Ec2},
    },
    plan::{AmiFilter, AmiSourcePlan, Ec2Plan, SourcePlan},
    value::Arch,
};
use std::collections::BTreeMap;

/// What EC2 says when it refuses.
fn refusal(code: &str) -> Fate {
    Fate::Answer(
        400,
        format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>not now</Message></Error></Errors><RequestID>r</RequestID></Response>"
        ),
    )
}

/// The parameters of a call whose names begin like this, without it.
fn parameters(call: &Call, prefix: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(&call.body)
        .filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.into_owned())))
        .collect()
}

fn tell(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", tell(source)))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_becomes_an_ami_and_all_else_goes() {
    let proxy = proxy(|_| None).await;
    let text = definition(
        "ec2-whole",
        "instance-types = [\"t3.micro\"]\nssh-port = 2222\nroot = { size = \"20GiB\", type = \"gp3\" }\nassociate-public-ip = true\n\
         tags = { team = \"images\" }",
        "ami.name = \"whole 1\"\nami.description = \"of a test\"",
    );
    let built = build(&proxy, plan(&text), true).await;
    let id = built.outcome.id.to_string();
    let stages: Vec<&str> = built.outcome.stages.iter().map(|stage| stage.stage.as_str()).collect();
    assert_eq!(stages, KEPT_STAGES);
    let made = built.outcome.result.unwrap_or_else(|(stage, error)| panic!("{stage}: {:?}", error.chain()));
    assert!(built.outcome.unwound.leftovers.is_empty(), "{:?}", built.outcome.unwound);
    let [ami] = made.amis.as_slice() else { panic!("{made:?}") };
    assert_eq!((ami.ami.name.as_str(), ami.ami.region.as_str()), ("whole 1", "us-east-1"));
    assert_eq!(left(&id).await, [ami.ami.id.as_str()], "only the image is left");
    assert_eq!(ami.verified[0].checks.len(), 3, "{ami:?}");
    // Twice: to build, and to prove.
    assert_eq!(built.seen, ["127.0.0.1:2222".parse().unwrap(); 2]);

    let calls = proxy.calls();
    let of = |action: &str| -> Vec<&Call> { calls.iter().filter(|call| call.action() == action).collect() };
    let [first, second] = of("RunInstances")[..] else { panic!("{:?}", of("RunInstances")) };
    let said = parameters(first, "");
    for (key, value) in [
        ("ImageId", AMI),
        ("InstanceType", "t3.micro"),
        ("ClientToken", format!("{id}-build-0").as_str()),
        ("KeyName", format!("goldsmith-{id}-build").as_str()),
        ("InstanceInitiatedShutdownBehavior", "stop"),
        ("MetadataOptions.HttpTokens", "required"),
        ("MetadataOptions.HttpPutResponseHopLimit", "1"),
        ("NetworkInterface.1.AssociatePublicIpAddress", "true"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/sda1"),
        ("BlockDeviceMapping.1.Ebs.VolumeSize", "20"),
        ("BlockDeviceMapping.1.Ebs.VolumeType", "gp3"),
        ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true"),
        ("TagSpecification.1.ResourceType", "instance"),
        ("TagSpecification.2.ResourceType", "volume"),
        ("TagSpecification.3.ResourceType", "network-interface"),
    ] {
        assert_eq!(said.get(key).map(String::as_str), Some(value), "{key} in {said:#?}");
    }
    let tags: Vec<(&str, &str)> = (1..=4)
        .map(|n| {
            let part = |part: &str| said[&format!("TagSpecification.1.Tag.{n}.{part}")].as_str();
            (part("Key"), part("Value"))
        })
        .collect();
    assert_eq!(
        tags,
        [
            ("goldsmith:build", id.as_str()),
            ("goldsmith:image", "ec2-whole"),
            ("goldsmith:role", "build"),
            ("team", "images")
        ]
    );
    let user_data = |call: &Call| {
        String::from_utf8(STANDARD.decode(call.parameter("UserData").unwrap()).unwrap()).unwrap()
    };
    assert!(user_data(first).starts_with("#cloud-config\n"));
    assert!(
        user_data(first).contains("name: \"goldsmith\"")
            && user_data(second).contains("name: \"goldsmith-proof\"")
    );
    let [rule, _] = of("AuthorizeSecurityGroupIngress")[..] else { panic!() };
    let rule = parameters(rule, "IpPermissions.1.");
    assert_eq!((rule["FromPort"].as_str(), rule["IpRanges.1.CidrIp"].as_str()), ("2222", "192.0.2.1/32"));
    let [image] = of("CreateImage")[..] else { panic!() };
    let image = parameters(image, "");
    assert_eq!((image["Name"].as_str(), image["NoReboot"].as_str()), ("whole 1", "true"));
    assert_eq!(image["TagSpecification.2.ResourceType"], "snapshot");
    let [rule] = of("ModifyImageAttribute")[..] else { panic!() };
    assert_eq!(rule.parameter("ImdsSupport.Value").as_deref(), Some("v2.0"));
    assert_eq!(
        second.parameter("ImageId").as_deref(),
        Some(ami.ami.id.as_str()),
        "the proof starts from the image"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_cannot_be_had_gives_way_to_the_next() {
    let proxy = proxy(|call| {
        let scarce = call.action() == "RunInstances"
            && call.parameter("InstanceType").is_some_and(|kind| kind == "m5.large");
        scarce.then(|| refusal("InsufficientInstanceCapacity"))
    })
    .await;
    let text = definition("ec2-scarce", "instance-types = [\"m5.large\", \"t3.micro\"]", "");
    let built = build(&proxy, plan(&text), true).await;
    let id = built.outcome.id.to_string();
    let made = built.outcome.result.unwrap_or_else(|(stage, error)| panic!("{stage}: {:?}", error.chain()));
    assert_eq!(left(&id).await, [made.amis[0].ami.id.as_str()]);
    let tokens: Vec<String> = proxy
        .calls()
        .iter()
        .filter(|call| call.action() == "RunInstances")
        .filter_map(|call| call.parameter("ClientToken"))
        .collect();
    let expected = ["build-0", "build-1", "proof-0", "proof-1"].map(|token| format!("{id}-{token}"));
    assert_eq!(tokens, expected, "another type is another call");

    let none = definition("ec2-none", "instance-types = [\"m5.large\"]", "");
    let built = build(&proxy, plan(&none), true).await;
    let (stage, error) = built.outcome.result.expect_err("there is no such instance");
    assert_eq!(stage, "create");
    let text = error.chain().join(": ");
    assert!(
        text.contains("launch an instance of type m5.large") && text.contains("InsufficientInstanceCapacity"),
        "{text}"
    );
    assert!(error.hints().iter().any(|hint| hint.contains("instance-types")), "{:?}", error.hints());
    assert_eq!(left(built.outcome.id.as_str()).await, [""; 0]);
}

/// Which calls make something, or decide about it.
const CALLS: [(&str, &str); 8] = [
    ("ImportKeyPair", "create"),
    ("CreateSecurityGroup", "create"),
    ("AuthorizeSecurityGroupIngress", "create"),
    ("RunInstances", "create"),
    ("StopInstances", "shut-down"),
    ("CreateImage", "image"),
    ("ModifyImageAttribute", "image"),
    ("TerminateInstances", "image"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_call_that_fails_is_undone_whether_it_was_refused_or_not_heard_of() {
    let mut cases = Vec::new();
    for (action, stage) in CALLS {
        for heard in [true, false] {
            if (action, heard) == ("ModifyImageAttribute", false) {
                // There is nothing to hear.
                continue;
            }
            cases.push(async move {
                let case = format!("{action} {}", if heard { "refused" } else { "without an answer" });
                // Only the first: what is undone later must work.
                let first = std::sync::atomic::AtomicBool::new(true);
                let proxy = proxy(move |call| {
                    let hit =
                        call.action() == action && first.swap(false, std::sync::atomic::Ordering::Relaxed);
                    match (hit, heard) {
                        (false, _) => None,
                        (true, true) => Some(refusal("UnauthorizedOperation")),
                        (true, false) if action == "CreateImage" => {
                            Some(Fate::Rewrite(without_second_specification(&call.body), false))
                        }
                        // moto has done it, and what it says does not get through.
                        (true, false) => Some(Fate::Change(Box::new(|_| "<!-- lost".to_owned()))),
                    }
                })
                .await;
                let name = format!("ec2-{}-{heard}", action.to_lowercase());
                let built = build(&proxy, plan(&definition(&name, "", "")), true).await;
                let (at, error) = built.outcome.result.expect_err(&case);
                assert_eq!(at, stage, "{case}: {:?}", error.chain());
                let text = error.chain().join(": ");
                assert!(text.contains(action), "{case}: {text}");
                assert!(built.outcome.unwound.leftovers.is_empty(), "{case}: {:?}", built.outcome.unwound);
                assert_eq!(left(built.outcome.id.as_str()).await, [""; 0], "{case}");
            });
        }
    }
    futures_util::future::join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_dies_and_an_image_that_fails_say_why() {
    let dies = proxy(|call| {
        (call.action() == "DescribeInstances").then(|| {
            Fate::Change(Box::new(|text| {
                text.replace("<name>running</name>", "<name>terminated</name>")
                    .replace("<stateReason>", "<stateReason><x/>")
                    .replace("</instanceState>", "</instanceState><stateReason><code>Client.VolumeLimitExceeded</code><message>Client.VolumeLimitExceeded: Volume limit exceeded</message></stateReason>")
            }))
        })
    })
    .await;
    let built = build(&dies, plan(&definition("ec2-dies", "", "")), true).await;
    let (stage, error) = built.outcome.result.expect_err("it died");
    let text = error.chain().join(": ");
    assert_eq!(stage, "power-on", "{text}");
    assert!(
        text.contains("the instance is terminated (Client.VolumeLimitExceeded: Volume limit exceeded"),
        "{text}"
    );

    let fails = proxy(|call| match call.action().as_str() {
        "DescribeImages" if call.parameter("ImageId.1").is_some_and(|id| id != AMI) => {
            Some(Fate::Change(Box::new(|text| {
                text.replace("<imageState>available</imageState>", "<imageState>failed</imageState><stateReason><code>Server.InternalError</code><message>the disk is odd</message></stateReason>")
            })))
        }
        _ => None,
    })
    .await;
    let built = build(&fails, plan(&definition("ec2-fails", "", "")), true).await;
    let (stage, error) = built.outcome.result.expect_err("it failed");
    let text = error.chain().join(": ");
    assert_eq!(stage, "image", "{text}");
    assert!(text.contains("the AMI is failed (the disk is odd)"), "{text}");
    assert_eq!(left(built.outcome.id.as_str()).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_surrogate_volume_becomes_the_root_of_the_ami() {
    let proxy = proxy(|_| None).await;
    let text = definition(
        "ec2-surrogate",
        "surrogate = { device = \"/dev/sdb\", volume = { size = \"5GiB\", type = \"gp3\" } }",
        "ami.name = \"surrogate 1\"\nami.boot-mode = \"uefi-preferred\"\nami.volume-size = \"10GiB\"\nami.sriov = true",
    );
    let built = build(&proxy, plan(&text), true).await;
    let id = built.outcome.id.to_string();
    let made = built.outcome.result.unwrap_or_else(|(stage, error)| panic!("{stage}: {:?}", error.chain()));
    // moto tags no image that is registered, and makes it another snapshot.
    let [snapshot] = left(&id).await.try_into().unwrap();
    let image =
        session(&moto().url()).await.ec2().describe_images().image_ids(&made.amis[0].ami.id).send().await;
    assert_eq!(image.unwrap().images()[0].name(), Some("surrogate 1"));
    let calls = proxy.calls();
    let of = |action: &str| -> Vec<&Call> { calls.iter().filter(|call| call.action() == action).collect() };
    let [first, second] = of("RunInstances")[..] else { panic!() };
    assert_eq!(first.parameter("BlockDeviceMapping.1.DeviceName").as_deref(), Some("/dev/sdb"));
    assert_eq!(first.parameter("BlockDeviceMapping.1.Ebs.VolumeSize").as_deref(), Some("5"));
    assert_eq!(second.parameter("BlockDeviceMapping.1.DeviceName"), None, "the proof has no second volume");
    let [register] = of("RegisterImage")[..] else { panic!() };
    let said = parameters(register, "");
    for (key, value) in [
        ("RootDeviceName", "/dev/sda1"),
        ("BootMode", "uefi-preferred"),
        ("ImdsSupport", "v2.0"),
        ("EnaSupport", "true"),
        ("SriovNetSupport", "simple"),
        ("VirtualizationType", "hvm"),
        ("Architecture", "x86_64"),
        ("BlockDeviceMapping.1.Ebs.VolumeSize", "10"),
        ("BlockDeviceMapping.1.Ebs.SnapshotId", snapshot.as_str()),
        ("TagSpecification.1.ResourceType", "image"),
    ] {
        assert_eq!(said.get(key).map(String::as_str), Some(value), "{key} in {said:#?}");
    }
}

#[tokio::test]
async fn an_ami_is_found_by_what_is_known_about_it() {
    let aws: Aws = session(&moto().url()).await;
    let hypervisor = Ec2::new(aws.clone(), Ec2Plan::plain(Arch::X86_64));
    let root = tempfile::tempdir().unwrap();
    let found = async |source: AmiSourcePlan| {
        let cx = context(root.path());
        hypervisor.find_image(&cx, &SourcePlan::Ami(source.clone()), Arch::X86_64).await.map_err(|error| {
            let hint = error.hint_text().unwrap_or_default().to_owned();
            (tell(&error), hint)
        })
    };
    let named = |name: &str, most_recent| {
        AmiSourcePlan::Found(AmiFilter {
            filters: BTreeMap::from([("name".to_owned(), vec![name.to_owned()])]),
            owners: vec!["099720109477".to_owned()],
            most_recent,
        })
    };
    assert_eq!(found(AmiSourcePlan::Id(AMI.into())).await.unwrap().id, AMI);
    assert_eq!(found(named("ubuntu/images/*trusty*amd64*", false)).await.unwrap().id, AMI);
    let newest = found(named("ubuntu/images/*amd64*", true)).await.unwrap();
    assert!(newest.name.starts_with("ubuntu/images/"), "{newest:?}");
    let (several, hint) = found(named("ubuntu/images/*amd64*", false)).await.unwrap_err();
    assert!(
        several.contains("find an AMI with name `ubuntu/images/*amd64*`, owner 099720109477 in us-east-1"),
        "{several}"
    );
    assert!(
        several.contains("there are 2, such as ubuntu/images/") && hint.contains("most-recent"),
        "{several} {hint}"
    );
    let (none, _) = found(named("flatcar*", true)).await.unwrap_err();
    assert!(none.contains("there is none for x86_64"), "{none}");
    let (gone, hint) = found(AmiSourcePlan::Id("ami-00000000000000000".into())).await.unwrap_err();
    assert!(
        gone.contains("ami-00000000000000000") && hint.contains("another id in each region"),
        "{gone} {hint}"
    );

    let latest = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
    aws.ssm().put_parameter().name("/ec2/ours").value(AMI).r#type("String".into()).send().await.unwrap();
    aws.ssm().put_parameter().name("/ec2/odd").value("none").r#type("String".into()).send().await.unwrap();
    assert_eq!(found(AmiSourcePlan::Ssm("/ec2/ours".into())).await.unwrap().id, AMI);
    let (odd, _) = found(AmiSourcePlan::Ssm("/ec2/odd".into())).await.unwrap_err();
    assert!(odd.contains("holds `none`, which is not the id of an AMI"), "{odd}");
    let (missing, hint) = found(AmiSourcePlan::Ssm("/ec2/missing".into())).await.unwrap_err();
    assert!(missing.contains("ParameterNotFound") && hint.contains("--path /ec2"), "{missing} {hint}");
    // moto has Amazon's own parameters; whether the AMI is among its images is another question.
    let public = found(AmiSourcePlan::Ssm(latest.into())).await;
    assert!(!matches!(&public, Err((text, _)) if text.contains("GetParameter")), "{public:?}");
    assert_eq!(ec2::architecture_of(&aws, AMI).await.unwrap(), Arch::X86_64);
}

#[tokio::test]
async fn types_that_do_not_fit_are_told_before_anything_is_made() {
    let aws = session(&moto().url()).await;
    for (kind, arch, expected) in
        [("t9.huge", Arch::X86_64, "InvalidInstanceType"), ("t4g.small", Arch::X86_64, "it executes arm64")]
    {
        let plan = Ec2Plan { instance_types: vec![kind.to_owned()], ..Ec2Plan::plain(arch) };
        let proxy = proxy(|_| None).await;
        let mut whole = super::ec2_world::plan(&definition("ec2-types", "", ""));
        whole.machine.ec2 = Some(Box::new(plan));
        let built = build(&proxy, whole, true).await;
        let (stage, error) = built.outcome.result.expect_err(kind);
        assert_eq!(stage, "preflight");
        let text = error.chain().join(": ");
        assert!(text.contains(kind) && text.contains(expected), "{text}");
        let made = proxy.calls().iter().any(|call| !call.action().starts_with("Describe"));
        assert!(!made, "nothing was made for {kind}");
    }
    drop(aws);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_by_our_own_first_attempt_is_no_error() {
    // moto knows no names that are taken: the second attempt is answered as Amazon does.
    let attempts = std::sync::atomic::AtomicUsize::new(0);
    let lost = proxy(move |call| {
        if call.action() != "CreateImage" {
            return None;
        }
        match attempts.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Some(Fate::RewriteLost(without_second_specification(&call.body))),
            _ => Some(refusal("InvalidAMIName.Duplicate")),
        }
    })
    .await;
    let built = build(&lost, plan(&definition("ec2-twice", "", "")), true).await;
    let made = built.outcome.result.unwrap_or_else(|(stage, error)| panic!("{stage}: {:?}", error.chain()));
    assert_eq!(left(built.outcome.id.as_str()).await, [made.amis[0].ami.id.as_str()]);

    let taken =
        proxy(|call| (call.action() == "CreateImage").then(|| refusal("InvalidAMIName.Duplicate"))).await;
    let built = build(&taken, plan(&definition("ec2-taken", "", "")), true).await;
    let (_, error) = built.outcome.result.expect_err("somebody else's");
    assert!(
        error.hints().iter().any(|hint| hint.contains("give this one another `ami.name`")),
        "{:?}",
        error.hints()
    );
    assert_eq!(left(built.outcome.id.as_str()).await, [""; 0]);
}
