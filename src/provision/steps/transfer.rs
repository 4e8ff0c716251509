//! Files from elsewhere: found, recognised by their digest, and brought into the guest.
use super::{edit::GET, file};
use crate::{
    cx::Cx,
    fetch::{Fetched, Fetcher},
    guest::{Command, Target, capture, quote},
    plan::{FileOrigin, Transfer, Via},
    provision::{
        Secrets,
        runner::{StepError, Worker},
        secrets::Place,
    },
    value::{Digest, digest_of},
};
use std::path::Path;
use url::Url;

/// A file with digests is not larger than this.
const LARGEST_SUMS: usize = 4 << 20;

/// A file of the guest that a step works with.
#[derive(Debug)]
pub(super) struct Arrived {
    /// Where it is.
    pub(super) path: String,
    /// What it was called, which may tell its kind.
    pub(super) name: String,
    /// It was brought for the step only.
    pub(super) temporary: bool,
}

/// Brings the file to `target`.
pub(super) async fn bring(
    worker: &Worker<'_>,
    secrets: &Secrets,
    from: &Transfer,
    target: &Target,
) -> Result<(), StepError> {
    match &from.origin {
        FileOrigin::Guest(path) => {
            // Only `archive` and `image` have such, and use it where it is.
            Err(StepError::value("origin of a download", path, "it is in the guest already".to_owned()))
        }
        FileOrigin::Host(path) => {
            let found = here(worker.cx, worker.fetcher, path, from).await?;
            worker.send(&found.path, target).await
        }
        FileOrigin::Url(url) => match way(worker.fetcher, from) {
            Via::Host => {
                let found = fetch(worker.cx, worker.fetcher, secrets, from, url).await?;
                worker.send(&found.path, target).await
            }
            Via::Guest => {
                let filled = secrets.fill(worker.cx, url, Place::Text).await?;
                let url = address(filled.expose(), url)?;
                let digest = if let Some(digest) = wanted(from)? {
                    digest
                } else {
                    let sums = sums(worker.cx, secrets, from, &url).await?;
                    named(&sums_of_guest(worker, &sums).await?, &sums, &url)?
                };
                worker.script(guest_script(&url, &digest, target)).await
            }
        },
    }
}

/// A file of this host, verified.
async fn here(cx: &Cx, fetcher: &Fetcher, path: &Path, from: &Transfer) -> Result<Fetched, StepError> {
    Ok(fetcher.local(cx, &file::local(path), wanted(from)?.as_ref()).await?)
}

/// Brings the file at `url` to this host's cache.
async fn fetch(
    cx: &Cx,
    fetcher: &Fetcher,
    secrets: &Secrets,
    from: &Transfer,
    url: &str,
) -> Result<Fetched, StepError> {
    let filled = secrets.fill(cx, url, Place::Text).await?;
    let url = address(filled.expose(), url)?;
    let digest = if let Some(digest) = wanted(from)? {
        digest
    } else {
        let sums = sums(cx, secrets, from, &url).await?;
        let bytes = fetcher.small(cx, &sums, LARGEST_SUMS).await?;
        named(&String::from_utf8_lossy(&bytes), &sums, &url)?
    };
    Ok(fetcher.get(cx, &[url], Some(&digest)).await?)
}

/// Gets what this host has to bring, if it has to, so that it is here when the step runs.
pub(in crate::provision) async fn ahead(
    cx: &Cx,
    fetcher: &Fetcher,
    secrets: &Secrets,
    from: &Transfer,
) -> Result<Option<Fetched>, StepError> {
    match (&from.origin, way(fetcher, from)) {
        (FileOrigin::Host(path), _) => here(cx, fetcher, path, from).await.map(Some),
        (FileOrigin::Url(url), Via::Host) => fetch(cx, fetcher, secrets, from, url).await.map(Some),
        _ => Ok(None),
    }
}

/// Who downloads it. Offline, this host takes what it has; the guest could ask nobody else.
fn way(fetcher: &Fetcher, from: &Transfer) -> Via {
    if fetcher.gate().is_closed() { Via::Host } else { from.via }
}

/// The file in the guest, for a step that works with it there: where it lies, or brought to a place of its own.
pub(super) async fn bring_for_use(
    worker: &Worker<'_>,
    secrets: &Secrets,
    from: &Transfer,
) -> Result<Arrived, StepError> {
    let base = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
    let name = match &from.origin {
        FileOrigin::Guest(path) => {
            if let Some(digest) = wanted(from)? {
                let check = format!("f={}\n{}", quote(path), compare("$f", &digest));
                worker.script(check).await?;
            }
            return Ok(Arrived { path: path.clone(), name: base(path), temporary: false });
        }
        FileOrigin::Host(path) => base(&path.display().to_string()),
        FileOrigin::Url(url) => base(url.split(['?', '#']).next().unwrap_or_default()),
    };
    // Not in /tmp, which may be memory.
    let path = format!("/var/tmp/goldsmith-{}", uuid::Uuid::new_v4().simple());
    let target = worker.target(&path, 0o600);
    bring(worker, secrets, from, &target).await?;
    Ok(Arrived { path, name, temporary: true })
}

/// The address in `text`; `shown` is what people may see of it, since it may hold a secret.
fn address(text: &str, shown: &str) -> Result<Url, StepError> {
    let url = Url::parse(text).map_err(|error| StepError::value("address", shown, error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(StepError::value(
            "address",
            shown,
            "it starts neither with https:// nor with http://".to_owned(),
        ));
    }
    Ok(url)
}

/// The digest that the step itself says.
fn wanted(from: &Transfer) -> Result<Option<Digest>, StepError> {
    let Some(text) = from.digest.as_deref().filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    text.parse()
        .map(Some)
        .map_err(|error: crate::value::DigestError| StepError::value("digest", text, error.to_string()))
}

/// Where the digest of `url` is, which the step does not say itself.
async fn sums(cx: &Cx, secrets: &Secrets, from: &Transfer, url: &Url) -> Result<Url, StepError> {
    let Some(sums) = from.digest_url.as_deref().filter(|text| !text.trim().is_empty()) else {
        return Err(StepError::value(
            "address",
            url.as_str(),
            "neither `digest` nor `digest-url` says what is there".to_owned(),
        ));
    };
    let filled = secrets.fill(cx, sums, Place::Text).await?;
    address(filled.expose(), sums)
}

/// What is at `sums`, asked by the guest.
async fn sums_of_guest(worker: &Worker<'_>, sums: &Url) -> Result<String, StepError> {
    let label = "get a digest";
    let script = format!(
        "{GET}t=$(mktemp); trap 'rm -f -- \"$t\"' EXIT\nget {} \"$t\"\nhead -c {LARGEST_SUMS} -- \"$t\"\n",
        quote(sums.as_str())
    );
    let command = Command::script(label, script).timeout(worker.timeout.get());
    Ok(capture(worker.guest, worker.cx, &command).await?.ok(label)?)
}

/// The digest of the file at `url` in the text that is at `sums`.
fn named(text: &str, sums: &Url, url: &Url) -> Result<Digest, StepError> {
    let name = url.path().rsplit('/').next().unwrap_or_default();
    digest_of(text, name).map_err(|source| StepError::Sums { url: sums.to_string(), source })
}

/// Fails unless the file `word` (of a shell) has this digest.
fn compare(word: &str, digest: &Digest) -> String {
    let function = digest.algorithm().name();
    format!(
        "have=$({function}sum <\"{word}\" | cut -d' ' -f1)\n\
         if [ \"$have\" != {} ]; then echo \"the file has the digest {function}:$have and not {digest}\" >&2; exit 1; fi\n",
        digest.hex()
    )
}

/// The script that downloads in the guest.
fn guest_script(url: &Url, digest: &Digest, target: &Target) -> String {
    let function = digest.algorithm().name();
    format!(
        "{GET}d={dest}\nmkdir -p -- {folder}\n\
         if [ -d \"$d\" ] && [ ! -L \"$d\" ]; then echo \"there is a folder at $d\" >&2; exit 1; fi\n\
         if [ ! -f \"$d\" ] || [ \"$({function}sum <\"$d\" | cut -d' ' -f1)\" != {hex} ]; then\n\
         t=$(mktemp -- \"$d.XXXXXXXX\")\ntrap 'rm -f -- \"$t\"' EXIT\nget {url} \"$t\"\n{compare}\
         mv -f -T -- \"$t\" \"$d\"\nfi\n\
         chown -- {owner} \"$d\"\nchmod {mode:04o} \"$d\"\n\
         if command -v restorecon >/dev/null; then restorecon -- \"$d\" || true; fi\n",
        dest = quote(&target.path),
        folder = quote(super::edit::parent(&target.path)),
        hex = digest.hex(),
        url = quote(url.as_str()),
        compare = compare("$t", digest),
        owner = quote(&format!("{}:{}", target.owner, target.group)),
        mode = target.mode & 0o7777,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_of_the_guest_is_as_reviewed() {
        let url = Url::parse("https://example.org/it's?a=b&c").unwrap();
        let digest: Digest = format!("sha512:{}", "ab".repeat(64)).parse().unwrap();
        let target = Target::new("/opt/a b/x", 0o755);
        insta::assert_snapshot!(guest_script(&url, &digest, &target));
    }
}
