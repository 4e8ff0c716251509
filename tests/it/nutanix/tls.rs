//! HTTPS to a Prism Central: who is trusted.
use super::{
    bench::{Bench, said},
    fixture::{Fixture, PASSWORD, USER},
    prism::state,
};
use crate::tls_door::Door;
use std::process::Output;

#[test]
fn a_prism_central_is_known_by_its_thumbprint_its_authority_or_not_at_all() {
    let (bench, prism) = (Bench::new(), Fixture::start(state(true)));
    bench.qcow2("node", 2);
    let port = prism.url().rsplit(':').next().unwrap().parse().unwrap();
    let door = Door::before(port, &bench.path("ca.pem"));
    let publish = |name: &str, more: &[&str]| -> Output {
        bench
            .plain(&["publish", "nutanix", "node.qcow2", "--json", "--name", name, "--endpoint", &door.url])
            .args(more)
            .env("NUTANIX_USER", USER)
            .env("NUTANIX_PASSWORD", PASSWORD)
            .output()
            .unwrap()
    };
    let (other, sha1) = ("00".repeat(32), door.sha1.to_lowercase());
    for (name, more) in [("none", vec![]), ("other", vec!["--thumbprint", &other])] {
        let output = publish(name, &more);
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        // Messages are broken into lines.
        let told: String = said(&output).split_whitespace().collect();
        assert!(told.contains(&door.sha256), "{}", said(&output));
    }
    assert!(prism.calls().is_empty(), "nobody's password went to a stranger");
    for (name, more) in [
        ("sha256", vec!["--thumbprint", door.sha256.as_str()]),
        ("sha1", vec!["--thumbprint", sha1.as_str()]),
        ("authority", vec!["--ca-file", "ca.pem"]),
        ("nothing", vec!["--insecure"]),
    ] {
        let output = publish(name, &more);
        assert!(output.status.success(), "{name}: {}", said(&output));
    }
    assert_eq!(prism.state().images.len(), 4);
    // Two ways at once are none.
    let output = publish("both", &["--insecure", "--thumbprint", &door.sha256]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}
