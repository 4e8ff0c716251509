//! Definitions for Prism Centrals: what they become, and what is refused before anything is made.
use goldsmith::{
    definition::{Inputs, resolve},
    plan::{
        NutanixBoot, NutanixImageKind, NutanixSourcePlan, OutputFormat, Plan, SeedKind, ServerTrust,
        SourcePlan,
    },
    value::Size,
};
use std::path::Path;
use test_case::test_case;

fn resolved(text: &str) -> Result<Plan, Vec<String>> {
    resolve(text, Path::new("/images/nutanix.toml"), &Inputs::default()).map_err(|error| {
        let all = error.problems().iter();
        all.map(|problem| {
            let advice = problem.advice().map(ToString::to_string).unwrap_or_default();
            format!("{} {advice}", problem.message())
        })
        .collect()
    })
}

/// A build, with this in `[nutanix]`, in `[source.nutanix]`, in `[machine]` and `[machine.nutanix]`, and this behind it all.
fn build(place: &str, source: &str, machine: &str, more: &str) -> String {
    format!(
        "name = \"web\"\narch = \"x86_64\"\n[nutanix]\n{place}\n[source.nutanix]\n{source}\n\
         [machine]\ndriver = \"nutanix\"\n{machine}\n{more}\n"
    )
}

const IMAGE: &str = "[[output]]\nformat = \"nutanix\"\n";

#[test]
fn what_is_not_said_is_usual() {
    let plan = resolved(&build("", "image = \"ubuntu\"", "", IMAGE)).unwrap();
    let machine = plan.machine.nutanix.as_deref().unwrap();
    assert_eq!((machine.cores_per_socket, machine.disk, machine.boot), (1, None, NutanixBoot::Legacy));
    assert_eq!(machine.ssh_port, 22);
    assert!(plan.prism.is_default());
    let image = plan.nutanix.as_ref().unwrap();
    assert_eq!((image.kind, image.name.as_deref(), image.replace), (NutanixImageKind::Image, None, false));
    assert_eq!(plan.guest.seed, SeedKind::UserData);
    assert_eq!(plan.source, SourcePlan::Nutanix(NutanixSourcePlan::Image("ubuntu".to_owned())));
}

#[test]
fn all_that_can_be_said_is_in_the_plan() {
    let plan = resolved(&build(
        "endpoint = \"pc.example.com\"\nport = 443\nca-file = \"pc.pem\"\nconfig = \"nutanix.json\"\napi = \"v3\"\n\
         cluster = \"c\"\nsubnets = [\"a\", \"b\"]\nproject = \"p\"",
        "url = \"https://example.com/a.img\"",
        "cpus = 4\nmemory = \"4GiB\"\ndisk = \"20GiB\"\nfirmware = \"efi\"\n[machine.nutanix]\ncores-per-socket = 2\n\
         secure-boot = true\ncategories = { Env = [\"a\", \"b\"] }",
        "[[output]]\nformat = \"nutanix\"\nnutanix = { name = \"n\", as = \"template\", replace = true, description = \"d\" }\n\
         [[output]]\nformat = \"qcow2\"",
    ))
    .unwrap();
    let machine = plan.machine.nutanix.as_deref().unwrap();
    assert_eq!((machine.cpus, machine.cores_per_socket, machine.disk), (4, 2, Some(Size::gib(20))));
    assert_eq!(machine.boot, NutanixBoot::SecureBoot);
    assert_eq!(machine.categories.len(), 2);
    let place = &plan.prism;
    assert_eq!(place.trust, Some(ServerTrust::CaFile("/images/pc.pem".into())));
    assert_eq!((place.port, place.api.as_deref(), place.subnets.len()), (Some(443), Some("v3"), 2));
    let image = plan.nutanix.as_ref().unwrap();
    assert_eq!(
        (image.kind, image.name.as_deref(), image.replace),
        (NutanixImageKind::Template, Some("n"), true)
    );
    assert_eq!(plan.outputs[0].format, OutputFormat::Qcow2);
}

#[test_case("", "image = \"a\"\nurl = \"https://a/b\"", "", IMAGE, "only one of `image` or `url`" ; "two sources")]
#[test_case("", "image = \"a\"\ndigest = \"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"", "", IMAGE, "`digest` goes with `url`" ; "the digest of an image that is there")]
#[test_case("", "url = \"file:///a/b\"", "", IMAGE, "by `http` and `https` only" ; "an address that no cluster fetches")]
#[test_case("", &format!("url = \"https://a/b\"\ndigest = \"sha512:{}\"", "a".repeat(128)), "", IMAGE, "compares SHA-256" ; "another digest")]
#[test_case("api = \"v2\"", "image = \"a\"", "", IMAGE, "there are `v3` and `v4`" ; "a form that there is not")]
#[test_case("", "image = \"a\"", "cpus = 3\n[machine.nutanix]\ncores-per-socket = 2", IMAGE, "cannot be in sockets of 2" ; "cores that do not fit")]
#[test_case("", "image = \"a\"", "[machine.nutanix]\nsecure-boot = true", IMAGE, "needs `firmware = \"efi\"`" ; "secure boot by bios")]
#[test_case("", "image = \"a\"", "[machine.nutanix]\nip-networks = [\"a\"]", IMAGE, "is not a network" ; "no network")]
fn what_cannot_be_is_refused(place: &str, source: &str, machine: &str, more: &str, word: &str) {
    let problems = resolved(&build(place, source, machine, more)).unwrap_err();
    assert!(problems.iter().any(|problem| problem.contains(word)), "{problems:#?}");
}

#[test]
fn the_example_is_a_whole_definition() {
    let text = std::fs::read_to_string("examples/nutanix.toml").unwrap();
    let plan = resolved(&text).unwrap();
    assert!(matches!(plan.source, SourcePlan::Nutanix(NutanixSourcePlan::Url { .. })));
    assert!(plan.nutanix.unwrap().replace);
}
