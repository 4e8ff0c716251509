//! AMIs in definitions: defaults, what is refused and where, and that a variable may name one.
use goldsmith::{
    definition::{self, Inputs, TemplateKind},
    plan::{BootMode, Plan, ROOT_DEVICE, VolumeKind},
    value::{Arch, Size},
};
use std::path::Path;

fn inputs() -> Inputs {
    Inputs { out_dir: Some("/srv/out".into()), host_arch: Some(Arch::X86_64), ..Inputs::default() }
}

/// The template with these outputs instead of its own.
fn with(outputs: &str) -> String {
    let template = definition::template(TemplateKind::Bootstrap);
    let head: Vec<&str> =
        template.split_inclusive('\n').take_while(|line| !line.starts_with("[[output]]")).collect();
    let tail =
        template.split_once("\n[verify]").map(|(_, tail)| format!("\n[verify]{tail}")).unwrap_or_default();
    format!("{}{outputs}\n{tail}", head.concat())
}

fn plan(outputs: &str) -> Plan {
    let text = with(outputs);
    definition::resolve(&text, Path::new("/srv/images/web.toml"), &inputs())
        .unwrap_or_else(|error| panic!("{error:?}\n{text}"))
}

fn problems(outputs: &str) -> String {
    let error =
        definition::resolve(&with(outputs), Path::new("/srv/images/web.toml"), &inputs()).unwrap_err();
    format!("{error:?}")
}

#[test]
fn an_ami_needs_nothing_but_its_format_and_stands_beside_files() {
    let plan = plan("[[output]]\nformat = \"ami\"\n\n[[output]]\nformat = \"qcow2\"\n");
    assert_eq!(plan.outputs.len(), 1);
    let [ami] = &plan.amis[..] else { panic!("{:?}", plan.amis) };
    assert_eq!(ami.name, plan.name);
    assert_eq!((ami.arch, ami.boot_mode), (Arch::X86_64, BootMode::Uefi));
    assert_eq!((ami.ena, ami.sriov, ami.imds_v2, ami.tpm), (true, false, true, false));
    assert_eq!(ami.root_device, ROOT_DEVICE);
    assert_eq!((ami.volume.kind, ami.volume.keep, ami.volume.encrypted), (VolumeKind::Gp3, false, false));
}

#[test]
fn everything_that_can_be_said_is_read() {
    let plan = plan(
        r#"
[[output]]
format = "ami"
[output.ami]
name = "web ${var.n}"
description = "a web server"
boot-mode = "uefi-preferred"
ena = false
sriov = true
imds-v2 = false
tpm = true
uefi-data = "vars.b64"
root-device = "/dev/xvda"
volume-size = "20GiB"
volume-type = "io2"
iops = 500
delete-on-termination = false
kms-key = "arn:aws:kms:eu-west-1:1:key/2"
parent = "snap-0123456789abcdef0"
tags = { team = "web" }

[var.n]
default = "7"
"#,
    );
    assert!(plan.outputs.is_empty(), "AMIs alone are fine");
    let ami = &plan.amis[0];
    assert_eq!(ami.name, "web 7");
    assert_eq!(ami.description.as_deref(), Some("a web server"));
    assert_eq!(ami.boot_mode, BootMode::UefiPreferred);
    assert_eq!((ami.ena, ami.sriov, ami.imds_v2, ami.tpm), (false, true, false, true));
    assert_eq!(ami.uefi_data.as_deref(), Some(Path::new("/srv/images/vars.b64")));
    assert_eq!(ami.root_device, "/dev/xvda");
    assert_eq!(ami.volume.size, Some(Size::gib(20)));
    assert_eq!((ami.volume.kind, ami.volume.iops), (VolumeKind::Io2, Some(500)));
    assert!(ami.volume.keep && ami.volume.encrypted, "a key means encryption");
    assert_eq!(ami.tags["team"], "web");
    assert_eq!(ami.parent.as_deref(), Some("snap-0123456789abcdef0"));
}

#[test]
fn what_amazon_would_refuse_is_told_with_its_place() {
    for (outputs, word) in [
        ("[[output]]\nformat = \"ami\"\nami = { name = \"a:b\" }", "cannot name an AMI"),
        ("[[output]]\nformat = \"ami\"\nami = { iops = 5 }", "operations a second"),
        ("[[output]]\nformat = \"ami\"\nami = { boot-mode = \"bios\", tpm = true }", "a TPM needs"),
        ("[[output]]\nformat = \"ami\"\nami = { tags = { \"aws:x\" = \"1\" } }", "Amazon's own"),
        ("[[output]]\nformat = \"ami\"\nami = { boot-mode = \"efi\" }", "is not a boot mode"),
        ("[[output]]\nformat = \"ami\"\nami = { parent = \"vol-1\" }", "neither the id of a snapshot"),
        ("[[output]]\nformat = \"ami\"\npath = \"x\"", "an AMI has no `path`"),
        ("[[output]]\nformat = \"ami\"\nlevel = 3", "an AMI has no `level`"),
        ("[[output]]\nformat = \"raw\"\nami = { ena = true }", "only an `ami` is told to Amazon"),
        ("[[output]]\nformat = \"ami\"\n[[output]]\nformat = \"ami\"", "two AMIs are called"),
    ] {
        let told = problems(outputs);
        assert!(told.contains(word), "{outputs}: {told}");
    }
}
