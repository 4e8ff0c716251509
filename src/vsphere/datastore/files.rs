//! What is in a datastore's folders, and how it is moved and removed there.
use super::Datastore;
use crate::{
    cx::Cx,
    vsphere::{Node, VsphereError, VsphereErrorKind},
};
use std::time::Duration;

const SEARCH: Duration = Duration::from_mins(5);
/// Within a datastore it is a rename; servers take their time for it all the same.
const MOVE: Duration = Duration::from_mins(30);
const DELETE: Duration = Duration::from_mins(15);

/// A file, or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name in its folder.
    pub name: String,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Whether it is a folder.
    pub is_folder: bool,
}

impl Datastore {
    /// What is in `folder` and has a name like `pattern`, in which `*` and `?` stand for others. Nothing, if there is no such folder.
    pub async fn list(&self, cx: &Cx, folder: &str, pattern: &str) -> Result<Vec<FileEntry>, VsphereError> {
        let attempt = format!("list `{}`", self.full_path(folder));
        let properties = self.vcenter.properties(&self.moref, &["browser"]).await?;
        let Some(browser) = properties.moref("browser") else {
            return Err(VsphereError::new(VsphereErrorKind::Permission, attempt)
                .because("this user may not see what is in it")
                .hint("grant the privilege Datastore.Browse on it"));
        };
        let found = self
            .vcenter
            .run(cx, &attempt, "SearchDatastore_Task", &browser, SEARCH, |call| {
                call.leaf("datastorePath", self.full_path(folder)).node("searchSpec", |spec| {
                    spec.node("details", |details| {
                        details.flag("fileType", true).flag("fileSize", true);
                        details.flag("modification", false).flag("fileOwner", false);
                    });
                    spec.leaf("matchPattern", pattern);
                });
            })
            .await;
        match found {
            Ok(result) => Ok(result.all("file").filter_map(FileEntry::of).collect()),
            Err(error) if error.kind() == VsphereErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The file at this path, if there is one.
    pub async fn file(&self, cx: &Cx, path: &str) -> Result<Option<FileEntry>, VsphereError> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        // What a pattern means otherwise stands for any character; the name decides.
        let pattern: String =
            name.chars().map(|c| if matches!(c, '*' | '?' | '[' | ']' | '\\') { '?' } else { c }).collect();
        let found = self.list(cx, folder, &pattern).await?;
        Ok(found.into_iter().find(|entry| entry.name == name))
    }

    /// Makes a folder with those above it. One that is there is `Ok`.
    pub async fn make_folders(&self, path: &str) -> Result<(), VsphereError> {
        let attempt = format!("make the folder `{}`", self.full_path(path));
        if let Some((top, _)) = path.split_once('/').or(Some((path, "")))
            && !self.has_ordinary_top().await?
        {
            self.make_top(&attempt, top).await?;
        }
        let manager = self.vcenter.service("fileManager")?;
        let made = self
            .vcenter
            .call(attempt, "MakeDirectory", &manager, |call| {
                call.leaf("name", self.full_path(path)).moref("datacenter", &self.datacenter.moref);
                call.flag("createParentDirectories", true);
            })
            .await;
        match made {
            Err(error) if error.kind() == VsphereErrorKind::Exists => Ok(()),
            other => other.map(drop),
        }
    }

    /// Whether folders can be made at its top as anywhere else: not on vSAN and virtual volumes, whose top level is objects.
    async fn has_ordinary_top(&self) -> Result<bool, VsphereError> {
        const PATH: &str = "capability.topLevelDirectoryCreateSupported";
        let properties = self.vcenter.properties(&self.moref, &[PATH]).await?;
        Ok(properties.get(PATH).is_none_or(Node::is_true))
    }

    async fn make_top(&self, attempt: &str, name: &str) -> Result<(), VsphereError> {
        let manager = self.vcenter.service("datastoreNamespaceManager")?;
        let made = self
            .vcenter
            .call(attempt, "CreateDirectory", &manager, |call| {
                call.moref("datastore", &self.moref).leaf("displayName", name);
            })
            .await;
        match made {
            Err(error) if error.kind() == VsphereErrorKind::Exists => Ok(()),
            other => other.map(drop),
        }
    }

    /// Moves a file within the datastore. What is there already stays, and is the error.
    pub async fn move_file(&self, cx: &Cx, from: &str, to: &str) -> Result<(), VsphereError> {
        let attempt = format!("move `{}` to `{}`", self.full_path(from), self.full_path(to));
        let (manager, datacenter) = (self.vcenter.service("fileManager")?, &self.datacenter.moref);
        self.vcenter
            .run(cx, attempt, "MoveDatastoreFile_Task", &manager, MOVE, |call| {
                call.leaf("sourceName", self.full_path(from)).moref("sourceDatacenter", datacenter);
                call.leaf("destinationName", self.full_path(to)).moref("destinationDatacenter", datacenter);
                call.flag("force", false);
            })
            .await
            .map(drop)
    }

    /// Removes a file, or a folder with all that is in it. Gone already is `Ok`.
    pub async fn delete(&self, cx: &Cx, path: &str) -> Result<(), VsphereError> {
        let attempt = format!("remove `{}`", self.full_path(path));
        let manager = self.vcenter.service("fileManager")?;
        let removed = self
            .vcenter
            .run(cx, attempt, "DeleteDatastoreFile_Task", &manager, DELETE, |call| {
                call.leaf("name", self.full_path(path)).moref("datacenter", &self.datacenter.moref);
            })
            .await;
        match removed {
            Err(error) if error.kind() == VsphereErrorKind::NotFound => Ok(()),
            other => other.map(drop),
        }
    }
}

impl FileEntry {
    /// `FileInfo` and what extends it.
    fn of(file: &Node) -> Option<Self> {
        Some(Self {
            name: file.text_at("path")?.trim_end_matches('/').to_owned(),
            size: file.text_at("fileSize").and_then(|text| text.parse().ok()),
            is_folder: file.kind.as_deref() == Some("FolderFileInfo"),
        })
    }
}
