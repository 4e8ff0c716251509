//! `[output.ova]`.
#![allow(
    clippy::option_option,
    reason = "as in `Field::maybe`: without the outer one, a mistake was reported"
)]
use super::check;
use crate::{
    definition::{
        raw::Ova,
        reader::{At, Field, Reader},
        scalar::{List, Map, Text},
    },
    plan::{Firmware, OutputFormat, OvaPlan},
};
use std::collections::BTreeMap;

/// What every vSphere that is still supported has.
const HARDWARE: u32 = 15;
/// The first with UEFI Secure Boot is 13; older ones cannot say what an OVA of ours says.
const HARDWARE_VERSIONS: std::ops::RangeInclusive<u32> = 10..=99;
const NETWORK: &str = "VM Network";

/// The description of an OVA's machine; `None` within for the other formats.
pub(super) fn ova(
    field: Field<Ova>,
    format: Option<OutputFormat>,
    firmware: Option<Firmware>,
    reader: &mut Reader<'_>,
) -> Option<Option<OvaPlan>> {
    let Some(At { value: raw, span }) = field.maybe()? else {
        return Some((format == Some(OutputFormat::Ova)).then(|| OvaPlan {
            guest_os: None,
            hardware_version: HARDWARE,
            secure_boot: false,
            networks: vec![NETWORK.to_owned()],
            product: None,
            vendor: None,
            version: None,
            annotation: None,
            properties: BTreeMap::new(),
        }));
    };
    check::holds(&span, matches!(format, None | Some(OutputFormat::Ova)), reader, || {
        "only an `ova` describes a machine".to_owned()
    })?;
    let guest_os = line(raw.guest_os, reader);
    let hardware_place = raw.hardware_version.span().cloned().unwrap_or_default();
    let hardware_version = raw.hardware_version.or(HARDWARE).and_then(|version| {
        check::holds(&hardware_place, HARDWARE_VERSIONS.contains(&version), reader, || {
            let (first, last) = (HARDWARE_VERSIONS.start(), HARDWARE_VERSIONS.end());
            format!("{version} is not a hardware version: it goes from {first} to {last}")
        })
        .map(|()| version)
    });
    let secure_place = raw.secure_boot.span().cloned().unwrap_or_default();
    let secure_boot = raw.secure_boot.or(false).and_then(|secure| {
        let possible =
            firmware != Some(Firmware::Bios) && hardware_version.is_none_or(|version| version >= 13);
        check::holds(&secure_place, !secure || possible, reader, || {
            "Secure Boot needs `firmware = \"efi\"` in `[machine]` and hardware version 13 or later"
                .to_owned()
        })
        .map(|()| secure)
    });
    let networks = match raw.networks.maybe() {
        Some(None) => Some(vec![NETWORK.to_owned()]),
        Some(Some(At { value, .. })) => networks(value, reader),
        None => None,
    };
    let (vendor_place, version_place) = (raw.vendor.span().cloned(), raw.version.span().cloned());
    let product = line(raw.product, reader);
    let (vendor, version) = (line(raw.vendor, reader), line(raw.version, reader));
    if matches!(product, Some(None))
        && let Some(place) = vendor_place.or(version_place)
    {
        reader.report(&place, "who made what, or in which version, needs a `product`".to_owned());
        return None;
    }
    let annotation = match raw.annotation.maybe() {
        Some(None) => Some(None),
        Some(Some(at)) => {
            let help = "write a text without control characters";
            check::text(at, reader, |text| text.lines().all(check::is_line), "is not plain text", help)
                .map(Some)
        }
        None => None,
    };
    let properties = raw.properties.or(Map::new()).and_then(|map| properties(map, reader));
    Some(Some(OvaPlan {
        guest_os: guest_os?,
        hardware_version: hardware_version?,
        secure_boot: secure_boot?,
        networks: networks?,
        product: product?,
        vendor: vendor?,
        version: version?,
        annotation: annotation?,
        properties: properties?,
    }))
}

fn line(field: Field<Text>, reader: &mut Reader<'_>) -> Option<Option<String>> {
    let Some(at) = field.maybe()? else { return Some(None) };
    let right = |text: &str| !text.trim().is_empty() && check::is_line(text);
    check::text(at, reader, right, "is not a line of text", "write one line, or leave the key out").map(Some)
}

fn networks(list: List<Text>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let right = |text: &str| !text.trim().is_empty() && check::is_line(text);
    check::texts(list, reader, right, "is not the name of a network", "write the name as vSphere shows it")
}

fn properties(map: Map<Text>, reader: &mut Reader<'_>) -> Option<BTreeMap<String, String>> {
    let entries: Vec<Option<(String, String)>> = map
        .into_iter()
        .map(|(key, entry)| {
            check::holds(&entry.key, check::is_word(&key, "_-"), reader, || {
                format!("`{}` cannot be the key of a property", key.escape_debug())
            })?;
            let help = "write one line of text";
            let value = check::text(entry.value, reader, check::is_line, "is not a line of text", help)?;
            Some((key, value))
        })
        .collect();
    entries.into_iter().collect()
}
