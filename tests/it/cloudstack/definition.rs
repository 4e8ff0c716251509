//! Definitions for clouds of CloudStack: what they become, and what is refused before anything is made.
use super::drives::definition;
use goldsmith::{
    definition::{Inputs, resolve},
    plan::{CloudStackBoot, CloudStackSourcePlan, CloudStackWay, Plan, SeedKind, SourcePlan},
    value::Size,
};
use std::path::Path;
use test_case::test_case;

fn resolved(text: &str) -> Result<Plan, Vec<String>> {
    resolve(text, Path::new("/images/cloud.toml"), &Inputs::default()).map_err(|error| {
        let advice = |problem: &goldsmith::definition::Problem| {
            problem.advice().map(ToString::to_string).unwrap_or_default()
        };
        error.problems().iter().map(|problem| format!("{} {}", problem.message(), advice(problem))).collect()
    })
}

#[test]
fn what_is_not_said_is_the_clouds() {
    let plan = resolved(&definition("template = \"base\"", "", "offering = \"small\"", "")).unwrap();
    let machine = plan.machine.cloudstack.as_deref().unwrap();
    assert_eq!((machine.cpus, machine.memory, machine.disk, machine.boot), (None, None, None, None));
    assert_eq!((machine.ssh_port, &machine.ssh_by), (22, &CloudStackWay::Address));
    assert_eq!(plan.guest.seed, SeedKind::UserData);
    let image = plan.cloudstack.as_ref().unwrap();
    assert_eq!((image.name.as_str(), image.stays, image.extractable), ("web", true, false));
}

#[test]
fn all_that_can_be_said_is_in_the_plan() {
    let text = definition(
        "iso = \"installer\"",
        "cpus = 3\nmemory = \"2GiB\"\ndisk = \"8GiB\"",
        "offering = \"custom\"\ndisk-offering = \"any\"\nhypervisor = \"KVM\"\nboot = \"uefi\"\nssh-by = \"port-forward\"\n\
         allowed-from = [\"192.0.2.0/24\"]\npublic-address = \"198.51.100.9\"\npublic-port = 2022",
        "name = \"web-1\", zones = [\"b\"], replace = true",
    );
    let plan = resolved(&text).unwrap();
    let machine = plan.machine.cloudstack.as_deref().unwrap();
    assert_eq!((machine.cpus, machine.memory), (Some(3), Some(Size::gib(2))));
    assert_eq!((machine.disk, machine.boot), (Some(Size::gib(8)), Some(CloudStackBoot::Uefi)));
    let way = CloudStackWay::PortForward { address: Some("198.51.100.9".to_owned()), port: Some(2022) };
    assert_eq!(machine.ssh_by, way);
    let source = CloudStackSourcePlan::Iso("installer".to_owned());
    assert_eq!(plan.source, SourcePlan::Cloudstack(source));
}

#[test_case("template = \"a\"\niso = \"b\"", "", "offering = \"small\"", "", "template"; "two sources")]
#[test_case("template = \"a\"", "firmware = \"efi\"", "offering = \"small\"", "", "`boot` in `[machine.cloudstack]`"; "firmware")]
#[test_case("template = \"a\"", "", "offering = \"small\"\nssh-by = \"port-forward\"", "", "`allowed-from` must say"; "a port for everybody")]
#[test_case("template = \"a\"", "", "offering = \"small\"\npublic-port = 22", "", "is for a port forward"; "a port without forward")]
#[test_case("template = \"a\"", "", "offering = \"small\"\nip-networks = [\"10.0.0.1\"]", "", "is not a network"; "no network")]
#[test_case("template = \"a\"", "", "", "", "offering"; "no offering")]
fn what_cannot_be_is_refused(source: &str, machine: &str, more: &str, output: &str, words: &str) {
    let problems = resolved(&definition(source, machine, more, output)).unwrap_err();
    assert!(problems.iter().any(|problem| problem.contains(words)), "{problems:?}");
}

#[test]
fn the_example_is_a_whole_definition() {
    let text = std::fs::read_to_string("examples/cloudstack.toml").unwrap();
    let plan = resolved(&text).unwrap();
    let machine = plan.machine.cloudstack.as_deref().unwrap();
    let way = CloudStackWay::PortForward { address: None, port: None };
    assert_eq!((machine.disk, &machine.ssh_by), (Some(Size::gib(20)), &way));
    assert_eq!(plan.cloudstack.unwrap().zones, ["zone2"]);
}
