//! Copies of machines and templates.
use super::{
    Change, Home, Machine,
    place::{Chosen, Wanted},
    spec::check_name,
};
use crate::{
    cx::Cx,
    value::Size,
    vsphere::{Element, Mark, Moref, VsphereError, VsphereErrorKind, escape_name, is_marked},
};
use std::time::Duration;

/// A full copy copies disks.
const CLONE: Duration = Duration::from_hours(6);

/// A copy to be made.
#[derive(Debug, Clone)]
pub struct CloneSpec {
    /// Its name in its folder.
    pub name: String,
    /// What people read about it; the build's mark goes below.
    pub annotation: String,
    /// The build's mark.
    pub mark: Mark,
    /// How its disks come to be.
    pub kind: CloneKind,
    /// Whether it is a template.
    pub template: bool,
    /// What differs from what it is a copy of; its annotation is the one above.
    pub change: Change,
    /// The size of its first disk, which may only grow.
    pub first_disk: Option<Size>,
}

/// How a copy's disks come to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloneKind {
    /// All is copied: as it is, or as it was in a snapshot.
    Full(Option<Moref>),
    /// Only what is written is its own; all else is read from a snapshot of the original, which must stay. The current one if none is said.
    Linked(Option<Moref>),
}

impl Machine {
    /// Makes a copy. It is off.
    pub async fn clone_to(&self, cx: &Cx, spec: &CloneSpec, home: &Home) -> Result<Machine, VsphereError> {
        let (vcenter, attempt) = (&self.vcenter, format!("clone `{}` as `{}`", self.path, spec.name));
        check_name(&spec.name)?;
        spec.change.check(&spec.name)?;
        let (linked, snapshot) = match &spec.kind {
            CloneKind::Full(snapshot) => (false, snapshot.clone()),
            CloneKind::Linked(said) => (true, Some(self.linkable(&attempt, spec, said.as_ref()).await?)),
        };
        if let Some(size) = spec.first_disk {
            self.check_growth(&attempt, size).await?;
        }
        let path = vcenter.free_path(&attempt, &home.folder, &spec.name).await?;
        let change = Change { annotation: Some(spec.mark.on(&spec.annotation)), ..spec.change.clone() };
        // A template's disk does not grow any more.
        let template_at_once = spec.template && spec.first_disk.is_none();
        let write = |datastore: Option<&Chosen>, out: &mut Element| {
            let copy =
                Copy { home, datastore, linked, snapshot: snapshot.as_ref(), template: template_at_once };
            copy.write(&change, out);
        };
        let wanted = Wanted::Copy { of: &self.moref, name: &spec.name, spec: &|out| write(None, out) };
        let datastore = vcenter.choose(cx, home, wanted).await?;
        let made = vcenter
            .make(cx, &attempt, &path, "CloneVM_Task", &self.moref, CLONE, |call| {
                call.moref("folder", &home.folder)
                    .leaf("name", escape_name(&spec.name))
                    .node("spec", |out| write(Some(&datastore), out));
            })
            .await?;
        made.insist(cx, &change).await?;
        if let Some(size) = spec.first_disk {
            made.grow_first_disk(cx, size).await?;
        }
        if spec.template && !template_at_once {
            made.mark_as_template().await?;
        }
        Ok(made)
    }

    /// The snapshot that a linked copy may read from.
    async fn linkable(
        &self,
        attempt: &str,
        spec: &CloneSpec,
        said: Option<&Moref>,
    ) -> Result<Moref, VsphereError> {
        if spec.first_disk.is_some() {
            return Err(VsphereError::new(VsphereErrorKind::Usage, attempt)
                .because("the disks of a linked clone have the size of the original's")
                .hint("make a full clone, or leave the size of its disk as it is"));
        }
        let snapshot = match said {
            Some(said) => Some(said.clone()),
            None => self.current_snapshot().await?,
        };
        snapshot.ok_or_else(|| {
            VsphereError::new(VsphereErrorKind::Usage, attempt)
                .because("a linked clone reads from a snapshot of the original, which has none")
                .hint("make a snapshot of it, or a full clone")
        })
    }

    pub(super) async fn check_growth(&self, attempt: &str, size: Size) -> Result<(), VsphereError> {
        let devices = self.devices().await?;
        let first = devices.iter().find(|device| device.is_disk());
        let why = match first.and_then(super::Device::capacity) {
            None => "it has no disk that could grow".to_owned(),
            Some(now) if now > size.as_bytes() => {
                format!("its first disk has {} and cannot shrink to {size}", Size::bytes(now))
            }
            Some(_) => return Ok(()),
        };
        Err(VsphereError::new(VsphereErrorKind::Usage, attempt).because(why))
    }

    /// What a copy was to be like is said again if it does not bear its mark: without it, nobody would remove it.
    async fn insist(&self, cx: &Cx, change: &Change) -> Result<(), VsphereError> {
        let properties = self.vcenter.properties(&self.moref, &["config.annotation"]).await?;
        if is_marked(properties.text("config.annotation").unwrap_or_default(), cx.id().as_str()) {
            return Ok(());
        }
        self.reconfigure(cx, change).await
    }
}

/// What is said of a copy.
struct Copy<'a> {
    home: &'a Home,
    datastore: Option<&'a Chosen>,
    linked: bool,
    snapshot: Option<&'a Moref>,
    template: bool,
}

impl Copy<'_> {
    /// `VirtualMachineCloneSpec`.
    fn write(&self, change: &Change, out: &mut Element) {
        out.node("location", |location| {
            if let Some(datastore) = self.datastore {
                location.moref("datastore", &datastore.moref);
            }
            if self.linked {
                location.leaf("diskMoveType", "createNewChildDiskBacking");
            }
            location.moref("pool", &self.home.pool);
            if let Some(host) = &self.home.host {
                location.moref("host", host);
            }
        });
        out.flag("template", self.template);
        out.node("config", |config| change.config().write(config, |_| {}));
        out.flag("powerOn", false);
        if let Some(snapshot) = self.snapshot {
            out.moref("snapshot", snapshot);
        }
    }
}
