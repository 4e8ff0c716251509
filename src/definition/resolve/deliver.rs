//! `[seal]`, `[[output]]` and `[verify]`.
#![allow(
    clippy::option_option,
    reason = "as in `Field::maybe`: without the outer one, a mistake was reported"
)]
use super::{ami, check, cloudstack, machine, nutanix, ova, vsphere};
use crate::{
    definition::{
        problem::Span,
        raw::{Output, Seal, Verify},
        reader::{At, Field, Reader},
        scalar::{Delivery, List, One},
    },
    plan::{
        AmiPlan, CloudStackImagePlan, Compression, Firmware, NutanixImagePlan, OutputFormat, OutputPlan,
        SealPlan, VerifyPlan, VsphereImagePlan,
    },
    value::Arch,
};
use std::path::{Component, Path, PathBuf};

/// `elsewhere`: the disk is one of a vCenter's, or of another cluster's that takes back large pieces only.
pub(super) fn seal(seal: Field<Seal>, elsewhere: bool) -> Option<SealPlan> {
    match seal.maybe()? {
        None => Some(SealPlan { sysprep: true, zero: elsewhere, trim: true }),
        Some(At { value, .. }) => {
            let (sysprep, zero, trim) =
                (value.sysprep.or(true), value.zero.or(elsewhere), value.trim.or(true));
            Some(SealPlan { sysprep: sysprep?, zero: zero?, trim: trim? })
        }
    }
}

/// What a build delivers.
#[derive(Debug)]
pub(super) struct Deliveries {
    pub(super) files: Vec<OutputPlan>,
    pub(super) amis: Vec<AmiPlan>,
    /// What stays in a vCenter; of several, which are an error, the first.
    pub(super) vsphere: Option<VsphereImagePlan>,
    /// What stays in a Prism Central, likewise.
    pub(super) nutanix: Option<NutanixImagePlan>,
    /// What stays in a cloud, likewise.
    pub(super) cloudstack: Option<CloudStackImagePlan>,
}

pub(super) fn outputs(
    outputs: Field<List<Output>>,
    name: Option<&str>,
    arch: Option<Arch>,
    firmware: Option<Firmware>,
    reader: &mut Reader<'_>,
) -> Option<Deliveries> {
    let At { value: outputs, span } = outputs.required()?;
    check::holds(&span, !outputs.is_empty(), reader, || {
        "a build needs at least one `[[output]]`".to_owned()
    })?;
    let folder = super::super::out_dir(reader.inputs);
    let mut plans: Vec<(OutputPlan, Span)> = Vec::new();
    let mut amis: Vec<(AmiPlan, Span)> = Vec::new();
    let mut kept: Option<VsphereImagePlan> = None;
    let (mut in_prism, mut in_cloud): (Option<NutanixImagePlan>, Option<CloudStackImagePlan>) = (None, None);
    let mut all_right = true;
    for At { value: raw, span } in outputs {
        if let Field::Good(At { value: One(Delivery::InstanceStore), span }) = &raw.format {
            let span = span.clone();
            reader.report(&span, "EC2 has retired AMIs in instance stores").help(
                "write `format = \"ami\"`: its root is in EBS, and nothing else of the definition changes",
            );
            all_right = false;
            continue;
        }
        if let Field::Good(At { value: One(Delivery::Vsphere), .. }) = &raw.format {
            let place = raw.vsphere.span().cloned().unwrap_or(span);
            match vsphere::image(raw, name, &place, reader) {
                Some(image) => kept = kept.or(Some(image)),
                None => all_right = false,
            }
            continue;
        }
        if let Field::Good(At { value: One(Delivery::Nutanix), .. }) = &raw.format {
            match nutanix::image(raw, reader) {
                Some(image) => in_prism = in_prism.or(Some(image)),
                None => all_right = false,
            }
            continue;
        }
        if let Field::Good(At { value: One(Delivery::Cloudstack), .. }) = &raw.format {
            match cloudstack::image(raw, name, reader) {
                Some(image) => in_cloud = in_cloud.or(Some(image)),
                None => all_right = false,
            }
            continue;
        }
        if let Field::Good(At { value: One(Delivery::Ami), .. }) = &raw.format {
            let place = raw.ami.span().cloned().unwrap_or(span);
            let Some(plan) = ami_output(raw, name, arch, firmware, &place, reader) else {
                all_right = false;
                continue;
            };
            if let Some((_, first)) = amis.iter().find(|(other, _)| other.name == plan.name) {
                let first = first.clone();
                reader
                    .report(&place, format!("two AMIs are called `{}`", plan.name))
                    .label("the second one")
                    .also(first, "the first one")
                    .help("give one of them another `name`");
                all_right = false;
            }
            amis.push((plan, place));
            continue;
        }
        let place = raw.path.span().cloned().unwrap_or(span);
        let Some(plan) = output(raw, name, &folder, firmware, reader) else {
            all_right = false;
            continue;
        };
        if let Some((_, first)) = plans.iter().find(|(other, _)| other.path == plan.path) {
            let first = first.clone();
            reader
                .report(&place, format!("two outputs are written to `{}`", plan.path.display()))
                .label("the second one")
                .also(first, "the first one")
                .help("give one of them another `path`");
            all_right = false;
        }
        plans.push((plan, place));
    }
    all_right.then(|| Deliveries {
        files: plans.into_iter().map(|(plan, _)| plan).collect(),
        amis: amis.into_iter().map(|(plan, _)| plan).collect(),
        vsphere: kept,
        nutanix: in_prism,
        cloudstack: in_cloud,
    })
}

/// Reports what only a file has, an AMI, or what stays elsewhere, of what stays in `place` by the format `word`.
pub(super) fn no_file(raw: &Output, word: &str, place: &str, reader: &mut Reader<'_>) -> Option<()> {
    let of_others = [
        ("path", raw.path.span()),
        ("level", raw.level.span()),
        ("compression", raw.compression.span()),
        ("ova", raw.ova.span()),
        ("ami", raw.ami.span()),
        ("vsphere", raw.vsphere.span()),
        ("nutanix", raw.nutanix.span()),
        ("cloudstack", raw.cloudstack.span()),
    ];
    let mut right = Some(());
    for (key, span) in of_others {
        if let Some(span) = span.filter(|_| key != word) {
            let message =
                format!("what stays in {place} has no `{key}`: it is no file, but what the machine becomes");
            reader.report(span, message);
            right = None;
        }
    }
    right
}

/// An AMI, which has nothing of what a file has.
fn ami_output(
    raw: Output,
    name: Option<&str>,
    arch: Option<Arch>,
    firmware: Option<Firmware>,
    place: &Span,
    reader: &mut Reader<'_>,
) -> Option<AmiPlan> {
    let of_files = [
        ("path", raw.path.span()),
        ("level", raw.level.span()),
        ("compression", raw.compression.span()),
        ("ova", raw.ova.span()),
        ("vsphere", raw.vsphere.span()),
        ("nutanix", raw.nutanix.span()),
        ("cloudstack", raw.cloudstack.span()),
    ];
    let mut all_right = true;
    for (key, span) in of_files {
        if let Some(span) = span {
            let span = span.clone();
            reader.report(&span, format!("an AMI has no `{key}`: it is no file, but made in the account"));
            all_right = false;
        }
    }
    let ami = ami::ami(raw.ami, name, arch, firmware, place, reader)?;
    all_right.then_some(ami)
}

fn output(
    raw: Output,
    name: Option<&str>,
    folder: &Path,
    firmware: Option<Firmware>,
    reader: &mut Reader<'_>,
) -> Option<OutputPlan> {
    let format = raw.format.required().and_then(|at| match at.value.0 {
        Delivery::File(format) => Some(format),
        Delivery::Ami
        | Delivery::Vsphere
        | Delivery::Nutanix
        | Delivery::Cloudstack
        | Delivery::InstanceStore => None,
    });
    if let Some(span) = raw.ami.span() {
        let span = span.clone();
        reader.report(&span, "only an `ami` is told to Amazon").help("write `format = \"ami\"` for it");
        return None;
    }
    let keepers = [
        ("vsphere", "a vCenter", raw.vsphere.span()),
        ("nutanix", "a Prism Central", raw.nutanix.span()),
        ("cloudstack", "a cloud", raw.cloudstack.span()),
    ];
    for (word, place, span) in keepers {
        if let Some(span) = span {
            reader
                .report(span, format!("a file does not stay in {place}"))
                .help(format!("write `format = \"{word}\"` for what does"));
            return None;
        }
    }
    let path = match (raw.path.maybe(), name, format) {
        (Some(None), Some(name), Some(format)) => Some(folder.join(format!("{name}.{format}"))),
        (Some(Some(path)), ..) => {
            let right = |path: &str| {
                !path.is_empty() && !path.ends_with('/') && Path::new(path).file_name().is_some()
            };
            check::text(path, reader, right, "does not name a file", "write the path of the file to make")
                .map(|path| tidy(&folder.join(path)))
        }
        _ => None,
    };
    let compression = compression(raw.compression, format, reader);
    let level = level(raw.level, format, compression.flatten(), reader);
    let ova = ova::ova(raw.ova, format, firmware, reader);
    // A level asks for compression; zlib is what every reader knows.
    let compression = match (compression?, level?, format?) {
        (None, Some(_), OutputFormat::Qcow2) => Some(Compression::Zlib),
        (compression, ..) => compression,
    };
    Some(OutputPlan { format: format?, path: path?, level: level?, compression, ova: ova? })
}

fn compression(
    field: Field<One<Compression>>,
    format: Option<OutputFormat>,
    reader: &mut Reader<'_>,
) -> Option<Option<Compression>> {
    let Some(At { value: One(compression), span }) = field.maybe()? else { return Some(None) };
    check::holds(&span, matches!(format, None | Some(OutputFormat::Qcow2)), reader, || {
        "only a `qcow2` has a `compression`: the others have it in their name".to_owned()
    })?;
    Some(Some(compression))
}

fn level(
    field: Field<u32>,
    format: Option<OutputFormat>,
    compression: Option<Compression>,
    reader: &mut Reader<'_>,
) -> Option<Option<u32>> {
    let (Some(At { value: level, span }), Some(format)) = (field.maybe()?, format) else { return Some(None) };
    let levels = match compression {
        Some(Compression::Zstd) => OutputFormat::RawZst.levels(),
        _ => format.levels(),
    };
    let Some(levels) = levels else {
        reader.report(&span, format!("a `{format}` output has no compression level"));
        return None;
    };
    let (fast, small) = (levels.start(), levels.end());
    check::holds(&span, levels.contains(&level), reader, || {
        format!("{level} is not a compression level: it goes from {fast} (fast) to {small} (small)")
    })?;
    Some(Some(level))
}

/// `path` without `.`, so that equal paths look equal. `..` stays: it may lead through a link.
fn tidy(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

pub(super) fn verify(
    verify: Field<Verify>,
    machine_firmware: Option<Firmware>,
    arch: Option<Arch>,
    reader: &mut Reader<'_>,
) -> Option<VerifyPlan> {
    let Some(At { value: raw, .. }) = verify.maybe()? else {
        return Some(VerifyPlan { boot: true, firmware: vec![machine_firmware?], commands: Vec::new() });
    };
    let boot = raw.boot.or(true);
    let firmware = match raw.firmware.maybe() {
        Some(None) => machine_firmware.map(|firmware| vec![firmware]),
        Some(Some(list)) => each_firmware(list, arch, reader),
        None => None,
    };
    let commands_place = raw.commands.span().cloned().unwrap_or_default();
    let commands = raw.commands.or(List::new()).and_then(|list| {
        let not_empty = |command: &str| !command.trim().is_empty();
        check::texts(list, reader, not_empty, "is not a command", "write a shell command that must succeed")
    });
    if boot == Some(false) && commands.as_ref().is_some_and(|commands| !commands.is_empty()) {
        reader
            .report(&commands_place, "commands that verify need a boot, but `boot` is false")
            .help("remove `boot = false`, or the commands");
    }
    Some(VerifyPlan { boot: boot?, firmware: firmware?, commands: commands? })
}

fn each_firmware(
    list: At<List<One<Firmware>>>,
    arch: Option<Arch>,
    reader: &mut Reader<'_>,
) -> Option<Vec<Firmware>> {
    check::holds(&list.span, !list.value.is_empty(), reader, || {
        "a machine boots with some firmware: name one, or leave the key out".to_owned()
    })?;
    let mut all = Vec::new();
    let mut all_right = true;
    for item in list.value {
        match machine::available(item, arch, reader) {
            Some(firmware) if all.contains(&firmware) => {}
            Some(firmware) => all.push(firmware),
            None => all_right = false,
        }
    }
    all_right.then_some(all)
}
