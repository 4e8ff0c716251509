//! Content libraries: found by name, with their items and the items' files.
use super::{
    calls,
    tags::{parsed, texts},
};
use crate::{
    cx::{Cx, Undo, UndoHandle},
    vsphere::{Kind, Mark, Moref, VCenter, VsphereError, VsphereErrorKind, escape_name, resource},
};
use serde::Deserialize;
use serde_json::json;

/// A content library.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Library {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `LOCAL`, or `SUBSCRIBED`: then its items come from elsewhere, and nothing can be put into it.
    #[serde(rename = "type", default)]
    pub kind: String,
}

/// What an item of a library is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// An OVF package, also one that is uploaded as an OVA.
    Ovf,
    /// An ISO image.
    Iso,
}

/// An item of a library.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// The library's id.
    pub library_id: String,
    /// Its name.
    pub name: String,
    /// For people; with the mark of the build that made it.
    #[serde(default)]
    pub description: String,
    /// `ovf`, `iso`, `vm-template`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Bytes of all its files, as far as the server knows.
    #[serde(default)]
    pub size: u64,
    /// Grows with each change of its files.
    #[serde(default)]
    pub content_version: Option<String>,
}

/// A file of an item, as the server tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ItemFile {
    /// Its name.
    pub name: String,
    /// In bytes; a server that does not have the file (yet) may not know.
    #[serde(default)]
    pub size: Option<u64>,
    #[serde(default)]
    pub(super) checksum_info: Option<Checksum>,
}

/// A digest that the server computed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Checksum {
    /// `SHA1` where nothing is said.
    #[serde(default)]
    pub(super) algorithm: Option<String>,
    pub(super) checksum: String,
}

/// What becomes of an item of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays as it is: there is an error.
    Refuse,
    /// It gets new content, as a new version of it.
    Replace,
}

/// An item that is to be made.
#[derive(Debug, Clone, Copy)]
pub struct ItemSpec<'a> {
    /// Where.
    pub library: &'a Library,
    /// Its name.
    pub name: &'a str,
    /// For people; the mark is added. One that is replaced keeps its own.
    pub description: &'a str,
    /// What becomes of one of this name.
    pub existing: Existing,
}

/// An item that was made, or found.
#[derive(Debug)]
pub struct NewItem {
    /// The item.
    pub item: Item,
    /// How it is removed, if it was made. Keep it when it is a result.
    pub undo: Option<UndoHandle>,
}

impl ItemKind {
    /// As the server calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ovf => "ovf",
            Self::Iso => "iso",
        }
    }
}

impl ItemFile {
    /// Whether the server tells a digest of it that can be compared.
    pub fn has_digest(&self) -> bool {
        self.checksum_info.as_ref().is_some_and(Checksum::is_known)
    }
}

impl Item {
    /// What bears the tags of this item.
    pub fn moref(&self) -> Moref {
        Moref::new("com.vmware.content.library.Item", &self.id)
    }
}

impl VCenter {
    /// A content library by its name. The error says which there are.
    pub async fn library(&self, name: &str) -> Result<Library, VsphereError> {
        let attempt = format!("find the content library `{name}`");
        let spec = json!({ "name": name });
        let ids = texts(&self.rest(&attempt, &calls::FIND_LIBRARY, &[], Some(spec)).await?);
        let mut found = self.libraries(&attempt, &ids).await?;
        found.retain(|library| library.name == name);
        match (found.pop(), found.len()) {
            (Some(library), 0) => Ok(library),
            (Some(_), more) => Err(VsphereError::new(VsphereErrorKind::Usage, attempt)
                .because(format!("there are {} of this name", more + 1))
                .hint("rename the others")),
            (None, _) => {
                let names: Vec<String> =
                    self.all_libraries().await?.into_iter().map(|library| library.name).collect();
                let why = if names.is_empty() {
                    "there is none, or none that this user may see".to_owned()
                } else {
                    format!("there are: {}", names.join(", "))
                };
                Err(VsphereError::new(VsphereErrorKind::NotFound, attempt).because(why))
            }
        }
    }

    /// All content libraries that this user may see, by name.
    pub async fn all_libraries(&self) -> Result<Vec<Library>, VsphereError> {
        let attempt = "list the content libraries";
        let ids = texts(&self.rest(attempt, &calls::LIBRARIES, &[], None).await?);
        let mut libraries = self.libraries(attempt, &ids).await?;
        libraries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(libraries)
    }

    async fn libraries(&self, attempt: &str, ids: &[String]) -> Result<Vec<Library>, VsphereError> {
        let mut libraries = Vec::new();
        for id in ids {
            let answer = self.rest(attempt, &calls::LIBRARY, &[("library_id", id)], None).await?;
            libraries.push(parsed(attempt, answer)?);
        }
        Ok(libraries)
    }

    /// The item of this name in a library.
    pub async fn library_item(&self, library: &Library, name: &str) -> Result<Option<Item>, VsphereError> {
        let attempt = format!("look for the item `{name}` in the content library `{}`", library.name);
        let spec = json!({ "name": name, "library_id": library.id });
        for id in texts(&self.rest(&attempt, &calls::FIND_ITEM, &[], Some(spec)).await?) {
            let item = self.item(&attempt, &id).await?;
            if item.name == name {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    /// The names of all items of a library, in order.
    pub async fn library_items(&self, library: &Library) -> Result<Vec<String>, VsphereError> {
        Ok(self.all_items(library).await?.into_iter().map(|item| item.name).collect())
    }

    /// All items of a library, by name.
    pub async fn all_items(&self, library: &Library) -> Result<Vec<Item>, VsphereError> {
        let attempt = format!("list the items of the content library `{}`", library.name);
        let mut items = Vec::new();
        for id in self.item_ids(&attempt, library).await? {
            items.push(self.item(&attempt, &id).await?);
        }
        items.sort_by(|a: &Item, b| a.name.cmp(&b.name));
        Ok(items)
    }

    /// How many items a library has.
    pub async fn count_items(&self, library: &Library) -> Result<usize, VsphereError> {
        let attempt = format!("count the items of the content library `{}`", library.name);
        Ok(self.item_ids(&attempt, library).await?.len())
    }

    async fn item_ids(&self, attempt: &str, library: &Library) -> Result<Vec<String>, VsphereError> {
        Ok(texts(&self.rest(attempt, &calls::ITEMS, &[("library_id", &library.id)], None).await?))
    }

    pub(super) async fn item(&self, attempt: &str, id: &str) -> Result<Item, VsphereError> {
        parsed(attempt, self.rest(attempt, &calls::ITEM, &[("library_item_id", id)], None).await?)
    }

    /// Makes an item without files, or finds the one of this name if it may be replaced and is of the same kind.
    pub async fn make_item(
        &self,
        cx: &Cx,
        mark: &Mark,
        kind: ItemKind,
        spec: &ItemSpec<'_>,
    ) -> Result<NewItem, VsphereError> {
        let ItemSpec { library, name, description, existing } = *spec;
        let attempt = format!("make the item `{name}` in the content library `{}`", library.name);
        library.takes_items(&attempt)?;
        if let Some(item) = self.replaceable(&attempt, library, name, kind.name(), existing).await? {
            return Ok(NewItem { item, undo: None });
        }
        let planned = self.plan_item(cx, library, name)?;
        let spec = json!({
            "library_id": library.id, "name": name, "type": kind.name(), "description": mark.on(description),
        });
        match self.rest(&attempt, &calls::MAKE_ITEM, &[], Some(spec)).await {
            Ok(_) => {}
            // An answer may have been lost; an item of somebody else's does not bear the mark.
            Err(error) if error.kind() == VsphereErrorKind::Exists => {
                let ours = self
                    .library_item(library, name)
                    .await?
                    .is_some_and(|item| crate::vsphere::is_marked(&item.description, cx.id().as_str()));
                if !ours {
                    cx.undo().keep(planned)?;
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
        let item = self.library_item(library, name).await?.ok_or_else(|| {
            VsphereError::new(VsphereErrorKind::Other, attempt).because("it is not there afterwards")
        })?;
        Ok(NewItem { item, undo: Some(planned) })
    }

    /// Undo data for an item that is about to be made.
    pub(super) fn plan_item(
        &self,
        cx: &Cx,
        library: &Library,
        name: &str,
    ) -> Result<UndoHandle, VsphereError> {
        let id = format!("{}/{}", escape_name(&library.name), escape_name(name));
        Ok(cx.undo().plan(Undo::Resource(resource(self, Kind::LibraryItem, id, cx.id().as_str(), &[])))?)
    }

    /// The item that a new one of this name and type would replace; an error if it may not, or if nothing can be put into the library.
    pub async fn item_in_the_way(
        &self,
        library: &Library,
        name: &str,
        kind: &str,
        existing: Existing,
    ) -> Result<Option<Item>, VsphereError> {
        let attempt = format!("make the item `{name}` in the content library `{}`", library.name);
        library.takes_items(&attempt)?;
        self.replaceable(&attempt, library, name, kind, existing).await
    }

    /// The item of this name, if there is one and it may be replaced.
    pub(super) async fn replaceable(
        &self,
        attempt: &str,
        library: &Library,
        name: &str,
        kind: &str,
        existing: Existing,
    ) -> Result<Option<Item>, VsphereError> {
        let Some(item) = self.library_item(library, name).await? else { return Ok(None) };
        match existing {
            Existing::Refuse => Err(VsphereError::new(VsphereErrorKind::Exists, attempt)
                .because("there is one of this name")
                .hint("choose another name, or have it replaced by a new version")),
            Existing::Replace if item.kind != kind => {
                Err(VsphereError::new(VsphereErrorKind::Usage, attempt)
                    .because(format!("the one that is there is of the type `{}`, not `{kind}`", item.kind)))
            }
            Existing::Replace => Ok(Some(item)),
        }
    }

    /// Gives an item another description: what became a result bears no mark any more.
    pub async fn describe_item(&self, item: &Item, description: &str) -> Result<(), VsphereError> {
        let attempt = format!("describe the item `{}` of the content library", item.name);
        let spec = json!({ "description": description });
        let arguments = [("library_item_id", item.id.as_str())];
        self.rest(&attempt, &calls::CHANGE_ITEM, &arguments, Some(spec)).await.map(drop)
    }

    /// Deletes an item with its files.
    pub async fn delete_item(&self, item: &Item) -> Result<(), VsphereError> {
        let attempt = format!("delete the item `{}` of the content library", item.name);
        self.rest(&attempt, &calls::REMOVE_ITEM, &[("library_item_id", &item.id)], None).await.map(drop)
    }

    /// The files of an item, with what the server knows of them.
    pub async fn item_files(&self, item: &Item) -> Result<Vec<ItemFile>, VsphereError> {
        let attempt = format!("list the files of the item `{}`", item.name);
        let answer = self.rest(&attempt, &calls::FILES, &[("library_item_id", &item.id)], None).await?;
        if answer.is_null() {
            return Ok(Vec::new());
        }
        let mut files: Vec<ItemFile> = parsed(&attempt, answer)?;
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }
}

impl Library {
    /// An error if nothing can be put into it.
    pub fn takes_items(&self, attempt: &str) -> Result<(), VsphereError> {
        if self.kind == "SUBSCRIBED" {
            return Err(VsphereError::new(VsphereErrorKind::Usage, attempt)
                .because(format!(
                    "`{}` is subscribed to another library, and takes items only from there",
                    self.name
                ))
                .hint("name the library that it is subscribed to, or a local one"));
        }
        Ok(())
    }
}
