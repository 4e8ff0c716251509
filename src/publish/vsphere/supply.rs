//! The files of an OVA as a lease wants them: read where they are, on a thread of their own.
use crate::{
    disk::ova::{Ova, OvaFile},
    vsphere::{VsphereError, VsphereErrorKind, nfc::Supply},
};
use bytes::Bytes;
use std::{collections::BTreeMap, io, path::Path, sync::Arc};
use tokio::sync::mpsc;

/// Pieces of 1 MiB that are read ahead for each file.
const AHEAD: usize = 4;

/// A file of an OVA.
#[derive(Debug, Clone)]
struct OfOva(Arc<OvaFile>);

impl Supply for OfOva {
    fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    fn open(&self) -> mpsc::Receiver<io::Result<Bytes>> {
        let (to, from) = mpsc::channel(AHEAD);
        let file = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            // Who wants no more has gone away.
            let read = file.read(&mut |piece| to.blocking_send(Ok(Bytes::from(piece))).is_ok());
            if let Err(error) = read {
                let _ = to.blocking_send(Err(io::Error::other(error)));
            }
        });
        from
    }
}

/// A file of an OVA, for whoever sends it.
pub(super) fn of_file(file: OvaFile) -> Arc<dyn Supply> {
    Arc::new(OfOva(Arc::new(file)))
}

/// What of an OVA is sent, by name.
pub(super) fn of_ova(ova: &Ova, path: &Path) -> Result<BTreeMap<String, Arc<dyn Supply>>, VsphereError> {
    let files = ova.files().map_err(|error| unreadable(path, error))?;
    // The description is sent as a text, so it is compared here.
    for file in files.iter().filter(|file| is_description(file.name())) {
        file.read(&mut |_| true).map_err(|error| unreadable(path, error))?;
    }
    let sent = files.into_iter().filter(|file| !is_description(file.name()));
    Ok(sent.map(|file| (file.name().to_owned(), of_file(file))).collect())
}

fn is_description(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".ovf")
}

pub(super) fn unreadable(
    path: &Path,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> VsphereError {
    VsphereError::new(VsphereErrorKind::Usage, format!("read `{}`", path.display())).because(error)
}
