//! `[source.vsphere]`, and how the build's keys come into what starts from it.
use super::super::{
    check,
    server::{is_name, name},
    source::local_file,
};
use crate::{
    definition::{
        raw::SourceVsphere,
        reader::{At, Reader},
    },
    plan::{SeedKind, SourcePlan, VsphereSourcePlan},
};

pub(in super::super) fn source(
    At { value: raw, span: header }: At<SourceVsphere>,
    reader: &mut Reader<'_>,
) -> Option<VsphereSourcePlan> {
    let from_library = raw.library.span().or(raw.item.span());
    let ways = [("clone", raw.clone.span()), ("library` with `item", from_library), ("ova", raw.ova.span())];
    if !check::exactly_one(&header, "`[source.vsphere]`", &ways, reader) {
        return None;
    }
    if raw.clone.span().is_none() {
        for (key, span) in [("linked", raw.linked.span()), ("snapshot", raw.snapshot.span())] {
            if let Some(span) = span {
                reader
                    .report(span, format!("`{key}` goes with `clone`"))
                    .help("an item and an OVA are copied as a whole; leave it out");
                return None;
            }
        }
    }
    if let Some(at) = raw.clone.maybe()? {
        let help = "write the name or the path of a machine or a template";
        let of = check::text(at, reader, is_name, "is not the name of a machine", help);
        let (linked, snapshot) =
            (raw.linked.or(false), name(raw.snapshot, "is not the name of a snapshot", reader));
        return Some(VsphereSourcePlan::Clone { of: of?, linked: linked?, snapshot: snapshot? });
    }
    if let Some(at) = raw.ova.maybe()? {
        return local_file(at, reader).map(VsphereSourcePlan::Ova);
    }
    let library = name(raw.library, "is not the name of a content library", reader)?;
    let item = name(raw.item, "is not the name of an item", reader)?;
    let (Some(library), Some(item)) = (library, item) else {
        reader.report(&header, "an item is named by `library` and `item`").label("one of them is missing");
        return None;
    };
    Some(VsphereSourcePlan::Item { library, item })
}

/// How the build's keys usually come into a machine that starts from this source.
pub(in super::super) fn seed(source: Option<&SourcePlan>) -> SeedKind {
    let names = match source {
        Some(SourcePlan::Vsphere(VsphereSourcePlan::Clone { of, .. })) => of.clone(),
        Some(SourcePlan::Vsphere(VsphereSourcePlan::Item { library, item })) => format!("{library} {item}"),
        Some(SourcePlan::Vsphere(VsphereSourcePlan::Ova(path))) => {
            path.file_name().unwrap_or_default().to_string_lossy().into_owned()
        }
        // Of a source that is wrong, nobody looks at it.
        _ => return SeedKind::NoCloud,
    };
    if super::super::seed::is_coreos(&names) { SeedKind::Ignition } else { SeedKind::UserData }
}
