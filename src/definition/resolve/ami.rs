//! `ami` of an `[[output]]`.
use super::check;
use crate::{
    definition::{
        problem::Span,
        raw::Ami,
        reader::{At, Field, Reader},
        scalar::{Map, One, Text},
    },
    plan::{AmiPlan, AmiVolume, BootMode, Firmware},
    value::Arch,
};
use std::collections::BTreeMap;

/// The AMI of the output at `output`; `name`, `arch` and `firmware` are the image's.
pub(super) fn ami(
    field: Field<Ami>,
    name: Option<&str>,
    arch: Option<Arch>,
    firmware: Option<Firmware>,
    output: &Span,
    reader: &mut Reader<'_>,
) -> Option<AmiPlan> {
    let Some(At { value: raw, span }) = field.maybe()? else {
        return sound(AmiPlan::new(name?, arch?, boot_mode(arch?, firmware?)), &[], output, reader);
    };
    let spans = spans(&raw);
    let own_name = text(raw.name, reader);
    let description = text(raw.description, reader);
    let mode = raw.boot_mode.maybe();
    let (ena, sriov) = (raw.ena.or(true), raw.sriov.or(false));
    let (imds_v2, tpm) = (raw.imds_v2.or(true), raw.tpm.or(false));
    let uefi_data = text(raw.uefi_data, reader);
    let root_device = text(raw.root_device, reader);
    let kms_key = text(raw.kms_key, reader);
    let encrypted = raw.encrypted.or(matches!(kms_key, Some(Some(_))));
    let (size, kind) = (raw.volume_size.maybe(), raw.volume_type.maybe());
    let (iops, throughput) = (raw.iops.maybe(), raw.throughput.maybe());
    let parent = text(raw.parent, reader);
    let delete = raw.delete_on_termination.or(true);
    let tags = raw.tags.or(Map::new()).and_then(|map| tags(map, reader));
    let folder = reader.folder.clone();
    let volume = AmiVolume {
        size: size?.map(|at| at.value),
        kind: kind?.map(|At { value: One(kind), .. }| kind).unwrap_or_default(),
        iops: iops?.map(|at| at.value),
        throughput: throughput?.map(|at| at.value),
        keep: !delete?,
        encrypted: encrypted?,
        kms_key: kms_key?,
    };
    let usual = boot_mode(arch?, firmware?);
    let mode = mode?.map_or(usual, |At { value: One(mode), .. }| mode);
    let named = AmiPlan::new(own_name?.or_else(|| name.map(ToOwned::to_owned))?, arch?, mode);
    let plan = AmiPlan {
        description: description?,
        ena: ena?,
        sriov: sriov?,
        imds_v2: imds_v2?,
        tpm: tpm?,
        uefi_data: uefi_data?.map(|path| folder.join(path)),
        root_device: root_device?.unwrap_or(named.root_device.clone()),
        volume,
        parent: parent?,
        tags: tags?,
        ..named
    };
    sound(plan, &spans, &span, reader)
}

/// What the machine was built with is what the image surely boots with.
fn boot_mode(arch: Arch, firmware: Firmware) -> BootMode {
    match (arch, firmware) {
        (Arch::X86_64, Firmware::Bios) => BootMode::Bios,
        _ => BootMode::Uefi,
    }
}

/// The plan, unless Amazon would refuse it.
fn sound(
    plan: AmiPlan,
    spans: &[(&'static str, Option<Span>)],
    table: &Span,
    reader: &mut Reader<'_>,
) -> Option<AmiPlan> {
    let faults = plan.faults();
    for fault in &faults {
        let place = spans.iter().find(|(key, _)| *key == fault.key).and_then(|(_, span)| span.clone());
        reader.report(&place.unwrap_or_else(|| table.clone()), fault.why.clone());
    }
    faults.is_empty().then_some(plan)
}

/// Where each key is, by its name.
fn spans(raw: &Ami) -> [(&'static str, Option<Span>); 13] {
    [
        ("name", raw.name.span().cloned()),
        ("description", raw.description.span().cloned()),
        ("boot-mode", raw.boot_mode.span().cloned()),
        ("tpm", raw.tpm.span().cloned()),
        ("uefi-data", raw.uefi_data.span().cloned()),
        ("root-device", raw.root_device.span().cloned()),
        ("volume-size", raw.volume_size.span().cloned()),
        ("volume-type", raw.volume_type.span().cloned()),
        ("iops", raw.iops.span().cloned()),
        ("throughput", raw.throughput.span().cloned()),
        ("kms-key", raw.kms_key.span().cloned()),
        ("parent", raw.parent.span().cloned()),
        ("tags", raw.tags.span().cloned()),
    ]
}

#[allow(clippy::option_option, reason = "as of `Field::maybe`")]
fn text(field: Field<Text>, reader: &mut Reader<'_>) -> Option<Option<String>> {
    let Some(at) = field.maybe()? else { return Some(None) };
    let right = |text: &str| !text.trim().is_empty() && check::is_line(text);
    check::text(at, reader, right, "is not a line of text", "write one line, or leave the key out").map(Some)
}

fn tags(map: Map<Text>, reader: &mut Reader<'_>) -> Option<BTreeMap<String, String>> {
    let entries: Vec<Option<(String, String)>> = map
        .into_iter()
        .map(|(key, entry)| {
            let help = "write one line of text";
            let value = check::text(entry.value, reader, check::is_line, "is not a line of text", help)?;
            Some((key, value))
        })
        .collect();
    entries.into_iter().collect()
}
