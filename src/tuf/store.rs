//! What was trusted the last time: `<cache>/tuf/<hash of root and address>`, with a lock, since files in it are replaced one by one.
use super::{Place, TrustedRoot, TufError, TufErrorKind};
use crate::cx::{Cx, Look, Sight};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};
use tough::schema::{Root, Signed};

/// How long to wait for somebody else who reads the same repository; that takes seconds.
const PATIENCE: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(250);

/// The folder of one repository under one root. Held while its metadata are read.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    _lock: File,
}

impl Store {
    pub(super) async fn open(
        cx: &Cx,
        cache: &Path,
        place: &Place,
        root: &TrustedRoot,
    ) -> Result<Self, TufError> {
        // Another root is another trust: nothing that the one led to counts for the other.
        let mut name = Sha256::new();
        name.update(place.metadata.as_str().as_bytes());
        name.update(b"\n");
        name.update(root.sha512.hex().as_bytes());
        let folder = cache.join("tuf").join(hex::encode(name.finalize()));
        let failed = |action: &str, path: &Path, why: std::io::Error| {
            TufError::new(TufErrorKind::Other, format!("{action} `{}`", path.display())).because(why)
        };
        std::fs::create_dir_all(&folder).map_err(|why| failed("make the folder", &folder, why))?;
        let path = folder.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|why| failed("open", &path, why))?;
        let what = "another goldsmith that reads the same repository";
        cx.wait_for(what, PATIENCE, POLL, || async {
            match lock.try_lock() {
                Ok(()) => Look::Ready(()),
                Err(std::fs::TryLockError::WouldBlock) => {
                    Look::NotYet(vec![Sight::no("lock", path.display().to_string())])
                }
                Err(std::fs::TryLockError::Error(why)) => Look::Hopeless(failed("lock", &path, why).into()),
            }
        })
        .await?;
        Ok(Self { folder, _lock: lock })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The newest root that was arrived at from the trusted one, or that one: so keys that were exchanged since do not make us forget what we saw.
    pub(super) fn root(&self, trusted: &TrustedRoot) -> Vec<u8> {
        let kept = std::fs::read(self.folder.join("root.json")).ok();
        kept.filter(|bytes| sound(bytes)).unwrap_or_else(|| trusted.bytes.clone())
    }
}

/// Whether a file that a crash may have cut off is a root.
fn sound(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Signed<Root>>(bytes).is_ok_and(|root| root.signed.verify_role(&root).is_ok())
}
