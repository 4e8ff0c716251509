//! `[source.nutanix]`, and how the build's keys come into what starts from it.
use super::super::{check, seed::is_coreos, server::is_name};
use crate::{
    definition::{
        raw::SourceNutanix,
        reader::{At, Reader},
    },
    plan::{NutanixSourcePlan, SeedKind, SourcePlan},
    value::DigestAlgorithm,
};

pub(in super::super) fn source(
    At { value: raw, span: header }: At<SourceNutanix>,
    reader: &mut Reader<'_>,
) -> Option<NutanixSourcePlan> {
    let ways = [("image", raw.image.span()), ("url", raw.url.span())];
    let said = ways.iter().any(|(_, span)| span.is_some());
    if said && !check::exactly_one(&header, "`[source.nutanix]`", &ways, reader) {
        return None;
    }
    if raw.url.span().is_none()
        && let Some(span) = raw.digest.span()
    {
        reader.report(span, "`digest` goes with `url`: an image that is there has its own");
        return None;
    }
    if let Some(at) = raw.image.maybe()? {
        let help = "write the name or the UUID of an image";
        return check::text(at, reader, is_name, "is not the name of an image", help)
            .map(NutanixSourcePlan::Image);
    }
    let digest = raw.digest.maybe();
    match raw.url.maybe()? {
        Some(at) => {
            check::holds(&at.span, matches!(at.value.scheme(), "http" | "https"), reader, || {
                "a cluster fetches images by `http` and `https` only".to_owned()
            })?;
            let digest = digest?;
            if let Some(digest) = &digest {
                let right = digest.value.algorithm() == DigestAlgorithm::Sha256;
                check::holds(&digest.span, right, reader, || {
                    "a Prism Central compares SHA-256: write `sha256:` and 64 digits".to_owned()
                })?;
            }
            Some(NutanixSourcePlan::Url { url: at.value, digest: digest.map(|at| at.value) })
        }
        None => Some(NutanixSourcePlan::Config),
    }
}

/// How the build's keys usually come into a machine that starts from this source.
pub(in super::super) fn seed(source: Option<&SourcePlan>) -> SeedKind {
    let name = match source {
        Some(SourcePlan::Nutanix(NutanixSourcePlan::Image(name))) => name.clone(),
        Some(SourcePlan::Nutanix(NutanixSourcePlan::Url { url, .. })) => url.to_string(),
        _ => String::new(),
    };
    if is_coreos(&name) { SeedKind::Ignition } else { SeedKind::UserData }
}
