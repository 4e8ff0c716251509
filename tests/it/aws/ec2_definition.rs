//! Definitions for EC2: what they become, and what is refused before anything is made.
use super::ec2_world::definition;
use goldsmith::{
    definition::{Inputs, resolve},
    plan::{AmiSourcePlan, Plan, Provider, SeedKind, SourcePlan, SshFrom, SshWay},
};
use std::path::Path;
use test_case::test_case;

fn resolved(text: &str) -> Result<Plan, Vec<String>> {
    resolve(text, Path::new("/ec2.toml"), &Inputs::default()).map_err(|error| {
        error
            .problems()
            .iter()
            .map(|problem| {
                let advice = problem.advice().map(ToString::to_string).unwrap_or_default();
                format!("{}: {} {advice}", problem.line().unwrap_or_default(), problem.message())
            })
            .collect()
    })
}

#[test]
fn what_is_not_said_is_as_most_want_it() {
    let text = "name = \"web\"\narch = \"aarch64\"\nsource.ami.id = \"ami-0123456789abcdef0\"\nmachine.driver = \"ec2\"\n\
                [[output]]\nformat = \"ami\"\n";
    let plan = resolved(text).unwrap();
    let ec2 = plan.machine.ec2.as_deref().unwrap();
    assert_eq!(ec2.instance_types, ["t4g.small"]);
    assert!(ec2.imds.v2_required && ec2.spot.is_none());
    assert_eq!((ec2.ssh, &ec2.ssh_from, ec2.ssh_port), (SshWay::Public, &SshFrom::Auto, 22));
    assert_eq!((plan.guest.seed, plan.guest.user.as_str()), (SeedKind::UserData, "goldsmith"));
    assert_eq!((plan.provider, plan.seal.trim), (Provider::Aws, false));
    assert_eq!((plan.outputs.len(), plan.amis.len()), (0, 1));
}

#[test]
fn everything_that_is_said_is_in_the_plan() {
    let text = definition(
        "web",
        "instance-types = [\"m7i.large\", \"m6i.large\"]\nspot = true\nmax-price = \"0.05\"\nsubnet = \"subnet-0123456789abcdef0\"\n\
         instance-profile = \"builders\"\nimds-v2 = false\nimds-hop-limit = 2\nssh = \"private\"\nssh-port = 2222\n\
         root = { size = \"20GiB\", type = \"gp3\", iops = 4000, throughput = 250, kms-key = \"alias/images\" }\ntags = { team = \"images\" }",
        "",
    );
    let ec2 = *resolved(&text).unwrap().machine.ec2.unwrap();
    assert_eq!(ec2.spot.unwrap().max_price.as_deref(), Some("0.05"));
    assert_eq!((ec2.imds.v2_required, ec2.imds.hop_limit, ec2.ssh), (false, 2, SshWay::Private));
    assert_eq!((ec2.root.iops, ec2.root.encrypted), (Some(4000), Some(true)));
    assert_eq!(ec2.ssh_from, SshFrom::Networks(vec!["192.0.2.1/32".into()]));
    assert_eq!(ec2.tags["team"], "images");
}

#[test]
fn flatcar_reads_ignition() {
    let text = definition("web", "", "").replace(
        "id = \"ami-1e749f67\"",
        "name = \"Flatcar-stable-*-hvm\"\nowners = [\"075585003325\"]\nmost-recent = true",
    );
    let plan = resolved(&text).unwrap();
    assert_eq!((plan.guest.seed, plan.guest.user.as_str()), (SeedKind::Ignition, "core"));
    let SourcePlan::Ami(AmiSourcePlan::Found(filter)) = plan.source else { panic!() };
    assert_eq!(filter.filters["name"], ["Flatcar-stable-*-hvm"]);
    assert!(filter.most_recent);
}

#[test]
fn an_encrypted_ami_is_made_of_an_encrypted_volume() {
    let text = definition("web", "", "ami.kms-key = \"arn:aws:kms:us-east-1:1:key/k\"");
    let ec2 = *resolved(&text).unwrap().machine.ec2.unwrap();
    assert_eq!(
        (ec2.root.encrypted, ec2.root.kms_key.as_deref()),
        (Some(true), Some("arn:aws:kms:us-east-1:1:key/k"))
    );
}

/// With this in `[machine.ec2]`.
#[test_case("instance-types = []", "at least one type of instance")]
#[test_case("instance-types = [\"large\"]", "is not a type of instance types read like `t3.small`")]
#[test_case("max-price = \"0.05\"", "only spot instances have a `max-price` add `spot = true`")]
#[test_case("spot = true\nmax-price = \"much\"", "is not a price")]
#[test_case("subnet = \"here\"", "is not the id of a subnet an id reads like `subnet-")]
#[test_case("security-groups = [\"sg-0123456789abcdef0\"]", "`ssh-from` is for the temporary security group")]
#[test_case("ssh = \"session-manager\"", "through the session manager, no network reaches the instance")]
#[test_case("ssh = \"tunnel\"", "is not a way to SSH")]
#[test_case("ssh-port = 0", "0 is no port")]
#[test_case("imds-hop-limit = 65", "65 is no hop limit")]
#[test_case("root = { size = \"1500MiB\" }", "is not a number of whole GiB")]
#[test_case("root = { iops = 4000 }", "`iops` needs the volume's `type`")]
#[test_case("root = { type = \"gp2\", iops = 4000 }", "a volume of type `gp2` has no number of operations")]
#[test_case("root = { encrypted = false, kms-key = \"alias/x\" }", "a volume with a `kms-key` is encrypted")]
#[test_case("tags = { \"goldsmith:build\" = \"x\" }", "goldsmith's own")]
#[test_case("surrogate = { volume = { type = \"gp3\" } }", "the volume of a `surrogate` needs a `size`")]
#[test_case("instance-type = \"t3.small\"", "instance-type")]
fn an_instance_that_cannot_be_is_refused(instance: &str, expected: &str) {
    let problems = resolved(&definition("web", instance, "")).unwrap_err();
    assert!(problems.iter().any(|problem| problem.contains(expected)), "{problems:#?}");
    assert!(problems.iter().all(|problem| !problem.starts_with("0:")), "each has its line: {problems:#?}");
}

/// With `from` replaced by `to`.
#[test_case("format = \"ami\"", "format = \"qcow2\"", "`driver = \"ec2\"` makes an `ami`")]
#[test_case(
    "format = \"ami\"",
    "format = \"ami\"\nami.tpm = true",
    "`tpm` of an AMI that is made of an instance"
)]
#[test_case(
    "format = \"ami\"",
    "format = \"ami\"\nami.parent = \"snap-0123456789abcdef0\"",
    "`parent` is for disks that are sent from this host leave it out"
)]
#[test_case(
    "format = \"ami\"",
    "format = \"ami\"\n[[output]]\nformat = \"ami\"\nami.name = \"two\"",
    "an instance becomes one AMI"
)]
#[test_case("driver = \"ec2\"", "driver = \"ec2\"\ncpus = 4", "`cpus` is for libvirt")]
#[test_case(
    "driver = \"ec2\"",
    "driver = \"ec2\"\ndisk = \"20GiB\"",
    "`disk` is for libvirt, and this machine is one of EC2's `root = {"
)]
#[test_case("driver = \"ec2\"", "driver = \"libvirt\"", "`[machine.ec2]` is for `driver = \"ec2\"`")]
#[test_case(
    "[source.ami]\nid = \"ami-1e749f67\"",
    "[source.disk]\nurl = \"https://example.org/x\"\ndigest = \"sha256:0\"",
    "an instance does not start from a `[source.disk]`"
)]
#[test_case("id = \"ami-1e749f67\"", "id = \"i-1e749f67\"", "is not the id of an AMI")]
#[test_case("id = \"ami-1e749f67\"", "id = \"ami-1e749f67\"\nssm = \"/x\"", "takes only one of")]
#[test_case(
    "id = \"ami-1e749f67\"",
    "id = \"ami-1e749f67\"\nowners = [\"self\"]",
    "`owners` goes with `name` or `filters`"
)]
#[test_case("id = \"ami-1e749f67\"", "name = \"ubuntu*\"", "an AMI that is found needs `owners`")]
#[test_case("id = \"ami-1e749f67\"", "name = \"u*\"\nowners = [\"canonical\"]", "is not an owner")]
#[test_case(
    "id = \"ami-1e749f67\"",
    "name = \"u*\"\nowners = [\"self\"]\nfilters = { root-device-type = [\"instance-store\"] }",
    "EC2 has retired AMIs in instance stores start from an AMI in EBS"
)]
#[test_case("format = \"ami\"", "format = \"instance-store\"", "EC2 has retired AMIs in instance stores")]
#[test_case("[[output]]", "[guest]\nseed = \"nocloud\"\n[[output]]", "an instance takes no `nocloud` seed")]
#[test_case("[[output]]", "[verify]\nfirmware = [\"bios\"]\n[[output]]", "EC2 chooses the firmware")]
fn a_definition_that_does_not_fit_ec2_is_refused(from: &str, to: &str, expected: &str) {
    let text = definition("web", "", "");
    assert!(text.contains(from), "{text}");
    let problems = resolved(&text.replacen(from, to, 1)).unwrap_err();
    assert!(problems.iter().any(|problem| problem.contains(expected)), "{problems:#?}");
}

#[test]
fn without_ec2_there_is_no_ami_to_start_from() {
    let text = "name = \"web\"\narch = \"x86_64\"\nsource.ami.id = \"ami-0123456789abcdef0\"\n[[output]]\nformat = \"raw\"\n";
    let problems = resolved(text).unwrap_err();
    assert!(
        problems.iter().any(|problem| problem.contains("a build from an AMI runs on EC2")),
        "{problems:#?}"
    );
    let text = "name = \"web\"\narch = \"x86_64\"\nsource.bootstrap.suite = \"bookworm\"\nguest.seed = \"ignition\"\n[[output]]\nformat = \"raw\"\n";
    let problems = resolved(text).unwrap_err();
    assert!(problems.iter().any(|problem| problem.contains("a `ignition` seed is for EC2")), "{problems:#?}");
}
