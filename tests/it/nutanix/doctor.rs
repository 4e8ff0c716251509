//! What a user lacks in a Prism Central, as `doctor --nutanix` tells it.
use super::{
    bench::{Bench, said},
    fixture::{Fate, Fixture, PASSWORD, USER},
    prism::{Kept, state},
};
use crate::tls_door::Door;
use serde_json::{Value, json};

/// A bench with a file of EKS Anywhere's for this Prism Central.
fn with_file(prism: &Fixture, more: &Value) -> Bench {
    let bench = Bench::new();
    let mut file = json!({
        "nutanix_endpoint": prism.url(), "nutanix_username": USER, "nutanix_password": PASSWORD,
        "nutanix_insecure": "false", "nutanix_cluster_name": "PE-cluster", "nutanix_subnet_name": "vlan173",
        "image_name": "node-1", "source_image_name": "jammy",
    });
    for (key, value) in more.as_object().unwrap() {
        file[key] = value.clone();
    }
    std::fs::write(bench.path("nutanix.json"), file.to_string()).unwrap();
    bench
}

fn image(name: &str) -> Kept {
    Kept {
        uuid: "7b4e43e6-2b6b-4c2f-9ec5-5f0f0c6b7a01".into(),
        name: name.into(),
        bytes: vec![7; 9],
        ..Kept::default()
    }
}

/// What is told of one check.
fn one<'a>(told: &'a Value, check: &str) -> &'a Value {
    let checks = told["checks"].as_array().unwrap();
    checks.iter().find(|one| one["check"] == check).unwrap_or_else(|| panic!("{check}: {told:#}"))
}

fn doctor(bench: &Bench, code: i32, more: &[&str]) -> Value {
    let mut command = bench.plain(&["doctor", "--nutanix", "nutanix.json", "--json"]);
    let output = command.args(more).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    assert!(!said(&output).contains(PASSWORD), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

#[test]
fn all_is_well_where_all_is_there() {
    for (v4, version) in [(false, "6.5.4.5"), (true, "7.0.1")] {
        let prism = Fixture::start(state(v4));
        prism.state().images.push(image("jammy"));
        let bench = with_file(&prism, &json!({}));
        let told = doctor(&bench, 0, &[]);
        assert_eq!(told["status"], "ok", "{told:#}");
        assert!(one(&told, "cluster")["detail"].as_str().unwrap().contains(version), "{told:#}");
        assert!(one(&told, "user")["detail"].as_str().unwrap().contains("Image Builders"), "{told:#}");
        assert!(one(&told, "subnet")["detail"].as_str().unwrap().contains("`vlan173`"), "{told:#}");
        assert_eq!(prism.wrongs(), Vec::<String>::new());
        assert!(prism.calls().iter().all(|call| call.method == "GET" || call.path.ends_with("/list")));
    }
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let prism = Fixture::start(state(true));
    prism.state().images.push(image("node-1"));
    let bench = with_file(&prism, &json!({ "nutanix_subnet_name": "elsewhere" }));
    let told = doctor(&bench, 3, &[]);
    let detail = |check: &str| one(&told, check)["detail"].as_str().unwrap().to_owned();
    // Those of the cluster, and that of a virtual private cloud.
    let there = ["there is none of the name or UUID", "`vlan173`", "`overlay`"];
    assert!(there.iter().all(|part| detail("subnet").contains(part)), "{told:#}");
    assert_eq!(
        (&one(&told, "source-image")["status"], &one(&told, "images")["status"]),
        (&json!("failure"), &json!("warning"))
    );
    assert!(!one(&told, "subnet")["mend"].as_array().unwrap().is_empty());
    let told = doctor(&bench, 3, &["--cluster", "nowhere", "--network", "vlan173"]);
    let cluster = one(&told, "cluster");
    assert!(cluster["detail"].as_str().unwrap().contains("`PE-cluster`, `second`"), "{cluster}");
    // A right that is missing is told as such, and the rest is looked at all the same.
    prism.trouble(|call| {
        if call.path.contains("subnets") { Fate::Answer(403, String::new()) } else { Fate::Forward }
    });
    let told = doctor(&bench, 3, &[]);
    assert_eq!(
        (&one(&told, "subnet")["status"], &one(&told, "cluster")["status"]),
        (&json!("failure"), &json!("ok"))
    );
}

#[test]
fn a_wrong_password_and_a_stranger_are_told_apart() {
    for v4 in [false, true] {
        let prism = Fixture::start(state(v4));
        let bench = with_file(&prism, &json!({ "nutanix_password": "wrong-one" }));
        let output = bench.plain(&["doctor", "--nutanix", "nutanix.json"]).output().unwrap();
        let told = said(&output);
        assert!(!output.status.success() && told.contains("password are wrong"), "{told}");
        assert!(!told.contains("wrong-one"), "{told}");
    }
    let prism = Fixture::start(state(true));
    prism.state().images.push(image("jammy"));
    let bench = with_file(&prism, &json!({}));
    let port = prism.url().rsplit(':').next().unwrap().parse().unwrap();
    let door = Door::before(port, &bench.path("ca.pem"));
    let output =
        bench.plain(&["doctor", "--nutanix", "nutanix.json", "--server", &door.url]).output().unwrap();
    let told: String = said(&output).split_whitespace().collect();
    assert!(!output.status.success() && told.contains(&door.sha256), "{told}");
    assert!(prism.calls().is_empty());
    doctor(&bench, 0, &["--server", &door.url, "--thumbprint", &door.sha256]);
}
