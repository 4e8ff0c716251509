//! Trouble on the way to a content library and back: no way of failing leaves anything, and an item that was there keeps its content.
use super::{
    bench::{result, said},
    checks::assert_requests_valid,
    libraries::LIBRARY,
    library_commands::{Shelf, refused},
};
use serde_json::{Value, json};
use std::process::{Child, Stdio};
use test_case::test_case;

/// The binary, which is at the bytes of the first file: they come to nothing for a while.
async fn in_the_middle(shelf: &Shelf, milliseconds: u64) -> Child {
    shelf.there.trouble_with_bytes("PUT", json!({ "delay_ms": milliseconds }));
    let arguments = ["publish", "vsphere", "node.ova", "--library", LIBRARY, "--json"];
    let mut command = shelf.bench.command(shelf.vcsim(), &arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = std::time::Instant::now();
    // In either form of the interface.
    let asked = |path: &str| path.contains("/update-session/") || path.contains("/updatesession/file/");
    while !shelf.vcsim().trace().iter().any(|one| one.method == "POST" && asked(&one.path)) {
        assert!(begun.elapsed().as_secs() < 60, "it never came");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    child
}

/// Trouble on the way of bytes, or of calls.
fn make_trouble(shelf: &Shelf, kind: &str) {
    let session = "content/library/item/update-session";
    match kind {
        "cut" => shelf.there.trouble_with_bytes("PUT", json!({ "cut_after": 100_000, "after": 1 })),
        "expired" => {
            shelf.there.trouble_with_bytes("PUT", json!({ "status": 401, "after": 1 }));
            let gone = json!({ "error_type": "UNAUTHENTICATED", "messages": [] });
            shelf.there.trouble(
                "POST",
                session,
                json!({ "status": 401, "body": gone.to_string(), "after": 2 }),
            );
        }
        "busy" => shelf.there.trouble("POST", session, json!({ "status": 503, "after": 1 })),
        "cut always" => {
            shelf.there.trouble_with_bytes("PUT", json!({ "cut_after": 100_000, "after": 1, "times": 9 }));
        }
        "refused" => {
            let message = json!({ "id": "x", "default_message": "The digest is another one.", "args": [] });
            let invalid = json!([{ "name": "node-disk1.vmdk", "error_message": message }]);
            let answer = json!({ "has_errors": true, "missing_files": [], "invalid_files": invalid });
            // After the session itself and its two files.
            shelf.there.trouble(
                "POST",
                session,
                json!({ "status": 200, "body": answer.to_string(), "after": 3 }),
            );
        }
        "full" => {
            let told = json!({ "error_type": "UNABLE_TO_ALLOCATE_RESOURCE", "messages":
                [{ "id": "x", "default_message": "The datastore is full.", "args": [] }] });
            shelf.there.trouble(
                "POST",
                session,
                json!({ "status": 500, "body": told.to_string(), "after": 4 }),
            );
        }
        other => panic!("{other}"),
    }
}

#[test_case("cut"; "a connection that is cut in the middle of a disk")]
#[test_case("expired"; "bytes and a call that are refused for want of a session")]
#[test_case("busy"; "a vCenter that is busy")]
#[tokio::test(flavor = "multi_thread")]
async fn trouble_that_passes_is_passed_over(kind: &str) {
    let shelf = Shelf::start(true, &[]).await;
    let ova = shelf.bench.ova("node", 8);
    make_trouble(&shelf, kind);
    let made = result(&shelf.publish("node.ova", &[]));
    assert_eq!(shelf.vcsim().faults_left(), 0);
    assert!(shelf.stored(&made, "node-disk1.vmdk") == shelf.bench.member(&ova));
    assert_requests_valid(shelf.vcsim());
}

#[test_case("cut always", "could not upload `node-disk1.vmdk`"; "connections that are cut always")]
#[test_case("refused", "The digest is another one."; "a server that does not like a file")]
#[test_case("full", "The datastore is full."; "a datastore that is full")]
#[tokio::test(flavor = "multi_thread")]
async fn trouble_that_stays_leaves_no_new_item_and_the_old_content(kind: &str, word: &str) {
    let shelf = Shelf::start(true, &[]).await;
    let ova = shelf.bench.ova("node", 8);
    make_trouble(&shelf, kind);
    refused(&shelf, &shelf.publish("node.ova", &[]), 1, &[word]);
    assert_eq!(shelf.items().await, Vec::<String>::new());

    shelf.vcsim().forget_faults();
    let made = result(&shelf.publish("node.ova", &[]));
    let disk = shelf.bench.member(&ova);
    std::fs::copy(&ova, shelf.bench.path("old.ova")).unwrap();
    shelf.bench.ova("node", 12);
    make_trouble(&shelf, kind);
    refused(&shelf, &shelf.publish("node.ova", &["--new-version"]), 1, &[word]);
    assert_eq!(shelf.items().await, ["node"]);
    assert!(shelf.stored(&made, "node-disk1.vmdk") == disk, "the old content is as it was");
    shelf.vcsim().forget_faults();
    let back = result(&shelf.vsphere(&["download", &format!("{LIBRARY}/node"), "-o", "back.ova"]));
    assert_eq!(back["version"], made["version"]);
    // No session holds the item.
    result(&shelf.publish("node.ova", &["--new-version"]));
    assert_requests_valid(shelf.vcsim());
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_are_found_on_the_way() {
    let shelf = Shelf::start(true, &[]).await;
    let ova = shelf.bench.ova("node", 8);
    let mut bytes = std::fs::read(&ova).unwrap();
    let at = bytes.len() - 100_000;
    bytes[at] ^= 1;
    std::fs::write(shelf.bench.path("bad.ova"), bytes).unwrap();
    let output = shelf.publish("bad.ova", &["--name", "node"]);
    refused(
        &shelf,
        &output,
        2,
        &["could not read `node-disk1.vmdk`", "does not have the digest in the manifest"],
    );
    assert_eq!(shelf.items().await, Vec::<String>::new());

    // One bit on the server's disk, of which it tells the digest that it computed.
    let made = result(&shelf.publish("node.ova", &[]));
    let path = shelf.there.stored(&shelf.library, made["id"].as_str().unwrap(), "node-disk1.vmdk");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100_000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    std::fs::create_dir(shelf.bench.path("out")).unwrap();
    for to in ["out/x.ova", "out/files"] {
        let output = shelf.vsphere(&["download", &format!("{LIBRARY}/node"), "-o", to]);
        refused(&shelf, &output, 1, &["download `node-disk1.vmdk`", "another digest than the server tells"]);
    }
    assert_eq!(std::fs::read_dir(shelf.bench.path("out")).unwrap().count(), 0);
}

#[test_case(&json!({"match": "CreateSnapshot_Task", "task": {"type": "NoDiskSpace"}}), "NoDiskSpace"; "a snapshot that fails")]
#[test_case(&json!({"match": "MarkAsTemplate", "fault": {"type": "NoPermission"}}), "NoPermission"; "a template that may not be made")]
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_not_finished_goes_with_its_folder_and_its_tags(rule: &Value, word: &str) {
    let shelf = Shelf::start(false, &[]).await;
    shelf.bench.ova("node", 8);
    result(&shelf.publish("node.ova", &[]));
    shelf.vcsim().fault(rule);
    let item = format!("{LIBRARY}/node");
    let more = ["--folder", "new", "--template", "--snapshot", "--tag", "os:os:ubuntu"];
    let mut all = vec!["deploy", item.as_str(), "--name", "node-1", "--cluster", "DC0_C0"];
    all.extend(more);
    refused(&shelf, &shelf.vsphere(&all), 1, &[word]);
    assert_eq!(shelf.there.vcenter.at_path("/DC0/vm/new").await.unwrap(), None);
    assert_eq!(shelf.items().await, ["node"]);
    assert_requests_valid(shelf.vcsim());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dies_in_the_middle_of_an_upload_leaves_nothing_after_gc() {
    let shelf = Shelf::start(true, &[]).await;
    shelf.bench.ova("node", 8);
    let mut child = in_the_middle(&shelf, 20_000).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(shelf.items().await, ["node"]);
    assert!(shelf.description("node").await.contains("goldsmith-build"));
    // What is half made is no item to give a new version.
    let output = shelf.publish("node.ova", &["--new-version"]);
    assert_eq!(output.status.code(), Some(1));
    let text = said(&output);
    assert!(text.contains("or died when it did") && text.contains("goldsmith gc"), "{text}");
    let text = shelf.bench.gc(shelf.vcsim());
    assert!(text.contains("\"clean\": true"), "{text}");
    assert_eq!(shelf.items().await, Vec::<String>::new());
    assert_eq!(shelf.bench.journals(), 0);
    result(&shelf.publish("node.ova", &[]));
    assert_requests_valid(shelf.vcsim());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_end_in_the_middle_are_renewed() {
    for api in [false, true] {
        let shelf = Shelf::start(api, &[]).await;
        let ova = shelf.bench.ova("node", 8);
        let child = in_the_middle(&shelf, 3_000).await;
        shelf.vcsim().expire();
        let made = result(&child.wait_with_output().unwrap());
        assert!(shelf.stored(&made, "node-disk1.vmdk") == shelf.bench.member(&ova));
        assert_requests_valid(shelf.vcsim());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_removes_the_item() {
    let shelf = Shelf::start(true, &[]).await;
    shelf.bench.ova("node", 8);
    let child = in_the_middle(&shelf, 20_000).await;
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    refused(&shelf, &child.wait_with_output().unwrap(), 130, &[]);
    assert_eq!(shelf.items().await, Vec::<String>::new());
}
