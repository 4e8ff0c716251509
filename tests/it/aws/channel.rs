//! Channels: parameters of moto's Systems Manager in several regions.
use super::{
    botocore,
    fleet::{Ended, goldsmith, image, run},
    moto::{Moto, session},
    proxy::{Fate, Proxy},
};
use goldsmith::aws::Aws;
use std::collections::BTreeMap;

const PATTERN: &str = "/org/{name}/{channel}/{arch}/image_id";

async fn parameter(aws: &Aws, region: &str, name: &str) -> Option<(String, String)> {
    let found = aws.at(region).ssm().get_parameter().name(name).send().await.ok()?;
    let found = found.parameter()?.clone();
    Some((found.value()?.to_owned(), found.data_type()?.to_owned()))
}

#[tokio::test]
async fn a_release_goes_from_one_channel_to_the_next_in_all_regions() {
    let moto = Moto::bare();
    let proxy = Proxy::start(moto.port(), |_| Fate::Forward).await;
    let (home, aws) = (tempfile::tempdir().unwrap(), session(&moto.url()).await);
    let of = |arch: &'static str| [("Architecture", arch), (goldsmith::aws::BUILD, "0123456789ab")];
    let (intel, arm) =
        (image(&aws, "web-1-x86_64", &of("x86_64")).await, image(&aws, "web-1-arm", &of("aarch64")).await);
    let say = async |words: &[&str]| {
        let words = [&["ami"], words, &["--parameter", PATTERN, "--name", "web"]].concat();
        let words: Vec<&str> = words.into_iter().collect();
        run(goldsmith(home.path(), &proxy.url(), &words)).await
    };
    run(goldsmith(home.path(), &moto.url(), &["ami", "copy", &intel, &arm, "--to", "eu-west-1,eu-west-2"]))
        .await
        .expect(0);

    // Nothing is there yet.
    let ended = say(&["channel", "validate", &intel, &arm, "--channel", "candidate"]).await.expect(1);
    assert_eq!(ended.out.matches("is missing").count(), 6, "{}", ended.out);
    let slots =
        say(&["channel", "set", &intel, &arm, "--channel", "candidate", "--json"]).await.expect(0).json();
    let made: BTreeMap<(String, String), String> = slots
        .as_array()
        .unwrap()
        .iter()
        .map(|slot| {
            assert_eq!(slot["verdict"], "created");
            let text = |key: &str| slot[key].as_str().unwrap().to_owned();
            ((text("region"), text("parameter")), text("wanted"))
        })
        .collect();
    assert_eq!(made.len(), 6, "two architectures in three regions");
    assert_eq!(made[&("us-east-1".into(), "/org/web/candidate/arm64/image_id".into())], arm);
    for ((region, name), id) in &made {
        assert_eq!(parameter(&aws, region, name).await, Some((id.clone(), "aws:ec2:image".to_owned())));
    }
    say(&["channel", "validate", &intel, &arm, "--channel", "candidate"]).await.expect(0);

    // Another release is not put in its place unless told.
    let next = image(&aws, "web-2-x86_64", &of("x86_64")).await;
    let ended = say(&["channel", "set", &next, "--channel", "candidate"]).await.expect(1);
    assert!(ended.err.contains("`--overwrite` changes parameters that exist"), "{}", ended.err);
    let ended = say(&["channel", "set", &next, "--channel", "candidate", "--overwrite"]).await.expect(0);
    assert!(ended.out.contains("was changed"), "{}", ended.out);
    // Now us-east-1 is ahead of the others: that is no release.
    let promote = ["channel", "promote", "--from", "candidate", "--channel", "stable"];
    let ended = say(&promote).await.expect(1);
    assert!(
        ended.err.contains(
            "names different releases: `web-1-x86_64` in eu-west-1, eu-west-2; `web-2-x86_64` in us-east-1"
        ),
        "{}",
        ended.err
    );
    assert_eq!(parameter(&aws, "us-east-1", "/org/web/stable/arm64/image_id").await, None, "all or nothing");
    say(&["channel", "set", &intel, "--channel", "candidate", "--overwrite"]).await.expect(0);
    say(&promote).await.expect(0);
    for ((region, name), id) in &made {
        let stable = name.replace("candidate", "stable");
        assert_eq!(
            parameter(&aws, region, &stable).await.map(|found| found.0).as_ref(),
            Some(id),
            "{region} {stable}"
        );
    }
    let ended = say(&promote).await.expect(0);
    assert_eq!(ended.out.matches("is right").count(), 6, "{}", ended.out);

    // A region that was named must have it.
    let ended: Ended = say(&[&promote[..], &["--regions", "eu-west-1,sa-east-1"]].concat()).await.expect(1);
    assert!(ended.err.contains("there is no `/org/web/candidate/"), "{}", ended.err);
    // Somebody changes one by hand.
    aws.at("eu-west-2")
        .ssm()
        .put_parameter()
        .name("/org/web/stable/x86_64/image_id")
        .value("ami-0123456789abcdef0")
        .overwrite(true)
        .send()
        .await
        .unwrap();
    let ended = say(&["channel", "validate", &intel, "--channel", "stable"]).await.expect(5);
    assert!(ended.out.contains("names ami-0123456789abcdef0"), "{}", ended.out);
    botocore::check(&proxy.calls());
}

#[tokio::test]
async fn a_pattern_that_cannot_be_is_told_at_once() {
    let home = tempfile::tempdir().unwrap();
    for (pattern, part) in [
        ("/org/{arch}/id", "write `{channel}`"),
        ("/aws/{channel}", "belong to Amazon"),
        ("/org/{channel}/{os}", "only `{channel}`, `{arch}` and `{name}`"),
    ] {
        let arguments =
            ["ami", "channel", "promote", "--from", "a", "--channel", "b", "--parameter", pattern];
        let ended = run(goldsmith(home.path(), "http://127.0.0.1:9", &arguments)).await.expect(2);
        assert!(ended.err.contains(part), "{}", ended.err);
    }
}
