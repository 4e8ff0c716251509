//! `[source.cloudstack]`, and how the build's keys come into what starts from it.
use super::super::{check, seed::is_coreos, server::is_name};
use crate::{
    definition::{
        raw::SourceCloudstack,
        reader::{At, Reader},
    },
    plan::{CloudStackSourcePlan, SeedKind, SourcePlan},
};

pub(in super::super) fn source(
    At { value: raw, span: header }: At<SourceCloudstack>,
    reader: &mut Reader<'_>,
) -> Option<CloudStackSourcePlan> {
    let ways = [("template", raw.template.span()), ("iso", raw.iso.span())];
    if !check::exactly_one(&header, "`[source.cloudstack]`", &ways, reader) {
        return None;
    }
    let help = "write its name or its identifier";
    if let Some(at) = raw.template.maybe()? {
        return check::text(at, reader, is_name, "is not the name of a template", help)
            .map(CloudStackSourcePlan::Template);
    }
    let iso = raw.iso.maybe()??;
    check::text(iso, reader, is_name, "is not the name of a medium", help).map(CloudStackSourcePlan::Iso)
}

/// How the build's keys usually come into a machine that starts from this source.
pub(in super::super) fn seed(source: Option<&SourcePlan>) -> SeedKind {
    let name = match source {
        Some(SourcePlan::Cloudstack(
            CloudStackSourcePlan::Template(name) | CloudStackSourcePlan::Iso(name),
        )) => name.as_str(),
        _ => "",
    };
    if is_coreos(name) { SeedKind::Ignition } else { SeedKind::UserData }
}
