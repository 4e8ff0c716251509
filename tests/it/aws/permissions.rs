//! `goldsmith doctor --aws`. moto says who we are, but simulates no policies: the proxy plays that with answers in the shapes of IAM's
//! model; what is sent is held against botocore's.
use super::{
    botocore,
    moto::{isolate, shared},
    proxy::{Call, Fate, Proxy},
};
use serde_json::Value;
use std::{collections::BTreeSet, fmt::Write as _, path::Path};

fn doctor(home: &Path, url: &str, more: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    isolate(&mut command)
        .env("GOLDSMITH_STATE_DIR", home.join("state"))
        .env("GOLDSMITH_CACHE_DIR", home.join("cache"))
        .args(["doctor", "--aws", "--endpoint-url", url])
        .args(more);
    command
}

async fn run(mut command: std::process::Command) -> (Option<i32>, String, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn actions(call: &Call) -> Vec<String> {
    url::form_urlencoded::parse(&call.body)
        .filter(|(key, _)| key.starts_with("ActionNames.member."))
        .map(|(_, value)| value.into_owned())
        .collect()
}

/// IAM's answer about a call, with what is decided about each action.
fn simulated(call: &Call, decide: &dyn Fn(&str) -> (&'static str, &'static str)) -> String {
    let mut members = String::new();
    for action in actions(call) {
        let (decision, more) = decide(&action);
        write!(
            members,
            "<member><EvalActionName>{action}</EvalActionName><EvalDecision>{decision}</EvalDecision>\
             <EvalResourceName>*</EvalResourceName>{more}</member>"
        )
        .unwrap();
    }
    format!(
        "<SimulatePrincipalPolicyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><SimulatePrincipalPolicyResult>\
         <EvaluationResults>{members}</EvaluationResults><IsTruncated>false</IsTruncated></SimulatePrincipalPolicyResult>\
         </SimulatePrincipalPolicyResponse>"
    )
}

const ROLE: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
    <Arn>arn:aws:sts::123456789012:assumed-role/builder/me</Arn><UserId>AROA:me</UserId><Account>123456789012</Account>\
    </GetCallerIdentityResult></GetCallerIdentityResponse>";
const GET_ROLE: &str = "<GetRoleResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GetRoleResult><Role>\
    <Path>/ci/</Path><RoleName>builder</RoleName><RoleId>AROA1234567890123456</RoleId>\
    <Arn>arn:aws:iam::123456789012:role/ci/builder</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate></Role></GetRoleResult>\
    </GetRoleResponse>";

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_is_printed_and_every_action_of_it_is_asked_about() {
    let proxy = Proxy::start(shared().port(), |call| match call.action().as_str() {
        "GetCallerIdentity" => Fate::Answer(200, ROLE.to_owned()),
        "GetRole" => Fate::Answer(200, GET_ROLE.to_owned()),
        "SimulatePrincipalPolicy" => Fate::Answer(
            200,
            simulated(call, &|action| match action {
                "ec2:RegisterImage" => ("implicitDeny", ""),
                "ec2:CopyImage" => ("explicitDeny", ""),
                "ebs:StartSnapshot" => (
                    "implicitDeny",
                    "<MissingContextValues><member>aws:SourceVpce</member></MissingContextValues>",
                ),
                _ => ("allowed", ""),
            }),
        ),
        _ => Fate::Forward,
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let (code, out, err) = run(doctor(home.path(), &proxy.url(), &["--json"])).await;
    assert_eq!(code, Some(3), "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["check"]["principal"], "arn:aws:iam::123456789012:role/ci/builder");
    let decisions = |wanted: &str| -> BTreeSet<String> {
        let verdicts = report["check"]["verdicts"].as_array().unwrap().iter();
        verdicts
            .filter(|one| one["decision"] == wanted)
            .map(|one| {
                format!("{}: {}", one["action"].as_str().unwrap(), one["why"].as_str().unwrap_or_default())
            })
            .collect()
    };
    let denied = ["ec2:CopyImage: a policy denies it", "ec2:RegisterImage: no policy allows it"];
    assert_eq!(decisions("denied"), denied.map(ToOwned::to_owned).into());
    let unknown = ["ebs:StartSnapshot: it depends on `aws:SourceVpce`, which only a real call has"];
    assert_eq!(decisions("unknown"), unknown.map(ToOwned::to_owned).into());

    let calls = proxy.calls();
    let names: BTreeSet<String> = botocore::check(&calls).into_iter().collect();
    let wanted = ["iam:GetRole", "iam:SimulatePrincipalPolicy", "sts:GetCallerIdentity"];
    assert_eq!(names, wanted.map(ToOwned::to_owned).into());
    let asked: BTreeSet<String> = calls.iter().flat_map(actions).collect();
    let printed: BTreeSet<String> = report["policy"]["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|statement| statement["Action"].as_array().unwrap())
        .map(|action| action.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(asked, printed);
    // What is removed is asked about with our tag, on something that is like what it is about.
    let remove = calls.iter().find(|call| actions(call).contains(&"ec2:DeregisterImage".to_owned())).unwrap();
    assert_eq!(
        remove.parameter("ContextEntries.member.1.ContextKeyName").as_deref(),
        Some("aws:ResourceTag/goldsmith:build")
    );
    assert_eq!(
        remove.parameter("ResourceArns.member.1").as_deref(),
        Some("arn:aws:ec2:us-east-1::image/ami-0123456789abcdef0")
    );
}

/// moto itself takes the policy: it checks the grammar as IAM does.
#[tokio::test(flavor = "multi_thread")]
async fn the_policy_is_one_that_iam_takes() {
    let home = tempfile::tempdir().unwrap();
    let (_, out, err) = run(doctor(home.path(), &shared().url(), &[])).await;
    assert!(err.contains("unknown"), "{err}");
    let iam = super::moto::session(&shared().url()).await.iam();
    let policy: Value = serde_json::from_str(&out).unwrap();
    iam.create_policy().policy_name("goldsmith-everything").policy_document(&out).send().await.unwrap();
    // The negative: moto does look.
    let wrong = out.replacen("\"Allow\"", "\"Permit\"", 1);
    assert!(iam.create_policy().policy_name("goldsmith-wrong").policy_document(wrong).send().await.is_err());
    assert!(policy["Statement"].as_array().unwrap().len() > 20);
}

/// Who may not ask gets the policy all the same, and hears why nothing is known.
#[tokio::test(flavor = "multi_thread")]
async fn what_iam_does_not_let_us_know_is_said() {
    let proxy = Proxy::start(shared().port(), |call| match call.action().as_str() {
        "SimulatePrincipalPolicy" => Fate::Answer(
            403,
            "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type><Code>AccessDenied</Code>\
             <Message>not authorized</Message></Error><RequestId>r</RequestId></ErrorResponse>"
                .to_owned(),
        ),
        "GetCallerIdentity" => Fate::Answer(200, ROLE.replace(":sts:", ":iam:").replace("assumed-role/builder/me", "user/me")),
        _ => Fate::Forward,
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let (code, out, err) = run(doctor(home.path(), &proxy.url(), &[])).await;
    assert_eq!(code, Some(0), "{err}");
    assert!(serde_json::from_str::<Value>(&out).is_ok());
    for part in ["arn:aws:iam::123456789012:user/me", "0 allowed, 0 denied", "AccessDenied: not authorized"] {
        assert!(err.contains(part), "{err}");
    }
    let asked = proxy.calls().iter().filter(|call| call.action() == "SimulatePrincipalPolicy").count();
    assert_eq!(asked, 1, "who is refused once does not ask again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_makes_nothing_there_needs_nothing_there() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("web.toml");
    std::fs::write(
        &file,
        "name = \"web\"\n[source.bootstrap]\nsuite = \"bookworm\"\n[[output]]\nformat = \"raw\"\n",
    )
    .unwrap();
    let (code, out, err) = run(doctor(home.path(), &shared().url(), &[file.to_str().unwrap()])).await;
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("makes nothing in an Amazon account"), "{err}");
    let policy: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(policy["Statement"].as_array().unwrap().len(), 1);
}

/// Every call that the code names in an error is one that the policy allows.
#[test]
fn no_call_is_forgotten() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut calls: BTreeSet<String> = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for part in text.split("AwsError::of(").skip(1) {
                    // The call's name is the last text before the error.
                    let words = part.split('"').skip(1).step_by(2).take(4);
                    let name = |word: &&str| {
                        word.starts_with(|c: char| c.is_ascii_uppercase())
                            && word.bytes().all(|b| b.is_ascii_alphanumeric())
                    };
                    calls.extend(words.into_iter().find(name).map(ToOwned::to_owned));
                }
            }
        }
    }
    let allowed: BTreeSet<&str> = goldsmith::aws::policy::RULES
        .iter()
        .flat_map(|rule| rule.actions.iter().map(|action| action.split_once(':').unwrap().1))
        .collect();
    // S3's calls are allowed by other names.
    let other = ["HeadBucket", "HeadObject", "ListObjectsV2"];
    let forgotten: Vec<&String> = calls
        .iter()
        .filter(|call| !allowed.contains(call.as_str()) && !other.contains(&call.as_str()))
        .collect();
    assert!(calls.contains("TerminateInstances") && calls.contains("StartChangeSet"), "{calls:?}");
    assert!(forgotten.is_empty(), "{forgotten:?}");
}
