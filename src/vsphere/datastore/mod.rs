//! Files of a datastore: listed, brought there and back, moved, removed.
//!
//! Its folder is reached by HTTP at `/folder/PATH?dcPath=…&dsName=…` with the session's cookie; all else are calls of the file manager,
//! which name a file `[datastore] path`.
mod cached;
mod files;
mod remove;
mod transfer;

pub use files::FileEntry;
pub(super) use remove::remove_file;
pub use transfer::Temporary;

use super::{Datacenter, Moref, VCenter, VsphereError, VsphereErrorKind, plain_name};
use url::Url;

/// A datastore. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Datastore {
    vcenter: VCenter,
    moref: Moref,
    name: String,
    datacenter: Datacenter,
}

/// `[datastore] folder/name` taken apart.
pub fn split_path(text: &str) -> Option<(&str, &str)> {
    let (name, path) = text.strip_prefix('[')?.split_once(']')?;
    Some((name, path.trim_start()))
}

impl VCenter {
    /// The datastore `moref` of this datacenter.
    pub async fn datastore(&self, datacenter: &Datacenter, moref: &Moref) -> Result<Datastore, VsphereError> {
        let properties = self.properties(moref, &["name"]).await?;
        let Some(name) = properties.text("name") else {
            return Err(VsphereError::new(VsphereErrorKind::NotFound, format!("look at {moref}"))
                .because("the vCenter does not tell its name"));
        };
        Ok(Datastore {
            vcenter: self.clone(),
            moref: moref.clone(),
            name: plain_name(name),
            datacenter: datacenter.clone(),
        })
    }
}

impl Datastore {
    /// The object.
    pub fn moref(&self) -> &Moref {
        &self.moref
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the vCenter names a file of it: `[datastore] folder/name`.
    pub fn full_path(&self, path: &str) -> String {
        format!("[{}] {path}", self.name)
    }

    /// Where a file of it is reached by HTTP.
    fn url(&self, attempt: &str, path: &str) -> Result<Url, VsphereError> {
        let wrong = || {
            VsphereError::new(VsphereErrorKind::Usage, attempt)
                .because(format!("`{path}` is no path of a file in a datastore"))
        };
        let mut url = self.vcenter.root().clone();
        {
            let mut segments = url.path_segments_mut().map_err(|()| wrong())?;
            segments.clear().push("folder");
            for part in path.split('/').filter(|part| !part.is_empty()) {
                if matches!(part, "." | "..") {
                    return Err(wrong());
                }
                segments.push(part);
            }
        }
        url.query_pairs_mut()
            .append_pair("dcPath", self.datacenter.path.trim_start_matches('/'))
            .append_pair("dsName", &self.name);
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_apart() {
        assert_eq!(split_path("[my ds] a/b c.iso"), Some(("my ds", "a/b c.iso")));
        assert_eq!(split_path("[ds]"), Some(("ds", "")));
        assert_eq!(split_path("a/b"), None);
    }
}
