//! The snapshot that another one is the difference to: what its blocks are, by their digests.
use super::{
    known::{self, Known},
    read,
    record::Digests,
};
use crate::{
    aws::{Aws, AwsError},
    cx::Cx,
};
use std::{path::Path, sync::Arc};

/// A snapshot to send the difference to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    snapshot: String,
    digests: Arc<Digests>,
}

impl Parent {
    /// What the blocks of `snapshot` are, as `folder` knows from an earlier upload; else all of it is read, once. Its volume has
    /// `volume_gib` GiB.
    pub async fn open(
        cx: &Cx,
        aws: &Aws,
        folder: &Path,
        snapshot: &str,
        volume_gib: u64,
    ) -> Result<Self, AwsError> {
        // Snapshots never change once they are completed. One of another size is another server's by chance.
        let known = known::read(folder, place(aws), snapshot).filter(|known| known.volume_gib == volume_gib);
        let digests = if let Some(known) = known {
            known.digests
        } else {
            cx.events().notice(format!(
                "this host does not know the blocks of the snapshot `{snapshot}`: all of it is read, once"
            ));
            let known = Known { volume_gib, digests: read::digests(cx, aws, snapshot, volume_gib).await? };
            remember(cx, aws, folder, snapshot, &known);
            known.digests
        };
        Ok(Self { snapshot: snapshot.to_owned(), digests: Arc::new(digests) })
    }

    /// Its id.
    pub fn snapshot(&self) -> &str {
        &self.snapshot
    }

    pub(super) fn digests(&self) -> &Arc<Digests> {
        &self.digests
    }
}

/// Writes down what a snapshot holds. Without it, a successor reads all of the snapshot, so a failure is no more than worth a word.
pub(super) fn remember(cx: &Cx, aws: &Aws, folder: &Path, snapshot: &str, known: &Known) {
    if let Err(error) = known::write(folder, place(aws), snapshot, known) {
        cx.events().notice(format!(
            "the digests of the snapshot `{snapshot}` could not be written to `{}`: {error}",
            folder.display()
        ));
    }
}

fn place(aws: &Aws) -> (&str, Option<&str>) {
    (aws.region(), aws.account().endpoint.as_deref())
}
