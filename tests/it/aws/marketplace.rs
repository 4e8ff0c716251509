//! `goldsmith marketplace release`. moto has no catalogue, so the proxy plays it with answers in the shapes of the model; what is sent
//! is held against botocore's model of the service. EC2 is moto's.
use super::{
    botocore,
    moto::{Moto, isolate},
    proxy::{Call, Fate, Proxy},
};
use assert_cmd::Command;
use serde_json::{Value, json};
use std::{fmt::Write as _, path::Path};

const PRODUCT: &str = "prod-cvyxsvsdzfjx4";
const PRODUCTS: &str = r#"
dev-product = "prod-t4oyq2p42jn2u"

[defaults]
access-role = "arn:aws:iam::764336703387:role/alma-images-marketplace-role"
user = "ec2-user"

[[product]]
id = "prod-cvyxsvsdzfjx4"
os = "AlmaLinux OS 10"
arch = "x86_64"

[[product]]
id = "prod-qgpr5bqxuzt5i"
os = "AlmaLinux OS 10"
arch = "arm64"
"#;

/// A moto of our own with an AMI in us-east-1: its id.
async fn ami(moto: &Moto) -> String {
    let ec2 = super::moto::session(&moto.url()).await.ec2();
    let tag = |key: &str, value: &str| aws_sdk_ec2::types::Tag::builder().key(key).value(value).build();
    let made = ec2
        .register_image()
        .name("AlmaLinux OS 10.0.20260522.0 x86_64")
        .architecture("x86_64".into())
        .root_device_name("/dev/sda1")
        .send()
        .await
        .unwrap();
    let id = made.image_id().unwrap().to_owned();
    ec2.create_tags().resources(&id).tags(tag("Version", "10.0.20260522.0")).send().await.unwrap();
    id
}

/// What moto says about images, with the architecture that it does not keep.
fn with_architecture(call: &Call) -> Fate {
    if call.action() != "DescribeImages" {
        return Fate::Forward;
    }
    Fate::Change(Box::new(|text| {
        text.replace("<architecture/>", "")
            .replace("<imageState>", "<architecture>x86_64</architecture><imageState>")
    }))
}

fn is(call: &Call, operation: &str) -> bool {
    call.path.starts_with(&format!("/{operation}"))
}

fn product(versions: &Value) -> String {
    let details = json!({ "Versions": versions, "Description": { "ProductTitle": "AlmaLinux OS 10" } });
    json!({ "EntityType": "AmiProduct@1.0", "EntityIdentifier": format!("{PRODUCT}@3"), "Details": details.to_string() })
        .to_string()
}

/// Versions of a product that recommend `kind` for x86_64.
fn recommending(kind: &str) -> Value {
    json!([{
        "Id": "v1", "CreationDate": "2026-01-01T00:00:00Z",
        "Sources": [{ "Id": "s1", "Type": "AmazonMachineImage", "Architecture": "x86_64" }],
        "DeliveryOptions": [{ "Id": "d1", "SourceId": "s1", "Recommendations": { "InstanceType": kind } }],
    }])
}

fn status(status: &str) -> String {
    json!({ "ChangeSetId": "cs-1", "Status": status, "EndTime": "2026-05-23T10:00:00Z", "ChangeSet": [] })
        .to_string()
}

const STARTED: &str = r#"{"ChangeSetId": "cs-1", "ChangeSetArn": "arn:aws:aws-marketplace:us-east-1:1:AWSMarketplace/ChangeSet/cs-1"}"#;

/// The command, with its folders in `home`.
fn goldsmith(home: &Path, proxy: &Proxy, ami: &str, more: &[&str]) -> Command {
    let products = home.join("products.toml");
    std::fs::write(&products, PRODUCTS).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    isolate(&mut command)
        .env("GOLDSMITH_STATE_DIR", home.join("state"))
        .env("GOLDSMITH_CACHE_DIR", home.join("cache"))
        .args(["marketplace", "release", ami, "--endpoint-url", &proxy.url(), "--products"])
        .arg(&products)
        .args(more);
    Command::from_std(command)
}

/// Runs a command on a thread of its own: the proxy is on this one's runtime.
async fn run(mut command: Command) -> std::process::Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn sent(calls: &[Call]) -> Value {
    let call = calls.iter().find(|call| is(call, "StartChangeSet")).expect("a change set was sent");
    serde_json::from_slice(&call.body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_sent_as_the_catalogue_wants_it_and_followed_to_its_end() {
    let moto = Moto::bare();
    let ami = ami(&moto).await;
    let proxy = Proxy::start(moto.port(), |call| {
        if is(call, "DescribeEntity") {
            Fate::Answer(200, product(&recommending("m7i.large")))
        } else if is(call, "StartChangeSet") {
            Fate::Answer(200, STARTED.to_owned())
        } else if is(call, "DescribeChangeSet") {
            Fate::Answer(200, status("SUCCEEDED"))
        } else {
            with_architecture(call)
        }
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let output = run(goldsmith(home.path(), &proxy, &ami, &["--public-product", "--json"])).await;
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("\"change-set\": \"cs-1\""), "{out}");
    let names = botocore::check(&proxy.calls());
    assert_eq!(
        names,
        [
            "ec2:DescribeImages",
            "marketplace-catalog:DescribeEntity",
            "marketplace-catalog:StartChangeSet",
            "marketplace-catalog:DescribeChangeSet",
        ]
    );
    let sent = sent(&proxy.calls());
    assert_eq!(sent["Catalog"], "AWSMarketplace");
    assert_eq!(sent["ChangeSetName"], "Release AlmaLinux OS 10.0.20260522.0 x86_64");
    let change = &sent["ChangeSet"][0];
    assert_eq!(change["ChangeType"], "AddDeliveryOptions");
    assert_eq!(change["Entity"], json!({ "Type": "AmiProduct@1.0", "Identifier": PRODUCT }));
    let details: Value = serde_json::from_str(change["Details"].as_str().unwrap()).unwrap();
    let expected = json!({
        "Version": { "VersionTitle": "10.0.20260522.0", "ReleaseNotes": "AlmaLinux OS 10.0.20260522.0 x86_64 release." },
        "DeliveryOptions": [{ "Details": { "AmiDeliveryOptionDetails": {
            "AmiSource": {
                "AmiId": ami,
                "AccessRoleArn": "arn:aws:iam::764336703387:role/alma-images-marketplace-role",
                "UserName": "ec2-user",
                "OperatingSystemName": "OTHERLINUX",
                "OperatingSystemVersion": "10.0",
            },
            "UsageInstructions": "Launch the instance, then log in by SSH with your key pair as the user ec2-user.",
            "RecommendedInstanceType": "m7i.large",
            "SecurityGroups": [{ "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ["0.0.0.0/0"] }],
        } } }],
    });
    assert_eq!(details, expected);

    // The same again is the same request, so that the catalogue answers with the same change set.
    let again = run(goldsmith(home.path(), &proxy, &ami, &["--public-product"])).await;
    assert!(again.status.success());
    assert_eq!(String::from_utf8_lossy(&again.stdout), "cs-1\n");
    let calls = proxy.calls();
    let tokens: Vec<Value> = calls
        .iter()
        .filter(|call| is(call, "StartChangeSet"))
        .map(|call| serde_json::from_slice::<Value>(&call.body).unwrap()["ClientRequestToken"].clone())
        .collect();
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0], tokens[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_more_words_it_goes_to_the_product_for_tries_and_a_dry_run_sends_nothing() {
    let moto = Moto::bare();
    let ami = ami(&moto).await;
    let proxy = Proxy::start(moto.port(), |call| {
        if is(call, "DescribeEntity") {
            Fate::Answer(200, product(&json!([])))
        } else {
            with_architecture(call)
        }
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let output = run(goldsmith(home.path(), &proxy, &ami, &["--dry-run"])).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let set: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(set[0]["Entity"]["Identifier"], "prod-t4oyq2p42jn2u");
    assert!(set[0]["Details"].as_str().unwrap().contains(r#""RecommendedInstanceType":"t3.small""#), "{set}");
    let calls = proxy.calls();
    assert!(!calls.iter().any(|call| is(call, "StartChangeSet")));
    assert_eq!(botocore::check(&calls), ["ec2:DescribeImages", "marketplace-catalog:DescribeEntity"]);
    assert!(calls[1].path.contains("entityId=prod-t4oyq2p42jn2u"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_wrong_with_each_change_is_told() {
    let moto = Moto::bare();
    let ami = ami(&moto).await;
    let failed = json!({
        "ChangeSetId": "cs-1", "Status": "FAILED", "FailureCode": "CLIENT_ERROR",
        "FailureDescription": "The change set is wrong.",
        "ChangeSet": [{
            "ChangeType": "AddDeliveryOptions",
            "Entity": { "Type": "AmiProduct@1.0", "Identifier": PRODUCT },
            "Details": "{}",
            "ErrorDetailList": [
                { "ErrorCode": "INCOMPATIBLE_AMI", "ErrorMessage": "Passwords may be used." },
                { "ErrorCode": "INVALID_ARN", "ErrorMessage": "The role cannot be assumed." },
            ],
        }],
    });
    let failed = failed.to_string();
    let proxy = Proxy::start(moto.port(), move |call| {
        if is(call, "DescribeEntity") {
            Fate::Answer(200, product(&json!([])))
        } else if is(call, "StartChangeSet") {
            Fate::Answer(200, STARTED.to_owned())
        } else if is(call, "DescribeChangeSet") {
            Fate::Answer(200, failed.clone())
        } else {
            with_architecture(call)
        }
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let output = run(goldsmith(home.path(), &proxy, &ami, &[])).await;
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{err}");
    for part in [
        "could not release `AlmaLinux OS 10.0.20260522.0 x86_64` to the product `prod-t4oyq2p42jn2u`",
        "the change set `cs-1` is failed (CLIENT_ERROR): The change set is wrong.",
        "AddDeliveryOptions: INCOMPATIBLE_AMI: Passwords may be used.",
        "AddDeliveryOptions: INVALID_ARN: The role cannot be assumed.",
        "https://aws.amazon.com/marketplace/management/requests/cs-1",
    ] {
        assert!(err.contains(part), "{err}");
    }
}

/// What the user says, how the catalogue answers, and what is told. Nothing is sent in any of these.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_released_is_told_before_anything_is_sent() {
    let moto = Moto::bare();
    let known = ami(&moto).await;
    let home = tempfile::tempdir().unwrap();
    let proxy = Proxy::start(moto.port(), |call| {
        if call.path.contains("prod-saas") {
            Fate::Answer(200, json!({ "EntityType": "SaaSProduct@1.0", "Details": "{}" }).to_string())
        } else if is(call, "DescribeEntity") {
            Fate::Answer(200, product(&json!([])))
        } else {
            with_architecture(call)
        }
    })
    .await;
    let rows: [(&str, &[&str], i32, &str); 5] = [
        ("ami-0123456789abcdef0", &[], 1, "could not find the AMI `ami-0123456789abcdef0` in us-east-1"),
        (&known, &["--public-product", "--channel", "beta"], 2, "channel beta"),
        (&known, &["--product", "prod-saas"], 2, "it is a `SaaSProduct@1.0`, not an `AmiProduct`"),
        ("image-7", &[], 2, "an AMI's id reads like"),
        (&known, &["--product", "prod-1", "--public-product"], 2, "cannot be used with"),
    ];
    let mut wrong = String::new();
    for (ami, more, code, expected) in rows {
        let output = run(goldsmith(home.path(), &proxy, ami, more)).await;
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.code() != Some(code) || !err.contains(expected) {
            writeln!(wrong, "{ami} {more:?}: {:?} {err}", output.status.code()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(!proxy.calls().iter().any(|call| is(call, "StartChangeSet")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_is_bounded_passes_over_trouble_and_says_how_to_go_on() {
    use goldsmith::publish::marketplace::{Pace, Products, Wish, prepare, release};
    let moto = Moto::bare();
    let ami = ami(&moto).await;
    let proxy = Proxy::start(moto.port(), |call| {
        if is(call, "DescribeEntity") {
            Fate::Answer(200, product(&json!([])))
        } else if is(call, "StartChangeSet") {
            Fate::Answer(200, STARTED.to_owned())
        } else if is(call, "DescribeChangeSet") {
            Fate::Answer(200, status(if call.number % 2 == 0 { "PREPARING" } else { "APPLYING" }))
        } else {
            with_architecture(call)
        }
    })
    .await;
    let aws = super::moto::session(&proxy.url()).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), PRODUCTS).unwrap();
    let products = Products::read(file.path()).unwrap();
    let wish = Wish { ami, products, channel: "stable".to_owned(), ..Wish::default() };
    let prepared = prepare(&aws, &wish).await.unwrap();
    let cx = crate::context::cx();
    let pace =
        Pace { every: std::time::Duration::from_millis(50), limit: std::time::Duration::from_millis(700) };
    let error = release(&cx, &aws, &prepared, pace).await.unwrap_err();
    assert_eq!(error.kind(), goldsmith::aws::AwsErrorKind::Timeout);
    assert!(error.hint_text().unwrap().contains("the same command follows it further"));
    let looks = proxy.calls().iter().filter(|call| is(call, "DescribeChangeSet")).count();
    assert!(looks > 3, "{looks}");
}
