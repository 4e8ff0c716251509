//! HTTPS: the mirror's own authority must be trusted.
use super::{
    bench::{Bench, document, refused},
    mirror::{Mirror, RELEASES},
};
use crate::tls_door::Door;

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_with_its_own_authority_is_trusted_if_said() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    let ca = bench.path("ca.pem");
    let door = Door::before(mirror.port, &ca);
    // The manifests name the door.
    mirror.publish(&door.url);
    let address = format!("{}{RELEASES}", door.url);
    let arguments = ["release", "show", "1-34", "--json", "--manifest-url", &address];
    let shown = document(&bench.plain(&arguments).env("SSL_CERT_FILE", &ca).output().unwrap());
    assert!(shown["eksd"]["url"].as_str().unwrap().starts_with(&door.url));
    // A stranger is asked several times before it is given up; the copies of before are not taken from another cache.
    let mut command = bench.plain(&arguments);
    let output =
        command.env("GOLDSMITH_CACHE_DIR", bench.path("other")).env_remove("SSL_CERT_FILE").output().unwrap();
    refused(&output, 1, &["get the release manifest", "SSL_CERT_FILE"]);
}
