//! The session: what goes wrong before and under any call.
use super::{
    botocore,
    moto::{Moto, session, shared},
    proxy::{Fate, Proxy},
};
use goldsmith::{
    aws::{Account, Aws, AwsErrorKind, Kind, Tags, remove, resource},
    cx::{BuildId, Stop},
    value::Secret,
};
use std::{error::Error, time::Duration};

fn tell(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", tell(source)))
}

#[tokio::test]
async fn trouble_that_passes_is_waited_for_and_undo_data_says_where_a_thing_is() {
    let proxy = Proxy::start(shared().port(), |call| match call.number {
        0 => Fate::Answer(
            503,
            "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>slow</Message></Error></Errors></Response>"
                .to_owned(),
        ),
        1 => Fate::Cut,
        2 => Fate::Lost,
        3 => Fate::Late(Duration::from_millis(50)),
        _ => Fate::Forward,
    })
    .await;
    let aws = session(&proxy.url()).await;
    let tags = Tags::of(&BuildId::random(), "web");
    let volume = aws
        .ec2()
        .create_volume()
        .availability_zone("us-east-1a")
        .size(1)
        .tag_specifications(tags.specification("volume".into()))
        .send()
        .await
        .unwrap();
    let id = volume.volume_id().unwrap();
    assert!(volume.tags().iter().any(|tag| tag.key() == Some(goldsmith::aws::BUILD)));
    let made = resource(&aws, Kind::Volume, id);
    assert_eq!(made.details["endpoint"], proxy.url());
    assert_eq!(made.details["region"], "us-east-1");
    aws.ec2().delete_volume().volume_id(id).send().await.unwrap();
    let calls = botocore::check(&proxy.calls());
    let (last, first) = calls.split_last().unwrap();
    assert_eq!(last, "ec2:DeleteVolume");
    assert!(first.iter().all(|call| call == "ec2:CreateVolume"), "{first:?}");
}

#[tokio::test]
async fn an_error_says_what_was_attempted_what_was_answered_and_what_to_do() {
    // Nothing listens on the port.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let account = Account { profile: None, region: Some("eu-west-1".into()), endpoint: Some(url.clone()) };
    let aws = Aws::with_keys(&account, "id", &Secret::new("key")).await.unwrap();
    let gone = resource(&aws, Kind::Snapshot, "snap-0123");
    let stop = Stop::default();
    let error = remove(&gone, &stop).await.unwrap_err();
    let text = tell(&error);
    assert!(text.starts_with("could not remove the snapshot `snap-0123` in eu-west-1"), "{text}");
}

#[tokio::test]
async fn wrong_keys_are_told_as_such() {
    let moto = Moto::start(&[("MOTO_EC2_LOAD_DEFAULT_AMIS", "false"), ("INITIAL_NO_AUTH_ACTION_COUNT", "0")]);
    let aws = session(&moto.url()).await;
    let error = aws.ec2().describe_volumes().send().await.unwrap_err();
    let error = goldsmith::aws::AwsError::of("look at the volumes", "DescribeVolumes", error);
    assert_eq!(error.kind(), AwsErrorKind::Auth, "{}", tell(&error));
    assert_eq!(error.code(), Some("AuthFailure"));
    assert!(error.hint_text().is_some_and(|hint| hint.contains("sts get-caller-identity")));
}

#[test]
fn without_credentials_it_says_where_they_may_come_from() {
    let home = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    super::moto::isolate(&mut command);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env("HOME", home.path());
    let output = command.args(["ami", "show", "ami-0123456789abcdef0"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("hint: no credentials were found: set AWS_PROFILE"), "{said}");
}
