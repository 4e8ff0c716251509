//! What steps say that they download.
use super::{Found, place};
use crate::{
    build::BuildError,
    plan::{FileOrigin, InputKind, RepositoryStep, Step, StepKind, Transfer},
    value::Digest,
};
use url::Url;

/// Adds what `step`, the one with this index, fetches.
pub(super) async fn collect(found: &mut Found<'_>, index: usize, step: &Step) -> Result<(), BuildError> {
    let needed_by = place(index, step);
    match &step.kind {
        StepKind::Download(download) => transfer(found, &download.from, &needed_by).await,
        StepKind::Archive(archive) => transfer(found, &archive.from, &needed_by).await,
        StepKind::Image(image) => match &image.from {
            Some(from) => transfer(found, from, &needed_by).await,
            None => Ok(()),
        },
        StepKind::Package(package) => {
            for text in package.install.iter().filter(|wanted| wanted.contains("://")) {
                if let Some(url) = address(found, text, &needed_by)? {
                    found.add_file(url, None, InputKind::Package, &needed_by).await;
                }
            }
            Ok(())
        }
        StepKind::Repository(RepositoryStep::Rpm(rpm)) if rpm.enabled => {
            let keys = rpm.gpg_key.as_deref().unwrap_or_default().split_whitespace();
            for text in keys.filter(|key| key.contains("://") && !key.starts_with("file:")) {
                if let Some(url) = address(found, text, &needed_by)? {
                    found.add_file(url, None, InputKind::Key, &needed_by).await;
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Adds a file and where its digest is.
async fn transfer(found: &mut Found<'_>, from: &Transfer, needed_by: &str) -> Result<(), BuildError> {
    let FileOrigin::Url(text) = &from.origin else { return Ok(()) };
    let Some(url) = address(found, text, needed_by)? else { return Ok(()) };
    let said = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let digest = match (said(&from.digest), said(&from.digest_url)) {
        (Some(digest), _) => {
            let wrong = |error| super::trouble(format!("`{text}` has no digest"), needed_by, error);
            Some(digest.parse::<Digest>().map_err(wrong)?)
        }
        (None, Some(list)) => match address(found, &list, needed_by)? {
            Some(list) => found.listed(&list, &url, needed_by).await?,
            None => None,
        },
        // The step will say it itself.
        (None, None) => None,
    };
    found.add_file(url, digest, InputKind::File, needed_by).await;
    Ok(())
}

/// The address in `text`; one with a secret in it is not for any list.
pub(super) fn address(found: &mut Found<'_>, text: &str, needed_by: &str) -> Result<Option<Url>, BuildError> {
    if text.contains("${secret.") {
        let hint = "give the file an address without a secret, such as one of a server inside the site";
        found.unknowable(format!("`{text}`: its address holds a secret"), needed_by, Some(hint));
        return Ok(None);
    }
    let wrong = |error| super::trouble(format!("`{text}` is no address"), needed_by, error);
    Url::parse(text).map(Some).map_err(wrong)
}
