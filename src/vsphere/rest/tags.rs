//! Tags and their categories: found or made, and attached.
use super::calls;
use crate::{
    cx::{Cx, Undo},
    vsphere::{Kind, Mark, Moref, VCenter, VsphereError, VsphereErrorKind, escape_name, resource},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// `urn:vmomi:InventoryServiceTag:…`.
    pub id: String,
    /// `os:ubuntu`.
    pub name: String,
    /// Of the server; people see it beside the name.
    pub description: String,
    /// The category's id.
    pub category_id: String,
    /// The category's name: `os`.
    pub category: String,
}

/// A category, as the server tells it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Category {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    cardinality: String,
    /// Types of things that its tags may be attached to; none is all.
    #[serde(default)]
    associable_types: Vec<String>,
}

/// A tag, as the server tells it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Told {
    id: String,
    name: String,
    #[serde(default)]
    description: String,
    category_id: String,
}

impl VCenter {
    /// Finds the tag `name` of a category, or makes it, and the category too. A category that is made allows one of its tags for each
    /// thing of the types `of` (`VirtualMachine`), and all types if there are none.
    ///
    /// What is made is removed with the build, unless something bears it by then. So make tags before what is to bear them: what a build
    /// made last is removed first.
    pub async fn tag(
        &self,
        cx: &Cx,
        mark: &Mark,
        category: &str,
        name: &str,
        of: &[&str],
    ) -> Result<Tag, VsphereError> {
        let category = self.category_for(cx, mark, category, of).await?;
        if let Some(missing) = of.iter().find(|kind| !category.takes(kind)) {
            return Err(VsphereError::new(
                VsphereErrorKind::Usage,
                format!("use tags of the category `{}` for a {missing}", category.name),
            )
            .because(format!("they are for: {}", category.associable_types.join(", ")))
            .hint("choose another category, or add the type to this one"));
        }
        if let Some(found) = self.tag_in(&category, name).await? {
            return Ok(found);
        }
        let attempt = format!("make the tag `{name}` in the category `{}`", category.name);
        let id = format!("{}/{}", escape_name(&category.name), escape_name(name));
        let planned = cx.undo().plan(Undo::Resource(resource(self, Kind::Tag, id, cx.id().as_str(), &[])))?;
        let spec = json!({ "name": name, "description": mark.on(""), "category_id": category.id });
        match self.rest(&attempt, &calls::MAKE_TAG, &[], Some(spec)).await {
            Ok(_) => {}
            // Somebody was faster, or an answer was lost: the mark tells which.
            Err(error) if error.kind() == VsphereErrorKind::Exists => {}
            Err(error) => return Err(error),
        }
        let made = self.tag_in(&category, name).await?.ok_or_else(|| {
            VsphereError::new(VsphereErrorKind::Other, attempt).because("it is not there afterwards")
        })?;
        if !crate::vsphere::is_marked(&made.description, cx.id().as_str()) {
            cx.undo().keep(planned)?;
        }
        Ok(made)
    }

    /// Attaches a tag to a thing. `false` if it bears it already. An item of a content library is a `com.vmware.content.library.Item`.
    pub async fn attach(&self, tag: &Tag, to: &Moref) -> Result<bool, VsphereError> {
        let attempt = format!("attach the tag `{}` to {to}", tag.name);
        let borne = self.tag_ids_of(&attempt, to).await?;
        if borne.contains(&tag.id) {
            return Ok(false);
        }
        let category = self.category(&attempt, &tag.category_id).await?;
        if category.cardinality == "SINGLE" {
            for id in borne {
                let other = self.told(&attempt, &id).await?;
                if other.category_id == tag.category_id {
                    return Err(VsphereError::new(VsphereErrorKind::Usage, attempt)
                        .because(format!(
                            "it bears `{}` already, and one of the tags of `{}` is all that the category allows",
                            other.name, tag.category
                        ))
                        .hint("detach the other tag, or have the category allow several"));
                }
            }
        }
        self.rest(&attempt, &calls::ATTACH, &[("tag_id", &tag.id)], Some(bearer(to))).await?;
        Ok(true)
    }

    /// The tags of a thing.
    pub async fn tags_of(&self, object: &Moref) -> Result<Vec<Tag>, VsphereError> {
        let attempt = format!("list the tags of {object}");
        let mut tags = Vec::new();
        for id in self.tag_ids_of(&attempt, object).await? {
            let told = self.told(&attempt, &id).await?;
            let category = self.category(&attempt, &told.category_id).await?;
            tags.push(told.of(&category));
        }
        tags.sort_by(|a, b| (&a.category, &a.name).cmp(&(&b.category, &b.name)));
        Ok(tags)
    }

    /// A category by its name.
    pub(super) async fn category_named(&self, name: &str) -> Result<Option<Category>, VsphereError> {
        let attempt = format!("look for the category of tags `{name}`");
        let ids = self.rest(&attempt, &calls::CATEGORIES, &[], None).await?;
        for id in texts(&ids) {
            // One that is removed meanwhile is another's business.
            match self.category(&attempt, &id).await {
                Ok(category) if category.name == name => return Ok(Some(category)),
                Err(error) if error.kind() != VsphereErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The tag of this name in a category.
    pub(super) async fn tag_in(&self, category: &Category, name: &str) -> Result<Option<Tag>, VsphereError> {
        let attempt = format!("look for the tag `{name}` in the category `{}`", category.name);
        for id in self.tag_ids_in(&attempt, category).await? {
            match self.told(&attempt, &id).await {
                Ok(told) if told.name == name => return Ok(Some(told.of(category))),
                Err(error) if error.kind() != VsphereErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The ids of all tags in a category.
    pub(super) async fn tag_ids_in(
        &self,
        attempt: &str,
        category: &Category,
    ) -> Result<Vec<String>, VsphereError> {
        let arguments = [("category_id", category.id.as_str())];
        Ok(texts(&self.rest(attempt, &calls::TAGS_OF_CATEGORY, &arguments, None).await?))
    }

    /// Whether anything bears a tag. What was removed a moment ago may still be listed; it does not count.
    pub(super) async fn is_borne(&self, attempt: &str, tag: &Tag) -> Result<bool, VsphereError> {
        let bearers = self.rest(attempt, &calls::BEARERS, &[("tag_id", &tag.id)], None).await?;
        for bearer in bearers.as_array().into_iter().flatten() {
            let text = |name: &str| bearer[name].as_str().unwrap_or_default();
            let there = match text("type") {
                "com.vmware.content.library.Item" => self.item(attempt, text("id")).await.map(drop),
                kind @ "VirtualMachine" => {
                    self.properties(&Moref::new(kind, text("id")), &["name"]).await.map(drop)
                }
                // Nothing that we made.
                _ => Ok(()),
            };
            match there {
                Err(error) if error.kind() == VsphereErrorKind::NotFound => {}
                Ok(()) | Err(_) => return Ok(true),
            }
        }
        Ok(false)
    }

    async fn category_for(
        &self,
        cx: &Cx,
        mark: &Mark,
        name: &str,
        of: &[&str],
    ) -> Result<Category, VsphereError> {
        if let Some(found) = self.category_named(name).await? {
            return Ok(found);
        }
        let attempt = format!("make the category of tags `{name}`");
        let undo = resource(self, Kind::Category, escape_name(name), cx.id().as_str(), &[]);
        let planned = cx.undo().plan(Undo::Resource(undo))?;
        let spec = json!({
            "name": name, "description": mark.on(""), "cardinality": "SINGLE", "associable_types": of,
        });
        match self.rest(&attempt, &calls::MAKE_CATEGORY, &[], Some(spec)).await {
            Ok(_) => {}
            Err(error) if error.kind() == VsphereErrorKind::Exists => {}
            Err(error) => return Err(error),
        }
        let made = self.category_named(name).await?.ok_or_else(|| {
            VsphereError::new(VsphereErrorKind::Other, attempt).because("it is not there afterwards")
        })?;
        if !crate::vsphere::is_marked(&made.description, cx.id().as_str()) {
            cx.undo().keep(planned)?;
        }
        Ok(made)
    }

    async fn category(&self, attempt: &str, id: &str) -> Result<Category, VsphereError> {
        parsed(attempt, self.rest(attempt, &calls::CATEGORY, &[("category_id", id)], None).await?)
    }

    async fn told(&self, attempt: &str, id: &str) -> Result<Told, VsphereError> {
        parsed(attempt, self.rest(attempt, &calls::TAG, &[("tag_id", id)], None).await?)
    }

    async fn tag_ids_of(&self, attempt: &str, object: &Moref) -> Result<Vec<String>, VsphereError> {
        Ok(texts(&self.rest(attempt, &calls::TAGS_OF, &[], Some(bearer(object))).await?))
    }
}

impl Category {
    fn takes(&self, kind: &str) -> bool {
        self.associable_types.is_empty() || self.associable_types.iter().any(|known| known == kind)
    }
}

impl Told {
    fn of(self, category: &Category) -> Tag {
        let Self { id, name, description, category_id } = self;
        Tag { id, name, description, category_id, category: category.name.clone() }
    }
}

/// A thing that bears tags, as this interface names it.
fn bearer(object: &Moref) -> Value {
    json!({ "object_id": { "type": object.kind, "id": object.id } })
}

/// A list of texts. An empty one may be left out.
pub(super) fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|one| one.as_str().map(ToOwned::to_owned)).collect()
}

/// An answer as what it is.
pub(super) fn parsed<T: serde::de::DeserializeOwned>(
    attempt: &str,
    answer: Value,
) -> Result<T, VsphereError> {
    serde_json::from_value(answer).map_err(|error| {
        VsphereError::new(VsphereErrorKind::Other, attempt)
            .because(format!("the server's answer is not understood: {error}"))
    })
}
