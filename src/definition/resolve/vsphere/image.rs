//! `vsphere` of an `[[output]]`: what becomes of the machine.
#![allow(
    clippy::option_option,
    reason = "as in `Field::maybe`: without the outer one, a mistake was reported"
)]
use super::{
    super::{
        check,
        deliver::no_file,
        server::{is_name, name, pairs},
    },
    machine::plain,
};
use crate::{
    definition::{
        problem::Span,
        raw::{KeptAs, Output, OutputVsphere},
        reader::{At, Reader},
        scalar::{Map, One, Text},
    },
    plan::{VsphereImageKind, VsphereImagePlan},
};
use std::collections::BTreeMap;

/// A vCenter's own limit, in characters.
const LONGEST: usize = 80;
/// By how much a name gets longer while the new one takes the place of the old one (`vsphere::SUFFIX`).
const SUFFIX: usize = 17;

/// What stays in a vCenter when only files are wanted.
pub(in super::super) fn nothing(name: &str) -> VsphereImagePlan {
    VsphereImagePlan {
        name: name.to_owned(),
        kind: VsphereImageKind::Nothing,
        snapshot: None,
        tags: Vec::new(),
        attributes: BTreeMap::new(),
        description: None,
        replace: false,
    }
}

/// What stays there of the output at `place`; `image` is the image's name.
pub(in super::super) fn image(
    raw: Output,
    image: Option<&str>,
    place: &Span,
    reader: &mut Reader<'_>,
) -> Option<VsphereImagePlan> {
    let right = no_file(&raw, "vsphere", "a vCenter", reader);
    let Some(At { value: raw, .. }) = raw.vsphere.maybe()? else {
        let plan = VsphereImagePlan { kind: VsphereImageKind::Template, ..nothing(image?) };
        fitting_name(&plan, place, reader)?;
        return right.map(|()| plan);
    };
    described(raw, image, place, reader).filter(|_| right.is_some())
}

fn described(
    raw: OutputVsphere,
    image: Option<&str>,
    place: &Span,
    reader: &mut Reader<'_>,
) -> Option<VsphereImagePlan> {
    let name_at = raw.name.span().or(raw.replace.span()).cloned().unwrap_or_else(|| place.clone());
    let (snapshot_at, replace_at) = (raw.snapshot.span().cloned(), raw.replace.span().cloned());
    let attributes_at = raw.attributes.span().cloned();
    let own = name(raw.name, "is not a name", reader);
    let library_at = raw.library.span().cloned();
    let library = name(raw.library, "is not the name of a content library", reader);
    let kept_at = raw.r#as.span().cloned();
    let kept = raw.r#as.or(One(KeptAs::Template)).map(|One(kept)| kept);
    let snapshot = name(raw.snapshot, "is not the name of a snapshot", reader);
    let tags = pairs(raw.tags, ("category", "tag"), reader);
    let attributes = raw.attributes.or(Map::new()).and_then(|map| attributes(map, reader));
    let description = match raw.description.maybe() {
        Some(Some(at)) => plain(at, reader).map(Some),
        other => other.map(|_| None),
    };
    let replace = raw.replace.or(false);
    let kind = kind(kept?, library?, kept_at.as_ref().unwrap_or(place), library_at.as_ref(), reader)?;
    let in_library = matches!(kind, VsphereImageKind::LibraryOvf(_) | VsphereImageKind::LibraryTemplate(_));
    let of_machines = [("snapshot", snapshot_at), ("attributes", attributes_at)];
    for (key, span) in of_machines {
        if let (true, Some(span)) = (in_library, span) {
            reader
                .report(&span, format!("an item of a content library has no `{key}`"))
                .help("leave it out, or write `as = \"template\"`");
            return None;
        }
    }
    let plan = VsphereImagePlan {
        name: own?.or_else(|| image.map(str::to_owned))?,
        kind,
        snapshot: snapshot?,
        tags: tags?,
        attributes: attributes?,
        description: description?,
        replace: replace?,
    };
    if let (true, VsphereImageKind::LibraryTemplate(_), Some(span)) = (plan.replace, &plan.kind, replace_at) {
        reader.report(&span, "a template in a content library cannot be replaced").help(
            "give it another `name` each time, or write `as = \"library-ovf\"`, of which there are versions",
        );
        return None;
    }
    fitting_name(&plan, &name_at, reader)?;
    Some(plan)
}

fn kind(
    kept: KeptAs,
    library: Option<String>,
    kept_at: &Span,
    library_at: Option<&Span>,
    reader: &mut Reader<'_>,
) -> Option<VsphereImageKind> {
    match (kept, library) {
        (KeptAs::LibraryOvf, Some(library)) => Some(VsphereImageKind::LibraryOvf(library)),
        (KeptAs::LibraryTemplate, Some(library)) => Some(VsphereImageKind::LibraryTemplate(library)),
        (KeptAs::LibraryOvf | KeptAs::LibraryTemplate, None) => {
            reader
                .report(kept_at, "an item of a content library needs `library`")
                .help("add `library = \"…\"` with the library's name");
            None
        }
        (KeptAs::Machine | KeptAs::Template, Some(_)) => {
            reader
                .report(library_at.unwrap_or(kept_at), "`library` is for items of content libraries")
                .help("write `as = \"library-ovf\"` or `as = \"library-template\"`, or leave it out");
            None
        }
        (KeptAs::Machine, None) => Some(VsphereImageKind::Machine),
        (KeptAs::Template, None) => Some(VsphereImageKind::Template),
    }
}

fn fitting_name(plan: &VsphereImagePlan, place: &Span, reader: &mut Reader<'_>) -> Option<()> {
    if plan.name.contains(['/', '\\', '%']) {
        reader
            .report(
                place,
                format!(
                    "`{}` cannot be the name: a vCenter writes `/`, `\\` and `%` in another way",
                    plan.name
                ),
            )
            .help("leave them out; `folder` in `[vsphere]` says where it is");
        return None;
    }
    let most = if plan.replace { LONGEST - SUFFIX } else { LONGEST };
    let long = plan.name.chars().count();
    if long > most {
        let why = if plan.replace { "; with `replace` it gets longer for a while" } else { "" };
        reader
            .report(place, format!("`{}` has {long} characters, and {most} are the most{why}", plan.name))
            .help("give it another `name`");
    }
    (long <= most).then_some(())
}

fn attributes(map: Map<Text>, reader: &mut Reader<'_>) -> Option<BTreeMap<String, String>> {
    let entries: Vec<Option<(String, String)>> = map
        .into_iter()
        .map(|(key, entry)| {
            check::holds(&entry.key, is_name(&key), reader, || {
                format!("`{}` is not the name of an attribute", key.escape_debug())
            })?;
            let value =
                check::text(entry.value, reader, check::is_line, "is not a line of text", "write one line")?;
            Some((key, value))
        })
        .collect();
    entries.into_iter().collect()
}
