//! What steps need from this host is got before there is a machine: a file that is not there, or is not the one, must not cost a guest.
use super::{
    runner::{StepError, Supplies},
    steps::transfer::ahead,
};
use crate::{
    cx::Cx,
    plan::{Step, StepKind, Transfer},
    value::Size,
};

/// Something that a step needs cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("could not get what step `{label}` ({at}) needs")]
pub struct InputError {
    /// What it was to do.
    pub label: String,
    /// Where it stands, `file:line`.
    pub at: String,
    /// Why.
    #[source]
    pub source: StepError,
}

/// Downloads what `steps` have this host download, into the cache, and looks at the files of this host that they name.
pub async fn fetch(cx: &Cx, steps: &[Step], supplies: Supplies<'_>) -> Result<(), InputError> {
    let (mut files, mut bytes, mut new) = (0_usize, 0, 0_usize);
    for step in steps {
        let Some(from) = transfer(step) else { continue };
        let failed = |source| InputError { label: step.label.clone(), at: step.at.clone(), source };
        cx.check().map_err(|cancelled| failed(cancelled.into()))?;
        if let Some(found) = ahead(cx, supplies.fetcher, supplies.secrets, from).await.map_err(failed)? {
            files += 1;
            bytes += found.bytes;
            new += usize::from(!found.from_cache);
        }
    }
    if files > 0 {
        cx.events().notice(format!(
            "{files} files for the steps are here ({}), {new} of them downloaded now",
            Size::bytes(bytes)
        ));
    }
    Ok(())
}

/// The file that a step needs, unless it may find in the guest that it does not.
fn transfer(step: &Step) -> Option<&Transfer> {
    match &step.kind {
        StepKind::Download(download) => Some(&download.from),
        StepKind::Archive(archive) if archive.creates.is_none() => Some(&archive.from),
        StepKind::Image(image) => image.from.as_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::{ArchiveStep, DownloadStep, FileOrigin, Via},
        provision::{
            tests::{Bench, step},
            tests_transfer::{serve, transfer},
        },
    };
    use sha2::{Digest as _, Sha256};
    use std::{collections::BTreeMap, error::Error as _};

    fn download(from: Transfer) -> Step {
        let root = || "root".to_owned();
        let kind = DownloadStep { from, dest: "/opt/x".into(), mode: 0o644, owner: root(), group: root() };
        step("get", StepKind::Download(kind))
    }

    #[tokio::test]
    async fn what_is_missing_or_another_is_known_before_there_is_a_guest() {
        let bench = Bench::new().await;
        let digest = |body: &[u8]| format!("sha256:{}", hex::encode(Sha256::digest(body)));
        let base = serve(BTreeMap::from([("/here".to_owned(), b"golden".to_vec())]));
        let (here, none) = (format!("{base}/here"), format!("{base}/none"));
        let get = |url: &str, body: &[u8], via| transfer(url.to_owned(), Some(digest(body)), None, via);
        let archive = ArchiveStep {
            from: get(&none, b"x", Via::Host),
            dest: "/opt".into(),
            strip: 0,
            include: vec![],
            exclude: vec![],
            owner: None,
            group: None,
            mode: None,
            creates: Some("/opt/x".into()),
        };
        let supplies = Supplies { secrets: &bench.secrets, fetcher: &bench.fetcher };
        let right = [
            download(get(&here, b"golden", Via::Host)),
            // What the guest gets, and what may be there already, is not asked for.
            download(get(&none, b"x", Via::Guest)),
            step("unpack", StepKind::Archive(archive)),
        ];
        fetch(&bench.cx, &right, supplies).await.unwrap();
        assert!(bench.memory.json().contains("1 files for the steps are here"));
        for (from, why) in [
            (get(&none, b"x", Via::Host), "404"),
            (get(&here, b"lead", Via::Host), "expected sha256:"),
            (
                Transfer {
                    origin: FileOrigin::Host(bench.sshd.path("nowhere")),
                    ..get(&here, b"golden", Via::Host)
                },
                "nowhere",
            ),
        ] {
            let error = fetch(&bench.cx, &[download(from)], supplies).await.unwrap_err();
            assert_eq!(error.to_string(), "could not get what step `get` (image.toml:12) needs");
            let mut said = String::new();
            let mut cause = error.source();
            while let Some(error) = cause {
                said.push_str(&error.to_string());
                cause = error.source();
            }
            assert!(said.contains(why), "{said}");
        }
    }
}
