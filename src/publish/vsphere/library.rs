//! From an OVA on this host to an item of a content library: its files as they are in the archive, none of them unpacked.
use super::{
    items::{self, Stored},
    supply,
};
use crate::{
    cx::Cx,
    disk::ova::Ova,
    publish::stage::stage,
    vsphere::{
        Bytes, ItemKind, ItemSpec, Mark, NewItem, Upload, VCenter, VsphereError, VsphereErrorKind, result,
    },
};
use serde::Serialize;
use std::path::Path;

/// An image for a content library.
#[derive(Debug, Clone)]
pub struct Shelve<'a> {
    /// The user's file.
    pub image: &'a Path,
    /// What is in it.
    pub ova: &'a Ova,
    /// The library's name.
    pub library: &'a str,
    /// What the item is to be called.
    pub name: &'a str,
    /// For people.
    pub description: Option<&'a str>,
    /// An item of the name gets new content.
    pub new_version: bool,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Shelved {
    /// The item.
    #[serde(flatten)]
    pub stored: Stored,
    /// How many of its files the server told a digest of, which was the same as here.
    pub digests_compared: usize,
}

impl Shelve<'_> {
    /// Makes the item, or a new version of it. If something fails, a new item goes again, and an older one has its old content.
    pub async fn publish(&self, cx: &Cx, vcenter: &VCenter) -> Result<Shelved, VsphereError> {
        let (library, existing, old, files) = stage(
            cx,
            "check",
            Box::pin(async {
                let files = self.files()?;
                let library = items::library(vcenter, self.library).await?;
                let (existing, old) = items::existing(vcenter, &library, self.name, self.new_version).await?;
                Ok::<_, VsphereError>((library, existing, old, files))
            }),
        )
        .await?;
        let line = result::line(&self.image.file_name().unwrap_or_default().to_string_lossy());
        let text = match self.description {
            Some(said) => format!("{said}\n{line}"),
            None => line,
        };
        let spec = ItemSpec { library: &library, name: self.name, description: &text, existing };
        let (item, undo, there) = stage(
            cx,
            "upload",
            Box::pin(async {
                let mark = Mark::of(cx.id(), self.name);
                let NewItem { item, undo } = vcenter.make_item(cx, &mark, ItemKind::Ovf, &spec).await?;
                let there = vcenter.upload(cx, &item, files, None).await?;
                Ok::<_, VsphereError>((item, undo, there))
            }),
        )
        .await?;
        stage(
            cx,
            "finish",
            Box::pin(async {
                // What has new content cannot be undone any more.
                if old.is_none() {
                    cx.check()?;
                }
                let said = (text.as_str(), self.description.is_some());
                items::keep(cx, vcenter, (&item, old.as_ref(), undo), said).await?;
                let stored = items::stored(vcenter, &library, &item, old.is_some(), &there).await?;
                let digests_compared = there.iter().filter(|file| file.has_digest()).count();
                Ok(Shelved { stored, digests_compared })
            }),
        )
        .await
    }

    /// What is sent, the description first.
    fn files(&self) -> Result<Vec<Upload>, VsphereError> {
        if self.ova.disks().is_empty() {
            return Err(supply::unreadable(self.image, "its description has no disk with a file"));
        }
        let mut uploads = Vec::new();
        for file in self.ova.files().map_err(|error| supply::unreadable(self.image, error))? {
            // A certificate is of the manifest, which is not sent: the server makes its own.
            if file.name().to_ascii_lowercase().ends_with(".cert") {
                continue;
            }
            let sha256 = file.sha256().map(str::parse).transpose().map_err(|_| {
                let attempt = format!("understand the digest of `{}`", file.name());
                VsphereError::new(VsphereErrorKind::Usage, attempt)
            })?;
            uploads.push(Upload {
                name: file.name().to_owned(),
                size: file.bytes(),
                sha256,
                bytes: Bytes::Supply(supply::of_file(file)),
            });
        }
        Ok(uploads)
    }
}
