//! How files that a build brought to a datastore are removed: only those that have its id in their name.
use super::split_path;
use crate::{
    cx::ResourceRef,
    vsphere::{BUILD, VCenter, VsphereError, VsphereErrorKind},
};
use std::time::Duration;

const DELETE: Duration = Duration::from_mins(15);

/// Removes a file of a datastore: [`ResourceRef::id`] is `[datastore] path`, the detail `datacenter` the path of its datacenter.
pub(in crate::vsphere) async fn remove_file(
    vcenter: &VCenter,
    resource: &ResourceRef,
) -> Result<(), VsphereError> {
    let attempt = format!("remove {resource}");
    let refused =
        |why: &str| VsphereError::new(VsphereErrorKind::Usage, attempt.clone()).because(why.to_owned());
    let build = resource.details.get(BUILD).map(String::as_str).unwrap_or_default();
    let name = split_path(&resource.id).and_then(|(_, path)| path.rsplit('/').next()).unwrap_or_default();
    if build.is_empty() || !name.contains(build) {
        return Err(refused("its name does not say that the build made it"));
    }
    let Some(datacenter) = resource.details.get("datacenter") else {
        return Err(refused("nobody wrote down which datacenter it is in"));
    };
    // A datacenter that is gone took its files along.
    let Some(datacenter) = vcenter.at_path(datacenter).await? else { return Ok(()) };
    let manager = vcenter.service("fileManager")?;
    let task = vcenter
        .begin(&attempt, "DeleteDatastoreFile_Task", &manager, |call| {
            call.leaf("name", &resource.id).moref("datacenter", &datacenter);
        })
        .await?;
    vcenter.finish_undoing(&attempt, "DeleteDatastoreFile_Task", &task, DELETE).await.map(drop)
}
