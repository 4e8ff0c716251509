//! Exports: EC2's part is played by the proxy in the shapes of its model, S3's by moto.
use super::{
    botocore,
    fleet::{ec2, goldsmith, image, run},
    moto::{session, shared},
    proxy::{Call, Fate, Proxy},
};
use sha2::{Digest, Sha256};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

const TASK: &str = "export-ami-0123456789abcdef0";

/// EC2's export task: what was asked for, and how it goes on with each look.
#[derive(Default)]
struct Played {
    asked: Option<(String, String)>,
    looks: Vec<(&'static str, &'static str, &'static str)>,
}

fn play(played: &Mutex<Played>, call: &Call) -> Option<Fate> {
    let mut played = played.lock().unwrap();
    match call.action().as_str() {
        "ExportImage" => {
            let get = |name: &str| call.parameter(name).unwrap();
            played.asked = Some((get("ImageId"), get("Description")));
            Some(ec2(
                "ExportImage",
                &format!("<exportImageTaskId>{TASK}</exportImageTaskId><status>active</status>"),
            ))
        }
        "DescribeExportImageTasks" => {
            let Some((ami, description)) = played.asked.clone() else {
                return Some(ec2("DescribeExportImageTasks", "<exportImageTaskSet/>"));
            };
            let first = if played.looks.len() > 1 { played.looks.remove(0) } else { played.looks[0] };
            let (status, progress, message) = first;
            Some(ec2(
                "DescribeExportImageTasks",
                &format!(
                    "<exportImageTaskSet><item><exportImageTaskId>{TASK}</exportImageTaskId><imageId>{ami}</imageId>\
                     <description>{description}</description><progress>{progress}</progress><status>{status}</status>\
                     <statusMessage>{message}</statusMessage><s3ExportLocation><s3Bucket>snow-{}</s3Bucket>\
                     <s3Prefix>exports/</s3Prefix></s3ExportLocation></item></exportImageTaskSet>",
                    if message == "elsewhere" { "other" } else { "export" },
                ),
            ))
        }
        _ => None,
    }
}

#[tokio::test]
async fn an_export_is_followed_found_again_and_downloaded_piece_by_piece() {
    let played = Arc::new(Mutex::new(Played {
        asked: None,
        looks: vec![("active", "20", "converting"), ("completed", "", "")],
    }));
    let cut = Arc::new(AtomicBool::new(false));
    let proxy = {
        let (played, cut) = (Arc::clone(&played), Arc::clone(&cut));
        Proxy::start(shared().port(), move |call| {
            // One piece is lost on the way.
            if call.method == "GET" && call.path.contains(TASK) && !cut.swap(true, Ordering::SeqCst) {
                return Fate::Cut;
            }
            play(&played, call).unwrap_or(Fate::Forward)
        })
        .await
    };
    let (home, aws) = (tempfile::tempdir().unwrap(), session(&shared().url()).await);
    let ami = image(&aws, "snow", &[]).await;
    let to = ["ami", "export", &ami, "--to", "s3://snow-export/exports/", "--download", "."];
    // No bucket, no export.
    let ended = run(goldsmith(home.path(), &proxy.url(), &to)).await.expect(1);
    assert!(ended.err.contains("could not use the bucket `snow-export`"), "{}", ended.err);
    assert!(played.lock().unwrap().asked.is_none());

    aws.s3().create_bucket().bucket("snow-export").send().await.unwrap();
    let disk: Vec<u8> = (0..(33u32 << 20) + 5).map(|at| u8::try_from((at >> 9) % 251).unwrap()).collect();
    let key = format!("exports/{TASK}.raw");
    aws.s3().put_object().bucket("snow-export").key(&key).body(disk.clone().into()).send().await.unwrap();
    let report =
        run(goldsmith(home.path(), &proxy.url(), &[&to[..], &["--json"]].concat())).await.expect(0).json();
    let digest = hex::encode(Sha256::digest(&disk));
    assert_eq!(
        (report["key"].as_str(), report["sha256"].as_str()),
        (Some(key.as_str()), Some(digest.as_str()))
    );
    let name = format!("{TASK}.raw");
    let path = home.path().join(&name);
    assert_eq!(std::fs::read(&path).unwrap(), disk);
    assert_eq!(
        std::fs::read_to_string(home.path().join(format!("{name}.sha256"))).unwrap(),
        format!("{digest}  {name}\n")
    );
    assert!(cut.load(Ordering::SeqCst));
    let calls = proxy.calls();
    botocore::check(&calls);
    let asked = calls.iter().find(|call| call.action() == "ExportImage").unwrap();
    for (parameter, value) in [
        ("DiskImageFormat", "RAW"),
        ("S3ExportLocation.S3Bucket", "snow-export"),
        ("S3ExportLocation.S3Prefix", "exports/"),
        ("TagSpecification.1.ResourceType", "export-image-task"),
    ] {
        assert_eq!(asked.parameter(parameter).as_deref(), Some(value), "{parameter}");
    }

    // Again, with what an interrupted download left: the task is found, and only the rest is asked for.
    let head = aws.s3().head_object().bucket("snow-export").key(&key).send().await.unwrap();
    let beside = |end: &str| home.path().join(format!("{name}{end}"));
    std::fs::remove_file(&path).unwrap();
    std::fs::write(beside(".part"), &disk[..(20 << 20) + 7]).unwrap();
    std::fs::write(beside(".part.etag"), head.e_tag().unwrap()).unwrap();
    let before = proxy.calls().len();
    run(goldsmith(home.path(), &proxy.url(), &to)).await.expect(0);
    assert_eq!(std::fs::read(&path).unwrap(), disk);
    let later = proxy.calls().split_off(before);
    assert!(later.iter().all(|call| call.action() != "ExportImage"), "there is an export already");
    let ranges: Vec<&str> = later
        .iter()
        .flat_map(|call| {
            call.headers.iter().filter(|(name, _)| name == "range").map(|(_, value)| value.as_str())
        })
        .collect();
    assert_eq!(ranges, [format!("bytes={}-{}", (20 << 20) + 7, (33 << 20) + 4)]);

    // What was left belongs to another object.
    std::fs::write(beside(".part"), b"something else").unwrap();
    std::fs::write(beside(".part.etag"), "\"other\"").unwrap();
    run(goldsmith(home.path(), &proxy.url(), &to)).await.expect(0);
    assert_eq!(std::fs::read(&path).unwrap(), disk);
    assert!(!beside(".part").exists() && !beside(".part.etag").exists());
}

#[tokio::test]
async fn an_export_that_is_given_up_says_why() {
    let played = Arc::new(Mutex::new(Played {
        asked: None,
        looks: vec![("deleted", "", "The role vmimport may not write to the bucket")],
    }));
    let proxy = {
        let played = Arc::clone(&played);
        Proxy::start(shared().port(), move |call| play(&played, call).unwrap_or(Fate::Forward)).await
    };
    let (home, aws) = (tempfile::tempdir().unwrap(), session(&shared().url()).await);
    aws.s3().create_bucket().bucket("snow-refused").send().await.unwrap();
    let ami = image(&aws, "snow-refused", &[]).await;
    let arguments =
        ["ami", "export", &ami, "--to", "s3://snow-refused/x", "--format", "vmdk", "--role", "mine"];
    let ended = run(goldsmith(home.path(), &proxy.url(), &arguments)).await.expect(1);
    assert!(ended.err.contains("The role vmimport may not write to the bucket"), "{}", ended.err);
    let calls = proxy.calls();
    let asked = calls.iter().find(|call| call.action() == "ExportImage").unwrap();
    assert_eq!(
        (asked.parameter("RoleName").as_deref(), asked.parameter("DiskImageFormat").as_deref()),
        (Some("mine"), Some("VMDK"))
    );
    for wrong in ["s3:bucket", "s3://B/x", "https://bucket"] {
        let arguments = ["ami", "export", &ami, "--to", wrong];
        run(goldsmith(home.path(), &proxy.url(), &arguments)).await.expect(2);
    }
}
