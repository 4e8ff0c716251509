//! What is not as it must be: each is told in plain words, and nothing of it stays.
use super::{METADATA, OVA, OVA_OF_CHANNEL, Published, image, make, sha256};
use crate::eksa::{bench::said, mirror::Fate};
use std::io::{Read, Write};
use test_case::test_case;

#[test_case("expired-timestamp", &["`timestamp.json` has expired", "clock"])]
#[test_case("expired-snapshot", &["`snapshot.json` has expired", "clock"])]
#[test_case("expired-targets", &["`targets.json` has expired", "clock"])]
#[test_case("expired-root", &["`root.json` has expired", "clock"])]
#[test_case("threshold", &["`targets.json` is not to be trusted", "2 valid signatures are needed, and it has 1"])]
#[test_case("one-key-twice", &["`targets.json` is not to be trusted", "two signatures by one key"])]
#[test_case("stranger", &["`timestamp.json` is not to be trusted", "1 valid signature is needed, and it has 0"])]
#[test_case("foreign-root", &["`root.json` is not to be trusted", "2 valid signatures are needed, and it has 0"])]
#[test_case("skipped-root", &["`2.root.json` says that it is version 3"])]
#[test_case("mixed", &["what came for `snapshot.json` is something else"])]
#[test_case("older-targets", &["`targets.json` is version 1, and what names it says 2"])]
#[test_case("exchanged-snapshot", &["1.snapshot.json` is not the file that is meant"])]
#[test_case("no-name", &["what came for `targets.json` is something else", "'..' is unsafe"])]
#[test_case("traversal-only", &["has no such file"])]
#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_are_not_to_be_trusted(scenario: &str, words: &[&str]) {
    let published = Published::new(scenario, OVA, &image()).await;
    let target = format!("/targets/{}.{OVA}", sha256(&image()));
    published.refused(&published.ova(), words);
    assert!(published.mirror.asked(&target).is_empty(), "no image was asked for");
}

#[test_case("rollback", &["`timestamp.json` is version 1, and version 2 was here before"])]
#[test_case("rollback-after-rotation", &["`timestamp.json` is version 1, and version 2 was here before"])]
#[test_case("rollback-of-targets", &["names version 1 of `targets.json`, and version 2 was here before"])]
#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_show_an_older_state(scenario: &str, words: &[&str]) {
    let published = Published::new(scenario, OVA, &image()).await;
    let output = published.ova();
    assert!(output.status.success(), "{}", said(&output));
    std::fs::remove_dir_all(published.bench.path("out")).unwrap();
    published.show("old");
    published.refused(&published.ova(), words);
    published.refused(&published.ova(), words);
    // Who has seen nothing yet cannot know.
    let none = published.bench.path("none");
    let output = published.command(&OVA_OF_CHANNEL).env("GOLDSMITH_CACHE_DIR", none).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_was_changed() {
    let published = Published::new("good", OVA, &image()).await;
    let path = format!("/targets/{}.{OVA}", sha256(&image()));
    let mut changed = image();
    changed[123_456] ^= 1;
    published.mirror.put(&path, changed.clone());
    let words =
        [&*format!("expected sha256:{}", sha256(&image())), &*sha256(&changed), "the one that was signed"];
    published.refused(&published.ova(), &words);
    published.mirror.put(&path, image()[..100_000].to_vec());
    published.refused(&published.ova(), &["expected sha256", "the one that was signed"]);
    published.mirror.put(&path, [image(), b"and more".to_vec()].concat());
    published.refused(&published.ova(), &["it is larger than", "the one that was signed"]);
    published.mirror.tree().files.remove(&path);
    published.refused(&published.ova(), &[OVA, "404"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_were_changed() {
    for (file, words) in [
        ("timestamp.json", ["`timestamp.json` is not to be trusted", "it has 0"]),
        ("1.snapshot.json", ["`snapshot.json` is not to be trusted", "it has 0"]),
        ("1.targets.json", ["`targets.json` is not to be trusted", "it has 0"]),
    ] {
        let published = Published::new("good", OVA, &image()).await;
        let year =
            (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(30 * 24)).to_string()[..4].to_owned();
        published.mirror.edit(
            &format!("{METADATA}{file}"),
            &format!("\"expires\": \"{year}"),
            "\"expires\": \"2999",
        );
        published.refused(&published.ova(), &words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_of_another_repository() {
    let published = Published::new("good", OVA, &image()).await;
    let other = published.bench.path("other");
    make(&other, "good", OVA, b"another");
    let root = other.join("root.json");
    let arguments = [&OVA_OF_CHANNEL[..], &["--root", root.to_str().unwrap()]].concat();
    let output = published.command(&arguments).output().unwrap();
    published.refused(&output, &["`timestamp.json` is not to be trusted", "it has 0"]);
    for (bytes, words) in [("<html>", "the root is none"), ("{}", "the root is none")] {
        std::fs::write(&root, bytes).unwrap();
        published.refused(&published.command(&arguments).output().unwrap(), &[words]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_lead_elsewhere_write_nothing_there() {
    let published = Published::new("traversal", OVA, &image()).await;
    let output = published.ova();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(
        published.outputs(),
        ["bottlerocket.ova", "bottlerocket.ova.sha256", "bottlerocket.ova.sha512"]
    );
    assert!(std::fs::read(published.bench.path("out/bottlerocket.ova")).unwrap() == image());
    let escaped: Vec<String> = published
        .mirror
        .tree()
        .asked
        .iter()
        .map(|asked| asked.path.clone())
        .filter(|path| path.contains("escape"))
        .collect();
    assert!(escaped.is_empty(), "{escaped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_in_trouble_is_no_repository_without_newer_roots() {
    let published = Published::new("rotated", OVA, &image()).await;
    // The second root does not come: that there is none would be a lie.
    for _ in 0..5 {
        published.mirror.fate(&format!("{METADATA}2.root.json"), Fate::Status(503));
    }
    published.refused(&published.ova(), &["read the repository", "2.root.json", "503"]);
    let output = published.ova();
    assert!(output.status.success(), "{}", said(&output));
}

/// A server that has no newer root and sends everything else without end.
fn endless() -> (u16, std::thread::JoinHandle<u64>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            if String::from_utf8_lossy(&head).contains("root.json") {
                let _ = stream
                    .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                continue;
            }
            let (mut sent, blanks) = (0, vec![b' '; 1 << 16]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
            while let Ok(n) = stream.write(&blanks) {
                sent += n as u64;
            }
            return sent;
        }
    });
    (port, thread)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_sends_without_end_is_not_listened_to() {
    let published = Published::new("good", OVA, &image()).await;
    let (port, thread) = endless();
    let mut command = published.bench.plain(&["download", "bottlerocket", "-o", "out", "--root"]);
    command.arg(published.root()).args(OVA_OF_CHANNEL);
    command.args(["--metadata-url", &format!("http://127.0.0.1:{port}/m/")]);
    let output = command.output().unwrap();
    published.refused(&output, &["timestamp.json", "it is larger than 1"]);
    // What the kernel took for a reader who is gone counts, too.
    assert!(thread.join().unwrap() < 64 << 20);
    // The same for an image, whose length is signed.
    let (port, thread) = endless();
    let mut command = published.bench.plain(&["download", "bottlerocket", "-o", "out", "--root"]);
    command.arg(published.root()).args(OVA_OF_CHANNEL);
    command.args(["--metadata-url", &published.mirror.url(METADATA)]);
    let output = command.args(["--targets-url", &format!("http://127.0.0.1:{port}/t/")]).output().unwrap();
    published.refused(&output, &[OVA, "it is larger than"]);
    assert!(thread.join().unwrap() < 64 << 20);
}
