//! From a machine to an item of a content library.
use super::items::{self, Stored};
use crate::{
    cx::Cx,
    publish::stage::stage,
    vsphere::{
        Captured, Datacenter, ItemSpec, Mark, Moref, Named, VCenter, VsphereError, VsphereErrorKind,
        machine::{Machine, PowerState},
        plain_name, result,
    },
};
use serde::Serialize;

/// What a machine becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureAs {
    /// An OVF package.
    Ovf,
    /// A template that stays a machine of the inventory, and is owned by the library.
    Template,
}

/// A machine for a content library.
#[derive(Debug, Clone)]
pub struct Capture<'a> {
    /// The datacenter, by name or path.
    pub datacenter: Option<&'a str>,
    /// The machine, by name or path.
    pub machine: &'a str,
    /// The library's name.
    pub library: &'a str,
    /// What the item is to be called, if not as the machine.
    pub name: Option<&'a str>,
    /// What it becomes.
    pub kind: CaptureAs,
    /// For people.
    pub description: Option<&'a str>,
    /// An item of the name gets new content; only of OVF packages.
    pub new_version: bool,
    /// Where a template is, if not beside the machine; made if it is missing.
    pub folder: Option<&'a str>,
    /// The resource pool of a template, if not that of the machine.
    pub pool: Option<&'a str>,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct InLibrary {
    /// The path of the machine that it was made of.
    pub machine: String,
    /// The item.
    #[serde(flatten)]
    pub stored: Stored,
}

impl Capture<'_> {
    /// Makes the item. A new one goes again if something fails.
    pub async fn run(&self, cx: &Cx, vcenter: &VCenter) -> Result<InLibrary, VsphereError> {
        let (datacenter, machine, name, library, existing, old) = stage(
            cx,
            "check",
            Box::pin(async {
                if self.new_version && self.kind == CaptureAs::Template {
                    return Err(self
                        .wrong("a template in a library cannot be replaced")
                        .hint("take another `--name`, or `--as ovf`"));
                }
                let datacenter = vcenter.datacenter(self.datacenter).await?;
                let machine = vcenter.machine(&datacenter, self.machine).await?;
                if machine.power().await?.0 != PowerState::Off {
                    return Err(self.wrong("it is not off").hint("shut it down, and run the command again"));
                }
                let own = plain_name(machine.path().rsplit('/').next().unwrap_or_default());
                let name = self.name.map_or(own, ToOwned::to_owned);
                let library = items::library(vcenter, self.library).await?;
                let (existing, old) = items::existing(vcenter, &library, &name, self.new_version).await?;
                Ok((datacenter, machine, name, library, existing, old))
            }),
        )
        .await?;
        let line = result::line(machine.path());
        let text = match self.description {
            Some(said) => format!("{said}\n{line}"),
            None => line,
        };
        let mark = Mark::of(cx.id(), &name);
        let spec = ItemSpec { library: &library, name: &name, description: &text, existing };
        let Captured { item, undo } = stage(
            cx,
            "capture",
            Box::pin(async {
                match self.kind {
                    CaptureAs::Ovf => vcenter.capture_ovf(cx, &mark, machine.moref(), &spec).await,
                    CaptureAs::Template => {
                        let (folder, pool) = self.beside(cx, vcenter, &datacenter, &machine).await?;
                        vcenter.capture_template(cx, &mark, machine.moref(), &spec, &folder, &pool).await
                    }
                }
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
                let files = vcenter.item_files(&item).await?;
                if self.kind == CaptureAs::Ovf && files.is_empty() {
                    let attempt =
                        format!("trust the item `{name}` of the content library `{}`", library.name);
                    return Err(
                        VsphereError::new(VsphereErrorKind::Other, attempt).because("it has no files")
                    );
                }
                let said = (text.as_str(), self.description.is_some());
                items::keep(cx, vcenter, (&item, old.as_ref(), undo), said).await?;
                let stored = items::stored(vcenter, &library, &item, old.is_some(), &files).await?;
                Ok(InLibrary { machine: machine.path().to_owned(), stored })
            }),
        )
        .await
    }

    fn wrong(&self, why: &str) -> VsphereError {
        let attempt = format!("capture `{}` to the content library `{}`", self.machine, self.library);
        VsphereError::new(VsphereErrorKind::Usage, attempt).because(why.to_owned())
    }

    /// Folder and resource pool of a template.
    async fn beside(
        &self,
        cx: &Cx,
        vcenter: &VCenter,
        datacenter: &Datacenter,
        machine: &Machine,
    ) -> Result<(Moref, Moref), VsphereError> {
        let own = vcenter.properties(machine.moref(), &["parent", "resourcePool"]).await?;
        let pool = match self.pool {
            Some(said) => vcenter.find(Named::ResourcePool, Some(datacenter), said).await?,
            None => own.moref("resourcePool").ok_or_else(|| {
                self.wrong("it is a template, which has no resource pool")
                    .hint("name one: `--resource-pool NAME`")
            })?,
        };
        let folder = match (self.folder, own.moref("parent")) {
            (None, Some(parent)) => parent,
            (said, _) => vcenter.folder_made(cx, datacenter, said.unwrap_or_default()).await?,
        };
        Ok((folder, pool))
    }
}
