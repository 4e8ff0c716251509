//! How items, tags and categories are removed: only what bears the build's mark, and tags only when nothing bears them.
use super::calls;
use crate::{
    cx::ResourceRef,
    vsphere::{BUILD, VCenter, VsphereError, VsphereErrorKind, is_marked, plain_name},
};

/// Removes an item of a content library, if the build made it.
pub(in crate::vsphere) async fn remove_item(
    vcenter: &VCenter,
    resource: &ResourceRef,
) -> Result<(), VsphereError> {
    let (library, name) = pair(resource)?;
    let library = vcenter.library(&library).await?;
    match vcenter.library_item(&library, &name).await? {
        Some(item) if is_marked(&item.description, build(resource)) => vcenter.delete_item(&item).await,
        // Somebody else's of the same name is not ours to remove.
        _ => Ok(()),
    }
}

/// Removes a tag, if the build made it and nothing bears it.
pub(in crate::vsphere) async fn remove_tag(
    vcenter: &VCenter,
    resource: &ResourceRef,
) -> Result<(), VsphereError> {
    let attempt = format!("remove {resource}");
    let (category, name) = pair(resource)?;
    let Some(category) = vcenter.category_named(&category).await? else { return Ok(()) };
    let Some(tag) = vcenter.tag_in(&category, &name).await? else { return Ok(()) };
    if !is_marked(&tag.description, build(resource)) || vcenter.is_borne(&attempt, &tag).await? {
        return Ok(());
    }
    vcenter.rest(&attempt, &calls::REMOVE_TAG, &[("tag_id", &tag.id)], None).await.map(drop)
}

/// Removes a category, if the build made it and there is no tag in it.
pub(in crate::vsphere) async fn remove_category(
    vcenter: &VCenter,
    resource: &ResourceRef,
) -> Result<(), VsphereError> {
    let attempt = format!("remove {resource}");
    let Some(category) = vcenter.category_named(&plain_name(&resource.id)).await? else { return Ok(()) };
    let ours = is_marked(&category.description, build(resource));
    if !ours || !vcenter.tag_ids_in(&attempt, &category).await?.is_empty() {
        return Ok(());
    }
    vcenter.rest(&attempt, &calls::REMOVE_CATEGORY, &[("category_id", &category.id)], None).await.map(drop)
}

fn build(resource: &ResourceRef) -> &str {
    resource.details.get(BUILD).map(String::as_str).unwrap_or_default()
}

/// `library/item`, `category/tag`.
fn pair(resource: &ResourceRef) -> Result<(String, String), VsphereError> {
    match resource.id.split_once('/') {
        Some((first, second)) => Ok((plain_name(first), plain_name(second))),
        None => Err(VsphereError::new(VsphereErrorKind::Usage, format!("remove {resource}"))
            .because("it is named by two names with a slash between them")),
    }
}
