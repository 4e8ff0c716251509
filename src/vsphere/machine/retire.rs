//! Names that change, and machines that go because somebody says so.
use super::Machine;
use crate::{cx::Cx, vsphere::VsphereError};
use std::time::Duration;

const RENAME: Duration = Duration::from_mins(5);
const DESTROY: Duration = Duration::from_mins(15);

impl Machine {
    /// Gives it another name. Its files keep theirs, and this value its path: it is known by its object.
    pub async fn rename(&self, cx: &Cx, name: &str) -> Result<(), VsphereError> {
        let attempt = format!("rename `{}` to `{name}`", self.path);
        let renamed = self.vcenter.run(cx, attempt, "Rename_Task", &self.moref, RENAME, |call| {
            // Names in calls are escaped as those in paths are.
            call.leaf("newName", crate::vsphere::escape_name(name));
        });
        renamed.await.map(drop)
    }

    /// Removes it with its disks and snapshots, whoever made it. It must be off.
    pub async fn destroy(&self, cx: &Cx) -> Result<(), VsphereError> {
        let attempt = format!("remove `{}`", self.path);
        self.vcenter.run(cx, attempt, "Destroy_Task", &self.moref, DESTROY, |_| {}).await.map(drop)
    }
}
