//! A build in a cloud of CloudStack whose machines are real guests.
#[path = "../../it/cloudstack/cloud.rs"]
#[allow(dead_code, reason = "shared with the tests that boot nothing")]
mod cloud;
mod host;
#[path = "../../it/cloudstack/machines.rs"]
#[allow(dead_code, reason = "shared with the tests that boot nothing")]
mod machines;
#[path = "../../it/cloudstack/server.rs"]
#[allow(dead_code, reason = "shared with the tests that boot nothing")]
mod server;
#[path = "../../it/cloudstack/storage.rs"]
#[allow(dead_code, reason = "shared with the tests that boot nothing")]
mod storage;

use crate::support::{Home, base, beside, tool};
use cloud::{KEY, SECRET};
use host::Host;
use serde_json::Value;

#[test]
fn a_template_becomes_another_one_by_real_guests() {
    let _turn = beside();
    let home = Home::new("cloudstack");
    let host = Host::start(&home.root.join("host"), &base().qcow2(), "base");
    let text = format!(
        "name = \"web\"\narch = \"x86_64\"\n\
         [secret.cloud-key]\nenv = \"THE_KEY\"\n[secret.cloud-secret]\nenv = \"THE_SECRET\"\n\
         [cloudstack]\nendpoint = \"{}\"\nkey = \"cloud-key\"\nsecret = \"cloud-secret\"\nzone = \"Zone-A\"\n\
         [source.cloudstack]\ntemplate = \"base\"\n\
         [machine]\ndriver = \"cloudstack\"\n\
         [machine.cloudstack]\noffering = \"small\"\nssh-by = \"port-forward\"\nallowed-from = [\"127.0.0.0/8\"]\n\
         [[provision]]\nfile = {{ dest = \"/etc/web\", content = \"built in a cloud\\n\" }}\n\
         [[output]]\nformat = \"cloudstack\"\ncloudstack = {{ name = \"web-1\", tags = {{ team = \"ops\" }} }}\n\
         [[output]]\nformat = \"qcow2\"\n",
        host.server.url(),
    );
    let definition = home.definition("web", &text);
    let begun = std::time::Instant::now();
    // The keys come by the definition's secrets: undo must not need others.
    let mut command = home.command();
    command.env("THE_KEY", KEY).env("THE_SECRET", SECRET).args(["build", definition.to_str().unwrap()]);
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("goldsmith build: {} after {:.0?}", output.status, begun.elapsed());
    assert!(output.status.success(), "--- stdout\n{out}\n--- stderr\n{err}");
    let result: Value =
        serde_json::from_slice(&std::fs::read(home.out().join("result.json")).unwrap()).unwrap();
    let build = &result["builds"][0];
    let (kept, file) = (&build["kept"][0], &build["artifacts"][0]);
    assert_eq!((&kept["kind"], &kept["name"]), (&"template".into(), &"web-1".into()), "{result:#}");
    let checks = kept["verified"][0]["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["passed"] == true) && checks.len() > 4, "{checks:#?}");
    assert!(kept["verified"][0]["boot-seconds"].is_number());

    // What came here is the disk that was shut down there.
    assert_eq!(host.shut_down(), 1, "the machine of the proof is removed, not shut down");
    let exported = file["path"].as_str().unwrap();
    tool("qemu-img", &["compare", host.last_disk().to_str().unwrap(), exported], &home.root);

    // What is there is what was asked for, and nothing else.
    {
        let cloud = host.server.cloud();
        let machines = &cloud.machines;
        assert!(machines.all.is_empty() && machines.addresses.is_empty() && machines.rules.is_empty());
        let [base, made] = cloud.templates.as_slice() else { panic!("{:?}", cloud.templates.len()) };
        assert_eq!((&base.id, kept["id"].as_str().unwrap()), (&host.base, made.id.as_str()));
        let keys: Vec<&str> = made.tags.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!((keys, made.params["displaytext"].as_str()), (vec!["goldsmith", "team"], "web-1"));
    }
    // With it go the guests of machines that were removed a moment ago.
    drop(host);
    home.assert_clean("a build in a cloud");
}
