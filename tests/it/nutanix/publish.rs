//! Whole publishes in both dialects: the bytes that arrive are those of the file.
use super::{
    bench::{Bench, said},
    fixture::{Fixture, PASSWORD, USER},
    prism::{CLUSTER, Kept, sha256, state},
};
use base64::Engine as _;
use serde_json::json;
use std::{io::Write as _, path::Path, process::Stdio};

/// Runs a test in both dialects.
fn both(test: impl Fn(&Bench, &Fixture, &str)) {
    for (v4, api) in [(false, "v3"), (true, "v4")] {
        test(&Bench::new(), &Fixture::start(state(v4)), api);
    }
}

#[test]
fn a_disk_becomes_an_image_with_the_same_bytes() {
    both(|bench, prism, api| {
        let bytes = bench.qcow2("node", 9);
        prism.state().slowness = 2;
        let line = bench.published(
            prism,
            &["node.qcow2", "--cluster", "pe-CLUSTER", "--cluster", CLUSTER, "--description", "Ubuntu 24.04"],
        );
        assert_eq!((line["api"].as_str(), line["name"].as_str()), (Some(api), Some("node")));
        assert_eq!(line["sha256"], sha256(&bytes));
        assert_eq!(line["bytes-sent"], bytes.len());
        assert_eq!((&line["reused"], &line["repeated"]), (&json!(false), &json!(0)));
        let state = prism.state();
        let [image] = state.images.as_slice() else { panic!("{api}: {} images", state.images.len()) };
        assert_eq!(line["uuid"], image.uuid);
        assert!(image.bytes == bytes, "{api}: other bytes arrived");
        assert_eq!(image.clusters, [CLUSTER]);
        assert_eq!(image.image_type, "DISK_IMAGE");
        assert!(image.description.starts_with("Ubuntu 24.04\n(goldsmith-build="), "{}", image.description);
        assert!(state.uploads.is_empty());
    });
}

#[test]
fn a_large_disk_goes_in_parts_whose_signatures_are_those_of_botocore() {
    let (bench, prism) = (Bench::new(), Fixture::start(state(true)));
    let bytes = bench.raw("big.raw", 70);
    let line = bench.published(&prism, &["big.raw"]);
    assert_eq!(line["bytes"], 70 << 20);
    assert!(prism.state().images[0].bytes == bytes, "other bytes arrived");
    let parts = prism.calls().iter().filter(|call| call.parameter("partNumber").is_some()).count();
    assert_eq!(parts, 5);
    let small = bench.raw("small.raw", 2);
    bench.published(&prism, &["small.raw"]);
    assert!(prism.state().images[1].bytes == small, "other bytes arrived");
    // What its own signature would be is asked of Amazon's library.
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin/python3");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/nutanix/check_signatures.py");
    let mut check = std::process::Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let key = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let mut stdin = check.stdin.take().unwrap();
    let calls = prism.calls();
    let signed: Vec<_> = calls.iter().filter(|call| call.path.contains("/objects/")).collect();
    assert_eq!(signed.len(), 8, "begin, five parts, end; and one at once");
    for call in signed {
        let query = if call.raw_query.is_empty() { String::new() } else { format!("?{}", call.raw_query) };
        let line = json!({
            "method": call.method,
            "url": format!("{}{}{query}", prism.url(), call.path),
            "date": call.header("x-amz-date"),
            "payload": call.header("x-amz-content-sha256"),
            "authorization": call.header("authorization"),
            "key": key,
        });
        writeln!(stdin, "{line}").unwrap();
    }
    drop(stdin);
    let output = check.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[cfg(feature = "aws")]
#[test]
fn moto_takes_the_parts_and_gives_up_what_failed() {
    let (bench, prism) = (Bench::new(), Fixture::start(state(true)));
    let moto = crate::aws::moto::Moto::bare();
    prism.keep_objects_in(moto.port());
    let bytes = bench.raw("big.raw", 50);
    bench.published(&prism, &["big.raw"]);
    assert!(prism.state().images[0].bytes == bytes, "other bytes arrived");
    let key = |prism: &Fixture| prism.state().objects.keys().next().cloned().unwrap();
    assert!(prism.object(moto.port(), &key(&prism)).is_some_and(|object| object == bytes));
    prism.state().objects.clear();
    prism.state().fail = Some("no disk".to_owned());
    let why = bench.refused(&prism, 1, &["big.raw", "--name", "other"]);
    assert!(why.contains("no disk"), "{why}");
    assert_eq!(prism.object(moto.port(), &key(&prism)), None, "what was sent in vain is removed");
}

#[test]
fn the_file_of_eks_anywhere_says_it_all() {
    both(|bench, prism, _| {
        bench.qcow2("disk", 3);
        let file = json!({
            "nutanix_cluster_name": "PE-cluster", "nutanix_cluster_uuid": "", "image_name": "ubuntu-2204-kube-v1-31",
            "image_size_gb": "10", "image_url": "https://example.com/jammy.img", "image_export": "false",
            "nutanix_subnet_name": "subnet-1", "nutanix_endpoint": prism.url(), "nutanix_insecure": "false",
            "nutanix_port": "9440", "nutanix_username": USER, "nutanix_password": PASSWORD,
        });
        std::fs::write(bench.path("nutanix.json"), file.to_string()).unwrap();
        let output =
            bench.plain(&["publish", "nutanix", "disk.qcow2", "--config", "nutanix.json"]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let state = prism.state();
        assert_eq!((state.images[0].name.as_str(), state.images.len()), ("ubuntu-2204-kube-v1-31", 1));
        assert_eq!(state.images[0].clusters, [CLUSTER]);
        // The UUID, for scripts.
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), state.images[0].uuid);
        assert!(String::from_utf8_lossy(&output.stderr).contains("PE-cluster"), "{}", said(&output));
        assert_eq!(prism.wrongs(), Vec::<String>::new());
    });
}

#[test]
fn a_cluster_fetches_from_an_address() {
    both(|bench, prism, api| {
        let bytes = bench.qcow2("disk", 3);
        let url = "https://example.com/images/node.qcow2?x=1";
        prism.state().web.insert(url.to_owned(), bytes.clone());
        let digest = sha256(&bytes);
        let line = bench.published(prism, &["--url", url, "--checksum", &digest, "--name", "node"]);
        assert_eq!((&line["bytes-sent"], &line["bytes"]), (&json!(0), &json!(bytes.len())));
        assert!(prism.state().images[0].bytes == bytes);
        // Another digest is a failure that the cluster finds.
        let other = sha256(b"another");
        let why = bench.refused(prism, 1, &["--url", url, "--checksum", &other, "--name", "other"]);
        assert!(why.contains("Checksum of the image does not match"), "{api}: {why}");
        assert_eq!(prism.state().images.len(), 1);
        let why = bench.refused(prism, 2, &["--url", "https://u:s3cret@example.com/x", "--name", "x"]);
        assert!(why.contains("tells a user") && !why.contains("s3cret"), "{why}");
        let why = bench.refused(prism, 2, &["--url", "ftp://example.com/x", "--name", "x"]);
        assert!(why.contains("no address that a cluster fetches from"), "{why}");
    });
}

#[test]
fn the_same_bytes_are_not_sent_twice_and_others_only_on_request() {
    both(|bench, prism, api| {
        bench.qcow2("node", 5);
        let first = bench.published(prism, &["node.qcow2"]);
        let second = bench.published(prism, &["node.qcow2"]);
        assert_eq!((&second["reused"], &second["uuid"]), (&json!(true), &first["uuid"]), "{api}");
        assert_eq!(second["bytes-sent"], 0);
        let other = bench.qcow2("node", 7);
        let why = bench.refused(prism, 1, &["node.qcow2"]);
        assert!(why.contains("there already") && why.contains("--replace"), "{why}");
        let third = bench.published(prism, &["node.qcow2", "--replace"]);
        assert_eq!(third["replaced"], json!([first["uuid"]]));
        assert!(prism.state().images.len() == 1 && prism.state().images[0].bytes == other);
        // What others made stays, whatever is said.
        let foreign = Kept {
            uuid: uuid::Uuid::new_v4().to_string(),
            name: "theirs".into(),
            bytes: b"x".into(),
            ..Kept::default()
        };
        prism.state().images.push(foreign);
        for more in [&["--replace"][..], &[]] {
            let mut arguments = vec!["node.qcow2", "--name", "theirs"];
            arguments.extend(more);
            bench.refused(prism, 1, &arguments);
        }
        assert_eq!(prism.state().images.len(), 2);
    });
}

#[test]
fn categories_are_made_once_and_stay() {
    both(|bench, prism, api| {
        bench.qcow2("a", 3);
        bench.qcow2("b", 4);
        let named = ["--category", "OS=Ubuntu 24.04", "--category", "Team=web"];
        for image in ["a.qcow2", "b.qcow2"] {
            let mut arguments = vec![image];
            arguments.extend(named);
            bench.published(prism, &arguments);
        }
        let state = prism.state();
        assert_eq!(state.categories.len(), 2, "{api}");
        for image in &state.images {
            assert_eq!(image.categories.len(), 2, "{api}: {:?}", image.categories);
        }
        if api == "v3" {
            assert_eq!(state.images[0].categories, ["OS=Ubuntu 24.04", "Team=web"]);
        } else {
            assert_eq!(state.images[1].categories[0], state.categories[0].3);
        }
    });
}

#[test]
fn lists_are_read_to_their_end() {
    both(|bench, prism, api| {
        bench.qcow2("a", 3);
        for number in 0..120 {
            let cluster = (uuid::Uuid::new_v4().to_string(), format!("more-{number}"), "AOS");
            prism.state().clusters.push(cluster);
        }
        prism.state().page = Some(50);
        let line = bench.published(prism, &["a.qcow2", "--cluster", "MORE-119"]);
        assert_eq!(line["clusters"][0]["name"], "more-119", "{api}");
    });
}

#[test]
fn the_dialect_is_what_the_server_has_unless_it_is_said() {
    let (bench, prism) = (Bench::new(), Fixture::start(state(true)));
    bench.qcow2("a", 3);
    assert_eq!(bench.published(&prism, &["a.qcow2", "--api", "v3"])["api"], "v3");
    assert_eq!(prism.count("GET", "/api/vmm"), 0);
    let older = Fixture::start(state(false));
    let why = bench.refused(&older, 1, &["a.qcow2", "--api", "v4"]);
    assert!(why.contains("404"), "{why}");
}

#[test]
fn what_a_prism_central_does_not_take_is_refused_before_anything() {
    let (bench, prism) = (Bench::new(), Fixture::start(state(true)));
    bench.raw("a.raw", 3);
    for (output, word) in [("a.vmdk", "vmdk"), ("a.raw.gz", "goldsmith convert"), ("a.ova", "ova")] {
        let made = bench.plain(&["convert", "a.raw", "-o", output]).output().unwrap();
        assert!(made.status.success(), "{}", said(&made));
        let why = bench.refused(&prism, 2, &[output]);
        assert!(why.contains(word) && why.contains("goldsmith convert"), "{why}");
    }
    let long = "x".repeat(257);
    for arguments in [&["a.raw", "--name", &long][..], &["a.raw", "--category", "a="], &["none.qcow2"]] {
        bench.refused(&prism, 2, arguments);
    }
    assert_eq!(prism.count("POST", "/"), 0);
}
