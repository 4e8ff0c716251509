//! A build in a Prism Central whose machines are real guests.
#[path = "../../it/nutanix/fixture.rs"]
#[allow(dead_code, reason = "shared with the tests that boot nothing")]
mod fixture;
mod host;
#[path = "../../it/nutanix/machines.rs"]
#[allow(dead_code, reason = "shared with the tests that boot nothing")]
mod machines;
#[path = "../../it/nutanix/prism.rs"]
#[allow(dead_code, reason = "shared with the tests that boot nothing")]
mod prism;
#[path = "../../it/nutanix/schema.rs"]
mod schema;

use crate::support::{Home, base, beside, tool};
use fixture::{PASSWORD, USER};
use host::Host;
use serde_json::Value;

#[test]
fn a_build_in_a_prism_central_makes_an_image_and_a_file() {
    let _turn = beside();
    let home = Home::new("nutanix");
    let host = Host::start(&home.root.join("host"), &base().qcow2());
    let text = format!(
        "name = \"web\"\narch = \"x86_64\"\n\
         [nutanix]\nendpoint = \"{url}\"\nuser = \"{USER}\"\ncluster = \"pe-cluster\"\nsubnet = \"vlan173\"\n\
         [source.nutanix]\nimage = \"base\"\n\
         [machine]\ndriver = \"nutanix\"\ncpus = 2\nmemory = \"1GiB\"\n\
         [machine.nutanix]\nssh-port = {port}\nip-networks = [\"127.0.0.0/8\"]\nip-settle = \"1s\"\n\
         [[provision]]\nfile = {{ dest = \"/etc/web\", content = \"built in AHV\\n\" }}\n\
         [[output]]\nformat = \"nutanix\"\nnutanix = {{ name = \"web-1\", categories = {{ OS = \"debian\" }} }}\n\
         [[output]]\nformat = \"qcow2\"\n\
         [verify]\ncommands = [\"grep -q AHV /etc/web\"]\n",
        url = host.prism.url(),
        port = host.port,
    );
    let definition = home.definition("web", &text);
    let begun = std::time::Instant::now();
    let mut command = home.command();
    command.env("NUTANIX_PASSWORD", PASSWORD).args(["build", definition.to_str().unwrap()]);
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("goldsmith build: {} after {:.0?}", output.status, begun.elapsed());
    assert!(output.status.success(), "--- stdout\n{out}\n--- stderr\n{err}");
    assert_eq!(host.prism.wrongs(), Vec::<String>::new());

    let result: Value =
        serde_json::from_slice(&std::fs::read(home.out().join("result.json")).unwrap()).unwrap();
    let build = &result["builds"][0];
    let (kept, file) = (&build["kept"][0], &build["artifacts"][0]);
    assert_eq!((&kept["kind"], &kept["name"]), (&"image".into(), &"web-1".into()), "{result:#}");
    let checks = kept["verified"][0]["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["passed"] == true) && checks.len() > 3, "{checks:#?}");
    assert!(kept["verified"][0]["boot-seconds"].is_number());

    // What came here is the disk that was shut down there.
    let stopped = host.stopped();
    let [disk] = stopped.as_slice() else {
        panic!("{stopped:?}: the machine of the proof is removed, not shut down")
    };
    tool("qemu-img", &["compare", disk.to_str().unwrap(), file["path"].as_str().unwrap()], &home.root);

    // What is there is what was asked for, and nothing else.
    {
        let state = host.prism.state();
        assert!(state.park.machines.is_empty());
        let mut names: Vec<&str> = state.images.iter().map(|image| image.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["base", "web-1"]);
        let image = state.images.iter().find(|image| kept["id"] == image.uuid.as_str()).unwrap();
        assert_eq!((image.name.as_str(), image.categories.len()), ("web-1", 1));
        assert_eq!(state.categories.len(), 1);
    }
    // With it go the guests of machines that were removed a moment ago.
    drop(host);
    home.assert_clean("a build in a Prism Central");
}
