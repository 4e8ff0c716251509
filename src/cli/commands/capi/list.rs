//! `goldsmith capi --list`.
use super::super::pretty;
use crate::{
    cli::{console::Console, exit::Exit, problem::Problem, theme::Tone},
    compat::capi::{self, Group},
};
use serde_json::json;

/// Groups in the order in which they are shown, with what comes out.
const GROUPS: &[(Group, &str)] = &[
    (Group::Qemu, "a qcow2, made here"),
    (Group::Kubevirt, "the same, and a container image of it for KubeVirt"),
    (Group::Raw, "a packed raw disk for bare metal, made here"),
    (Group::OvaLocal, "an OVA, made here"),
    (Group::OvaVsphere, "an OVA and a machine, made in a vCenter from a medium"),
    (Group::OvaVsphereClone, "the same from a template"),
    (Group::Nutanix, "an image of a Prism Central, made there"),
    (Group::Ami, "an AMI, made in EC2"),
];

pub(super) fn run(console: &Console) -> Result<Exit, Problem> {
    let all = capi::all();
    if console.json() {
        let targets: Vec<_> = all.iter().map(capi::Target::name).collect();
        let refused: Vec<_> =
            capi::refusals().into_iter().map(|(names, why)| json!({ "names": names, "why": why })).collect();
        console.out(&pretty(&json!({ "targets": targets, "not-built": refused }))?);
        return Ok(Exit::Ok);
    }
    let theme = console.out_theme();
    let mut text = String::new();
    for (group, what) in GROUPS {
        text.push_str(&format!(
            "{} {}\n",
            theme.paint(Tone::Strong, group.prefix()),
            theme.paint(Tone::Dim, what)
        ));
        for target in all.iter().filter(|target| target.group() == *group) {
            text.push_str(&format!("  {target}\n"));
        }
    }
    text.push_str(&format!("{}\n", theme.paint(Tone::Strong, "not built")));
    for (names, why) in capi::refusals() {
        text.push_str(&format!("  {names}  {}\n", theme.paint(Tone::Dim, why)));
    }
    console.out(text.trim_end());
    Ok(Exit::Ok)
}
