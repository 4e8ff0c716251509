//! Pictures of a machine's screen. A host writes them among the machine's files.
use super::Machine;
use crate::{
    cx::Cx,
    vsphere::{Datacenter, Moref, Named, VsphereError, VsphereErrorKind, datastore::split_path},
};
use std::{path::Path, time::Duration};

const PICTURE: Duration = Duration::from_mins(1);

impl Machine {
    /// Makes a picture of its screen (PNG) and brings it to `to`. It must run.
    pub async fn screenshot(&self, cx: &Cx, to: &Path) -> Result<(), VsphereError> {
        let attempt = format!("make a picture of the screen of `{}`", self.path);
        let made =
            self.vcenter.run(cx, &attempt, "CreateScreenshot_Task", &self.moref, PICTURE, |_| {}).await?;
        let Some((datastore, path)) = split_path(&made.text) else {
            return Err(VsphereError::new(VsphereErrorKind::Other, attempt)
                .because(format!("the vCenter says that it is in `{}`, which is no file", made.text)));
        };
        let datacenter = self.datacenter().await?;
        let found = self.vcenter.find(Named::Datastore, Some(&datacenter), datastore).await?;
        let datastore = self.vcenter.datastore(&datacenter, &found).await?;
        let brought = datastore.download(cx, path, to).await;
        // What stays would go with the machine; a result had better not have it.
        let _ = datastore.delete(cx, path).await;
        brought.map(drop)
    }

    /// The datacenter that it is in.
    async fn datacenter(&self) -> Result<Datacenter, VsphereError> {
        // Nothing is that deep; a circle would be.
        const DEEPEST: usize = 100;
        let mut at: Moref = self.moref.clone();
        for _ in 0..DEEPEST {
            if at.kind == Named::Datacenter.kind() {
                let path = self.vcenter.path_of(&at).await?;
                let name = path.rsplit('/').next().unwrap_or_default().to_owned();
                return Ok(Datacenter { moref: at, path, name });
            }
            match self.vcenter.properties(&at, &["parent"]).await?.moref("parent") {
                Some(parent) => at = parent,
                None => break,
            }
        }
        Err(VsphereError::new(VsphereErrorKind::NotFound, format!("find the datacenter of `{}`", self.path)))
    }
}
