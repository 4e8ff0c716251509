//! Folders for machines that are made where they are missing, and removed when nothing is in them.
use super::{Datacenter, Kind, Moref, VCenter, VsphereError, VsphereErrorKind, remove::resource};
use crate::cx::{Cx, Undo};

impl VCenter {
    /// The folder for machines at this path, with those of its parts made that are missing. They go when they are empty at the end.
    pub async fn folder_made(
        &self,
        cx: &Cx,
        datacenter: &Datacenter,
        said: &str,
    ) -> Result<Moref, VsphereError> {
        let (mut at, missing) = self.folder(datacenter, said).await?;
        if missing.is_empty() {
            return Ok(at);
        }
        let mut path = self.path_of(&at).await?;
        for name in missing {
            path = format!("{path}/{name}");
            cx.check()?;
            let undo = |details: &[(&str, &str)]| {
                Undo::Resource(resource(self, Kind::Folder, &path, cx.id().as_str(), details))
            };
            let handle = cx.undo().plan(undo(&[]))?;
            at = match self.make_folder(&at, &name).await {
                Ok(made) => {
                    cx.undo().resolve(handle, undo(&[("moref", &made.to_string())]))?;
                    made
                }
                // Somebody else made it a moment ago, and it is theirs.
                Err(error) if error.kind() == VsphereErrorKind::Exists => {
                    cx.undo().keep(handle)?;
                    self.at_path(&path).await?.ok_or(error)?
                }
                Err(error) => return Err(error),
            };
        }
        Ok(at)
    }
}
