//! Installer media that are brought to a datastore once, and found there by their digest.
use super::Datastore;
use crate::{
    cx::Cx,
    value::Digest,
    vsphere::{VsphereError, VsphereErrorKind},
};
use std::path::Path;

const FOLDER: &str = "goldsmith/iso";

impl Datastore {
    /// A file with this digest, brought here unless it is here. Returns `[datastore] goldsmith/iso/DIGEST-NAME`; it stays for the next build.
    pub async fn cached(
        &self,
        cx: &Cx,
        file: &Path,
        digest: &Digest,
        name: &str,
    ) -> Result<String, VsphereError> {
        let path = format!("{FOLDER}/{}-{}", digest.hex(), plain(name));
        let full = self.full_path(&path);
        let attempt = || format!("bring `{}` to `{full}`", file.display());
        let size = tokio::fs::metadata(file)
            .await
            .map_err(|error| VsphereError::new(VsphereErrorKind::Other, attempt()).because(error))?
            .len();
        if let Some(there) = self.file(cx, &path).await? {
            return whole(cx, attempt, there.size, size, full.clone());
        }
        self.make_folders(FOLDER).await?;
        // Under this name nobody takes it for whole, and it goes with the build.
        let part = format!("{path}.part-{}", cx.id());
        let undo = self.plan_file(cx, &part)?;
        self.upload(cx, file, &part).await?;
        match self.move_file(cx, &part, &path).await {
            Ok(()) => {
                cx.undo().keep(undo)?;
                Ok(full)
            }
            // Another build was faster. Ours is undone with all else.
            Err(error) if error.kind() == VsphereErrorKind::Exists => {
                let there = self.file(cx, &path).await?.and_then(|there| there.size);
                whole(cx, attempt, there, size, full.clone())
            }
            Err(error) => Err(error),
        }
    }
}

/// What is there under the digest's name is taken if it has the size.
fn whole(
    cx: &Cx,
    attempt: impl Fn() -> String,
    there: Option<u64>,
    size: u64,
    full: String,
) -> Result<String, VsphereError> {
    if there == Some(size) {
        cx.events().notice(format!("`{full}` is there from an earlier build"));
        return Ok(full);
    }
    let has = there.map_or_else(|| "an unknown size".to_owned(), |bytes| format!("{bytes} bytes"));
    Err(VsphereError::new(VsphereErrorKind::Exists, attempt())
        .because(format!("what is there has {has}, and not {size}"))
        .hint(format!("remove `{full}` if nobody uses it; goldsmith only gives whole files this name")))
}

/// A name without what paths, patterns and brackets mean otherwise.
pub(super) fn plain(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
    let plain: String = name.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    plain.trim_start_matches('.').chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn names_are_made_fit_for_paths() {
        assert_eq!(plain("ubuntu-24.04.4-live-server-amd64.iso"), "ubuntu-24.04.4-live-server-amd64.iso");
        assert_eq!(plain("../a b[c]*.iso"), "_a_b_c__.iso");
        assert_eq!(plain(&"x".repeat(300)).len(), 100);
    }
}
