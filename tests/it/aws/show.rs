//! `ami show`: by id, by name, in other regions.
use super::{
    fleet::{goldsmith, image, run},
    moto::{session, shared},
};

#[tokio::test]
async fn images_are_shown_by_id_and_by_name() {
    let (home, aws) = (tempfile::tempdir().unwrap(), session(&shared().url()).await);
    let id = image(&aws, "shown-1", &[("Architecture", "x86_64")]).await;
    let say = async |words: &[&str]| {
        run(goldsmith(home.path(), &shared().url(), &[&["ami", "show"], words].concat())).await
    };
    run(goldsmith(
        home.path(),
        &shared().url(),
        &["ami", "copy", &id, "--to", "eu-west-1", "--account", "123456789012"],
    ))
    .await
    .expect(0);
    let card = say(&[&id]).await.expect(0).out;
    for part in [id.as_str(), "shown-1", "available", "account 123456789012", "Architecture=x86_64"] {
        assert!(card.contains(part), "no `{part}` in {card}");
    }
    let everywhere = say(&[&id, "--regions", "all", "--json"]).await.expect(0).json();
    let regions: Vec<&str> =
        everywhere.as_array().unwrap().iter().map(|one| one["region"].as_str().unwrap()).collect();
    assert_eq!(regions, ["eu-west-1", "us-east-1"]);
    assert_eq!(everywhere[0]["copy-of"], serde_json::json!(id));
    assert!(say(&["shown-*"]).await.expect(0).out.contains(&id));
    say(&["nobody-*"]).await.expect(1);
    let ended = say(&["ami-0123456789abcdef0"]).await.expect(1);
    assert!(ended.err.contains("AMIs belong to one region"), "{}", ended.err);
}

#[tokio::test]
async fn reports_are_merged_into_tables() {
    let (home, aws) = (tempfile::tempdir().unwrap(), session(&shared().url()).await);
    for arch in ["x86_64", "aarch64"] {
        let name = format!("Merged OS 1.0 {arch}");
        let id = image(&aws, &name, &[("Architecture", arch), ("Version", "1.0")]).await;
        let ended = run(goldsmith(
            home.path(),
            &shared().url(),
            &["ami", "copy", &id, "--to", "eu-west-1", "--json"],
        ))
        .await
        .expect(0);
        std::fs::write(home.path().join(format!("{arch}.json")), ended.out).unwrap();
    }
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    command
        .args(["ami", "table", "aarch64.json", "x86_64.json", "--csv", "all.csv"])
        .current_dir(home.path());
    run(command).await.expect(0);
    let table = std::fs::read_to_string(home.path().join("all.csv")).unwrap();
    let short: Vec<(&str, &str)> = table
        .lines()
        .map(|line| line.split(',').map(|cell| cell.trim_matches('"')).collect::<Vec<_>>())
        .map(|cells| (cells[2], cells[4]))
        .collect();
    assert_eq!(
        short,
        [
            ("eu-west-1", "x86_64"),
            ("eu-west-1", "aarch64"),
            ("us-east-1", "x86_64"),
            ("us-east-1", "aarch64")
        ]
    );
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    command.args(["ami", "table", "x86_64.json", "x86_64.json"]).current_dir(home.path());
    let ended = run(command).await.expect(2);
    assert!(ended.err.contains("is in two of the reports"), "{}", ended.err);
}
