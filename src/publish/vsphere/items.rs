//! Items of content libraries as users name them, and what is told of one that was made.
use crate::{
    cx::{Cx, UndoHandle},
    vsphere::{
        Existing, Item, ItemFile, Library, VCenter, VsphereError, VsphereErrorKind, bears_mark, plain_name,
    },
};
use serde::Serialize;
use std::str::FromStr;

/// An item as it is named: `library/item`. A slash in a name is written `%2f`, as in all paths of a vCenter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemName {
    /// The library.
    pub library: String,
    /// The item.
    pub item: String,
}

impl FromStr for ItemName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((library, item)) if !library.is_empty() && !item.is_empty() => {
                Ok(Self { library: plain_name(library), item: plain_name(item) })
            }
            _ => Err("write LIBRARY/ITEM, such as `images/node`; `goldsmith vsphere ls` lists the libraries"
                .to_owned()),
        }
    }
}

impl ItemName {
    /// The item with its library.
    pub(super) async fn find(&self, vcenter: &VCenter) -> Result<(Library, Item), VsphereError> {
        let library = library(vcenter, &self.library).await?;
        if let Some(item) = vcenter.library_item(&library, &self.item).await? {
            return Ok((library, item));
        }
        let names = vcenter.library_items(&library).await?;
        let why = if names.is_empty() {
            "it has no items".to_owned()
        } else {
            format!("it has: {}", names.join(", "))
        };
        let attempt = format!("find the item `{}` in the content library `{}`", self.item, library.name);
        Err(VsphereError::new(VsphereErrorKind::NotFound, attempt)
            .because(why)
            .hint(format!("`goldsmith vsphere ls '{}'` shows what it has", library.name)))
    }
}

/// A library by its name.
pub(super) async fn library(vcenter: &VCenter, name: &str) -> Result<Library, VsphereError> {
    vcenter.library(name).await.map_err(|error| match error.kind() {
        VsphereErrorKind::NotFound => {
            error.hint("`goldsmith vsphere ls` lists the libraries; a new one is made in the vSphere Client")
        }
        _ => error,
    })
}

/// What becomes of an item of this name: an error before anything is sent if it may not be replaced, or is half made.
pub(super) async fn existing(
    vcenter: &VCenter,
    library: &Library,
    name: &str,
    new_version: bool,
) -> Result<(Existing, Option<Item>), VsphereError> {
    let attempt = format!("make the item `{name}` in the content library `{}`", library.name);
    library.takes_items(&attempt)?;
    let Some(item) = vcenter.library_item(library, name).await? else {
        return Ok((Existing::Refuse, None));
    };
    let refused = |why: &str| VsphereError::new(VsphereErrorKind::Exists, &attempt).because(why.to_owned());
    if bears_mark(&item.description) {
        return Err(refused("a build makes one of this name, or died when it did")
            .hint("`goldsmith gc` removes what dead builds left; or take another `--name`"));
    }
    if !new_version {
        return Err(refused("there is one of this name")
            .hint("`--new-version` gives it new content; or take another `--name`"));
    }
    Ok((Existing::Replace, Some(item)))
}

/// An item that was made, or has new content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stored {
    /// The vCenter.
    pub server: String,
    /// The library's name.
    pub library: String,
    /// The item's name.
    pub item: String,
    /// The item's id.
    pub id: String,
    /// `ovf`, `vm-template`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The version of its content, as the server counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether there was an item, which has new content now.
    pub new_version: bool,
    /// The names of its files.
    pub files: Vec<String>,
    /// Length of all files.
    pub bytes: u64,
}

/// Makes an item a result: its mark goes, then its undo. `text` describes a new one, and an older one too if the user `said` something
/// about it; else that has the description that it had.
pub(super) async fn keep(
    cx: &Cx,
    vcenter: &VCenter,
    (item, old, undo): (&Item, Option<&Item>, Option<UndoHandle>),
    (text, said): (&str, bool),
) -> Result<(), VsphereError> {
    let wanted = old.filter(|_| !said).map_or(text, |old| old.description.as_str());
    if item.description != wanted {
        vcenter.describe_item(item, wanted).await?;
    }
    match undo {
        Some(undo) => Ok(cx.undo().keep(undo)?),
        None => Ok(()),
    }
}

/// What is told of an item with these files.
pub(super) async fn stored(
    vcenter: &VCenter,
    library: &Library,
    item: &Item,
    new_version: bool,
    files: &[ItemFile],
) -> Result<Stored, VsphereError> {
    // Its version was another one before its files came.
    let now = vcenter.library_item(library, &item.name).await?;
    Ok(Stored {
        server: vcenter.place().server.to_string(),
        library: library.name.clone(),
        item: item.name.clone(),
        id: item.id.clone(),
        kind: item.kind.clone(),
        version: now.and_then(|item| item.content_version),
        new_version,
        files: files.iter().map(|file| file.name.clone()).collect(),
        bytes: files.iter().filter_map(|file| file.size).sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_named_with_its_library() {
        let parsed: ItemName = "golden images/node/1".parse().unwrap();
        assert_eq!((parsed.library.as_str(), parsed.item.as_str()), ("golden images", "node/1"));
        let parsed: ItemName = "a%2fb/c".parse().unwrap();
        assert_eq!((parsed.library.as_str(), parsed.item.as_str()), ("a/b", "c"));
        for wrong in ["", "node", "/node", "images/"] {
            assert!(wrong.parse::<ItemName>().unwrap_err().contains("LIBRARY/ITEM"));
        }
    }
}
