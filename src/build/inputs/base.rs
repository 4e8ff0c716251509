//! What a build starts from.
use super::Found;
use crate::{
    build::BuildError,
    plan::{InputKind, IsoDigest, Origin, Plan, SourcePlan},
    value::Digest,
};
use url::Url;

/// What needs it.
const SOURCE: &str = "the source";

/// Adds what the source of `plan` fetches.
pub(super) async fn collect(found: &mut Found<'_>, plan: &Plan) -> Result<(), BuildError> {
    let kept = |what: &str, where_: &str| {
        format!("{what}: it stays in {where_}, which a build must reach in any case")
    };
    match &plan.source {
        // Its packages are resolved with those of the steps.
        SourcePlan::Bootstrap(_) => {}
        SourcePlan::Disk(disk) => {
            let digest = match (&disk.digest, &disk.checksums) {
                (Some(digest), _) => Some(digest.clone()),
                (None, Some(list)) => by_list(found, list, &disk.origins).await?,
                (None, None) => None,
            };
            first(found, &disk.origins, digest.as_ref()).await;
        }
        SourcePlan::Iso(iso) => {
            let digest = match &iso.digest {
                IsoDigest::Known(digest) => Some(digest.clone()),
                IsoDigest::Listed(list) => by_list(found, list, &iso.origins).await?,
                IsoDigest::Trusted => None,
            };
            first(found, &iso.origins, digest.as_ref()).await;
            found.unknowable(
                "what the installer fetches by itself",
                SOURCE,
                Some("take a medium that holds all that is installed, such as a DVD instead of a netinst"),
            );
        }
        SourcePlan::Ami(_) => found.unknowable(kept("an AMI", "its account"), SOURCE, None),
        SourcePlan::Vsphere(_) => {
            found.unknowable(kept("a machine, template or item of a library", "its vCenter"), SOURCE, None);
        }
        SourcePlan::Nutanix(_) => found.unknowable(kept("an image", "its Prism Central"), SOURCE, None),
        SourcePlan::Cloudstack(_) => {
            found.unknowable(kept("a template or medium", "its cloud"), SOURCE, None);
        }
    }
    Ok(())
}

/// The digest of the file at `origins` by the list at `list`, which is an input itself.
async fn by_list(
    found: &mut Found<'_>,
    list: &Url,
    origins: &[Origin],
) -> Result<Option<Digest>, BuildError> {
    if let Some(url) = address(origins) {
        return found.listed(list, &url, SOURCE).await;
    }
    // A file of this host is checked against a list, too.
    found.add_file(list.clone(), None, InputKind::File, SOURCE).await;
    Ok(None)
}

/// The place that a file is downloaded from, unless this host has it already.
fn address(origins: &[Origin]) -> Option<Url> {
    let here = |origin: &Origin| match origin {
        Origin::Path(path) => path.exists(),
        Origin::Url(url) => url.scheme() == "file",
    };
    if origins.first().is_some_and(here) {
        return None;
    }
    origins.iter().find_map(|origin| match origin {
        Origin::Url(url) if url.scheme() != "file" => Some(url.clone()),
        _ => None,
    })
}

/// Adds the file under the first address: an offline build asks for each of them in turn, so one is enough.
async fn first(found: &mut Found<'_>, origins: &[Origin], digest: Option<&Digest>) {
    if let Some(url) = address(origins) {
        found.add_file(url, digest.cloned(), InputKind::Base, SOURCE).await;
    }
}
