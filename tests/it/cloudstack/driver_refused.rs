//! What is wrong with a cloud or a definition is told before anything is made.
use super::{
    drives::{Drive, definition, told},
    machines::Net,
};
use test_case::test_case;

const ONE: &str = "offering = \"small\"";
const PORT: &str = "offering = \"small\"\nssh-by = \"port-forward\"\nallowed-from = [\"0.0.0.0/0\"]";

#[test_case("template = \"base\"", "", "offering = \"tiny\"", &["find the service offering `tiny`", "Small"]; "an offering that is not there")]
#[test_case("template = \"base\"", "", "offering = \"TWIN\"", &["several are called so", "(twin)", "(Twin)", "say the identifier"]; "two offerings")]
#[test_case("template = \"base\"", "", "offering = \"custom\"", &["it has no fixed numbers", "machine.cpus"]; "a custom offering without numbers")]
#[test_case("template = \"base\"", "cpus = 2", ONE, &["its numbers are fixed", "leave out"]; "a fixed offering with numbers")]
#[test_case("template = \"base\"", "", "offering = \"small\"\nnetworks = [\"dmz\"]", &["find the network `dmz`", "build-net"]; "a network that is not there")]
#[test_case("template = \"base\"", "", "offering = \"small\"\nsecurity-groups = [\"default\"]", &["the zone `Zone-A` has none"]; "security groups")]
#[test_case("template = \"none\"", "", ONE, &["find the template `none`", "base"]; "a template that is not there")]
#[test_case("template = \"base\"", "disk = \"4GiB\"", ONE, &["make a disk of 4 GiB", "has 8 GiB"]; "a disk that shrinks")]
#[test_case("template = \"base\"", "disk = \"9000MiB\"", ONE, &["whole GiB"]; "a disk of no whole size")]
#[test_case("iso = \"installer\"", "", ONE, &["choose a hypervisor", "KVM, VMware"]; "a medium without hypervisor")]
#[test_case("iso = \"installer\"", "", "offering = \"small\"\nhypervisor = \"KVM\"", &["it needs a disk offering"]; "a medium without disk")]
#[test_case("iso = \"installer\"", "", "offering = \"small\"\nhypervisor = \"KVM\"\ndisk-offering = \"any\"", &["has no size", "machine.disk"]; "a disk without size")]
#[test_case("iso = \"installer\"", "disk = \"9GiB\"", "offering = \"small\"\nhypervisor = \"KVM\"\ndisk-offering = \"8 GB\"", &["has 8 GiB"]; "a disk with two sizes")]
#[test_case("template = \"base\"", "", "offering = \"small\"\nssh-by = \"port-forward\"\nallowed-from = [\"0.0.0.0/0\"]\npublic-address = \"192.0.2.1\"", &["find the public address `192.0.2.1`"]; "an address that is not there")]
#[tokio::test]
async fn a_definition_that_does_not_fit(source: &str, machine: &str, more: &str, words: &[&str]) {
    let drive = Drive::of(&definition(source, machine, more, "name = \"web-1\"")).await;
    let error = drive.source().await.unwrap_err();
    let text = told(&error);
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
    assert!(drive.server.calls().iter().all(|call| call.command.starts_with("list")), "it only looked");
    drive.leaves_nothing().await;
}

#[test_case("name = \"web-1\", zones = [\"zone-x\"]", &["find the zone `zone-x`"]; "a zone")]
#[test_case("name = \"web-1\", os-type = \"RHEL\"", &["find the type of system `RHEL`"]; "a type of system")]
#[test_case("name = \"web-1\", tags = { goldsmith = \"x\" }", &["set the tag `goldsmith`"]; "our tag")]
#[test_case("name = \"base\"", &["there is one of that name", "goldsmith did not make it"]; "a name that is taken")]
#[test_case("name = \"base\", replace = true", &["goldsmith did not make it"]; "what is not ours")]
#[tokio::test]
async fn a_result_that_cannot_be(output: &str, words: &[&str]) {
    let drive = Drive::of(&definition("template = \"base\"", "", ONE, output)).await;
    let text = told(&drive.source().await.unwrap_err());
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
    drive.leaves_nothing().await;
}

#[tokio::test]
async fn a_cloud_that_does_not_fit() {
    let drive = Drive::of(&definition("template = \"base\"", "", PORT, "name = \"web-1\"")).await;
    drive.server.cloud().machines.denied = ["deployVirtualMachine", "associateIpAddress"].into();
    let text = told(&drive.source().await.unwrap_err());
    assert!(text.contains("may not call deployVirtualMachine, associateIpAddress"), "{text}");
    drive.server.cloud().machines.denied.clear();
    let net = |number, name, vpc| Net {
        id: uuid::Uuid::from_u128(number).to_string(),
        name,
        services: if vpc { vec!["PortForwarding"] } else { vec!["Dhcp"] },
        vpc,
    };
    drive.server.cloud().machines.networks = vec![net(1, "shared", false), net(2, "tier", true)];
    let text = told(&drive.source().await.unwrap_err());
    assert!(text.contains("none is named, and there are: shared, tier"), "{text}");
    drive.server.cloud().machines.networks.pop();
    let other = Drive { driver: drive.driver.clone(), ..drive };
    let text = told(&other.source().await.unwrap_err());
    assert!(text.contains("the network `shared` forwards no ports"), "{text}");
    other.leaves_nothing().await;

    let tier = Drive::of(&definition("template = \"base\"", "", PORT, "name = \"web-1\"")).await;
    tier.server.cloud().machines.networks = vec![net(2, "tier", true)];
    let text = told(&tier.source().await.unwrap_err());
    assert!(text.contains("virtual private cloud"), "{text}");

    let none = Drive::start().await;
    none.server.cloud().templates[0].zones[0].1 = 5;
    let text = told(&none.source().await.unwrap_err());
    assert!(text.contains("it is not ready there: 50% Downloaded"), "{text}");
}
