//! Builds by the binary, as far as they come without a guest: EKS Anywhere's file, what is told, and what is left.
use super::{
    bench::{Bench, said},
    drives::base,
    faults::until,
    fixture::{Fixture, PASSWORD, USER},
    prism::state,
};
use serde_json::json;
use std::{fs, process::Stdio};

/// A definition that says nothing of the place: the file does.
const DEFINITION: &str = "name = \"web\"\narch = \"x86_64\"\n[nutanix]\nconfig = \"nutanix.json\"\n[source.nutanix]\n\
    [machine]\ndriver = \"nutanix\"\n[machine.nutanix]\nip-networks = [\"127.0.0.0/8\"]\n\
    [[output]]\nformat = \"nutanix\"\n";

fn prepared(v4: bool) -> (Bench, Fixture) {
    let (bench, prism) = (Bench::new(), Fixture::start(state(v4)));
    prism.state().images.push(base());
    fs::write(bench.path("web.toml"), DEFINITION).unwrap();
    let file = json!({
        "nutanix_endpoint": prism.url(), "nutanix_username": USER, "nutanix_password": PASSWORD,
        "nutanix_insecure": "false", "nutanix_cluster_name": "PE-cluster", "nutanix_subnet_name": "vlan173",
        "source_image_name": "base", "image_name": "ubuntu-kube", "image_size_gb": "1", "image_export": "true",
    });
    fs::write(bench.path("nutanix.json"), file.to_string()).unwrap();
    (bench, prism)
}

#[test]
fn a_build_that_is_killed_leaves_a_machine_that_gc_removes() {
    for v4 in [false, true] {
        let (bench, prism) = prepared(v4);
        // No guest is ever reached.
        prism.state().park.addresses.clear();
        let mut command = bench.plain(&["build", "web.toml", "--json"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("the machine", || prism.state().park.machines.iter().any(|machine| machine.on));
        child.kill().unwrap();
        child.wait().unwrap();
        {
            let state = prism.state();
            let machine = &state.park.machines[0];
            assert_eq!(machine.disk_bytes, 1 << 30, "of the file");
            assert!(machine.name.starts_with("web-"), "{}", machine.name);
        }
        assert_eq!(bench.journals(), 1);
        bench.gc();
        assert!(prism.state().park.machines.is_empty());
        assert_eq!((prism.state().images.len(), bench.journals()), (1, 0));
        assert_eq!(prism.wrongs(), Vec::<String>::new());
    }
}

#[test]
fn what_preflight_finds_wrong_ends_the_build_before_anything_is_made() {
    let (bench, prism) = prepared(true);
    let taken = super::prism::Kept { name: "ubuntu-kube".to_owned(), ..base() };
    prism.state().images.push(taken);
    let output = bench.plain(&["build", "web.toml"]).output().unwrap();
    let text = said(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("could not make the image `ubuntu-kube`"), "{text}");
    assert!(text.contains("choose another name, or remove it by hand"), "{text}");
    assert!(text.contains("an `[[output]]` does"), "what `image_export` means is told: {text}");
    assert!(!text.contains(PASSWORD), "{text}");
    assert!(prism.state().park.machines.is_empty());
    assert_eq!(prism.wrongs(), Vec::<String>::new());
}
