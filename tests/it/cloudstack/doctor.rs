//! What a user lacks in a cloud, as `doctor --cloudstack` tells it.
use super::{
    bench::{Bench, said},
    checks,
    cloud::{KEY, SECRET},
    server::Server,
};
use crate::tls_door::Door;
use serde_json::Value;

fn doctor(bench: &Bench, server: &Server, code: i32, more: &[&str]) -> Value {
    let mut command = bench.command(server, &["doctor", "--cloudstack", "--json"]);
    let output = command.args(more).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    assert!(!said(&output).contains(SECRET), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

/// What is told of one check.
fn all<'a>(told: &'a Value, check: &str) -> Vec<&'a Value> {
    let checks = told["checks"].as_array().unwrap();
    checks.iter().filter(|one| one["check"] == check).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_and_what_is_not_is_told() {
    let (bench, server) = (Bench::new(), Server::start().await);
    let told = doctor(&bench, &server, 0, &[]);
    // It is spoken to without TLS.
    assert_eq!(told["status"], "warning", "{told:#}");
    let cloud = all(&told, "cloud")[0]["detail"].as_str().unwrap();
    assert!(cloud.contains("CloudStack 4.19.1"), "{cloud}");
    assert_eq!(all(&told, "zone").len(), all(&told, "storage-vm").len());
    assert_eq!(all(&told, "calls").len(), 1, "{told:#}");
    let zones = all(&told, "zone").len();
    assert!(zones > 1);
    let told = doctor(&bench, &server, 0, &["--zone", "Zone-A"]);
    assert_eq!(all(&told, "zone").len(), 1);
    let told = doctor(&bench, &server, 3, &["--zone", "nowhere"]);
    assert!(all(&told, "zone")[0]["detail"].as_str().unwrap().contains("Zone-A"), "{told:#}");
    let (problems, _) = checks::look(&server.calls());
    assert_eq!(problems, Vec::<String>::new());

    server.cloud().machines.denied = ["registerTemplate", "deployVirtualMachine"].into();
    server.cloud().storage_down = true;
    let told = doctor(&bench, &server, 3, &["--zone", "Zone-A"]);
    let calls = all(&told, "calls");
    assert_eq!(
        (&calls[0]["status"], &calls[1]["status"]),
        (&"failure".into(), &"warning".into()),
        "{told:#}"
    );
    assert!(calls[0]["detail"].as_str().unwrap().ends_with("registerTemplate"), "{told:#}");
    assert!(calls[1]["detail"].as_str().unwrap().ends_with("deployVirtualMachine"), "{told:#}");
    let storage = all(&told, "storage-vm")[0];
    assert_eq!(storage["status"], "failure");
    assert!(storage["detail"].as_str().unwrap().contains("Disconnected"), "{storage}");
    // Who is no administrator does not see them.
    server.cloud().machines.denied = ["listSystemVms"].into();
    let told = doctor(&bench, &server, 0, &["--zone", "Zone-A"]);
    assert!(all(&told, "storage-vm").is_empty());
    assert!(server.templates().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_section_a_file_wrong_keys_and_a_stranger() {
    let (bench, server) = (Bench::new(), Server::start().await);
    let port = server.cloud().address.rsplit(':').next().unwrap().parse().unwrap();
    let door = Door::before(port, &bench.path("ca.pem"));
    let ini = |section: &str, secret: &str| {
        format!("[{section}]\nendpoint = {}\nkey = {KEY}\nsecret = {secret}\nverify = ca.pem\n", door.url)
    };
    std::fs::write(bench.path("cloudstack.ini"), ini("lab", SECRET)).unwrap();
    std::fs::write(bench.path("other.ini"), ini("cloudstack", "not-that")).unwrap();
    let run = |arguments: &[&str]| {
        let output = bench.plain(&["doctor", "--cloudstack"]).args(arguments).output().unwrap();
        let told = said(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        (output.status.code(), told)
    };
    let (code, told) = run(&["lab"]);
    assert!(code == Some(0) && told.contains("this cloud is ready"), "{told}");
    let (code, told) = run(&["other.ini"]);
    assert!(code != Some(0) && told.contains("API key") && !told.contains("not-that"), "{told}");
    let (code, told) = run(&["nowhere"]);
    assert!(code == Some(2) && told.contains("no file has a section `nowhere`"), "{told}");
    let calls = server.calls().len();
    let other = "00".repeat(32);
    let (code, told) = run(&["lab", "--thumbprint", &other]);
    let close: String = told.split_whitespace().collect();
    assert!(code != Some(0) && close.contains(&door.sha256), "{told}");
    assert_eq!(server.calls().len(), calls, "nothing was said to a stranger");
    assert_eq!(run(&["lab", "--thumbprint", &door.sha1]).0, Some(0));
}
