//! HTTPS to the API and to the storage VM: who is trusted.
use super::{
    bench::{Bench, result, said},
    cloud::{KEY, SECRET},
    server::Server,
};
use crate::tls_door::Door;
use std::path::Path;

/// Uploads go through the door, too.
fn door(server: &Server, ca: &Path) -> Door {
    let port = server.cloud().address.rsplit(':').next().unwrap().parse().unwrap();
    let door = Door::before(port, ca);
    server.cloud().storage = Some(door.url.clone());
    door
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_is_trusted_by_its_authority_or_not_at_all() {
    let (bench, server) = (Bench::new(), Server::start().await);
    let bytes = bench.image("web.qcow2", 8);
    let door = door(&server, &bench.path("ca.pem"));
    let publish = |name: &str, more: &[&str]| {
        bench
            .plain(&["publish", "cloudstack", "web.qcow2", "--zone", "Zone-A", "--json", "--name", name])
            .args(["--endpoint", &door.url])
            .args(more)
            .env("CLOUDSTACK_KEY", KEY)
            .env("CLOUDSTACK_SECRET", SECRET)
            .output()
            .unwrap()
    };
    let output = publish("none", &[]);
    assert!(output.status.code() == Some(3) && said(&output).contains("--ca-file"), "{}", said(&output));
    assert!(server.calls().is_empty(), "nothing was said to a stranger");
    result(&publish("by-authority", &["--ca-file", "ca.pem"]));
    result(&publish("by-nothing", &["--insecure"]));
    let arrived: Vec<bool> = server.templates().iter().map(|template| template.bytes == bytes).collect();
    assert_eq!(arrived, [true, true]);
    // A storage VM with a certificate of another authority.
    let other = self::door(&server, &bench.path("other.pem"));
    let begun = std::time::Instant::now();
    let output = publish("other", &["--ca-file", "ca.pem"]);
    assert!(
        said(&output).contains("storage VMs have an address and a certificate of their own"),
        "{}",
        said(&output)
    );
    // The cloud waits for that upload and lets nobody delete it. We do not wait with it, but remember.
    assert!(begun.elapsed() < std::time::Duration::from_secs(60));
    assert_eq!((output.status.code(), bench.journals()), (Some(4), 1), "{}", said(&output));
    server.cloud().templates[2].state = "UploadAbandoned";
    let mut gc = bench.plain(&["gc", "--json"]);
    let output = gc.env("CLOUDSTACK_KEY", KEY).env("CLOUDSTACK_SECRET", SECRET).output().unwrap();
    assert!(said(&output).contains("\"clean\": true"), "{}", said(&output));
    assert_eq!((server.templates().len(), bench.journals()), (2, 0));
    assert_ne!(other.url, door.url);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_is_known_by_its_thumbprint_which_a_refusal_tells() {
    let (bench, server) = (Bench::new(), Server::start().await);
    bench.image("web.qcow2", 8);
    let door = door(&server, &bench.path("ca.pem"));
    // A storage VM has a certificate of its own; this one has none.
    server.cloud().storage = None;
    let publish = |name: &str, more: &[&str]| {
        bench
            .plain(&["publish", "cloudstack", "web.qcow2", "--zone", "Zone-A", "--json", "--name", name])
            .args(["--endpoint", &door.url])
            .args(more)
            .env("CLOUDSTACK_KEY", KEY)
            .env("CLOUDSTACK_SECRET", SECRET)
            .output()
            .unwrap()
    };
    let output = publish("none", &[]);
    let told: String = said(&output).split_whitespace().collect();
    assert!(output.status.code() == Some(3) && told.contains(&door.sha256), "{}", said(&output));
    let other = "00".repeat(20);
    let output = publish("other", &["--thumbprint", &other]);
    let told: String = said(&output).split_whitespace().collect();
    assert!(output.status.code() == Some(3) && told.contains(&door.sha256), "{}", said(&output));
    assert!(server.calls().is_empty(), "nothing was said to a stranger");
    result(&publish("by-sha256", &["--thumbprint", &door.sha256]));
    result(&publish("by-sha1", &["--thumbprint", &door.sha1.to_lowercase().replace(':', "")]));
    assert_eq!(server.templates().len(), 2);
}
