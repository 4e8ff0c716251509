//! What an imported machine gets before it is a result.
use crate::{
    cx::Cx,
    vsphere::{Mark, Moref, Tag, VCenter, VsphereError, VsphereErrorKind, machine::Machine},
};

/// What a server may round a disk up to.
const ROUNDED: u64 = 1 << 20;

/// What a machine gets. All of it goes with the machine, if something fails later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finish {
    /// A snapshot of this name, for linked clones.
    pub snapshot: Option<String>,
    /// Category and tag, made if there is none.
    pub tags: Vec<(String, String)>,
    /// Custom attributes and their values.
    pub attributes: Vec<(String, String)>,
    /// It becomes a template.
    pub template: bool,
}

impl Finish {
    /// Finds or makes the tags. Before the machine: what is made last is undone first, and a tag stays as long as something bears it.
    pub async fn tags(&self, cx: &Cx, vcenter: &VCenter, mark: &Mark) -> Result<Vec<Tag>, VsphereError> {
        let mut found = Vec::new();
        for (category, tag) in &self.tags {
            cx.check()?;
            found.push(vcenter.tag(cx, mark, category, tag, &["VirtualMachine"]).await?);
        }
        Ok(found)
    }

    /// Does everything, in an order that the server allows: a template takes no snapshot.
    pub async fn apply(
        &self,
        cx: &Cx,
        machine: &Machine,
        tags: &[Tag],
    ) -> Result<Option<Moref>, VsphereError> {
        let mut snapshot = None;
        if let Some(name) = &self.snapshot {
            snapshot = Some(machine.create_snapshot(cx, name, "made by goldsmith").await?);
        }
        for tag in tags {
            cx.check()?;
            machine.vcenter().attach(tag, machine.moref()).await?;
        }
        for (name, value) in &self.attributes {
            cx.check()?;
            machine.set_attribute(name, value).await?;
        }
        if self.template {
            cx.check()?;
            machine.mark_as_template().await?;
        }
        Ok(snapshot)
    }

    /// Looks at the machine once more: it is what was asked for, and its disks have these sizes in bytes, in any order.
    pub async fn verify(
        &self,
        machine: &Machine,
        snapshot: Option<&Moref>,
        disks: &[u64],
    ) -> Result<(), VsphereError> {
        let wrong = |why: String| {
            VsphereError::new(VsphereErrorKind::Other, format!("trust `{}`", machine.path())).because(why)
        };
        let mut found: Vec<u64> = machine
            .devices()
            .await?
            .iter()
            .filter(|device| device.is_disk())
            .map(|device| device.capacity().unwrap_or_default())
            .collect();
        let mut wanted = disks.to_vec();
        found.sort_unstable();
        wanted.sort_unstable();
        let same = |(is, wanted): (&u64, &u64)| is.abs_diff(*wanted) < ROUNDED;
        if found.len() != wanted.len() || !found.iter().zip(&wanted).all(same) {
            return Err(wrong(format!("its disks have {found:?} bytes, and those of the image {wanted:?}")));
        }
        if machine.is_template().await? != self.template {
            return Err(wrong(format!("it is {} template", if self.template { "no" } else { "a" })));
        }
        if machine.current_snapshot().await?.as_ref() != snapshot {
            return Err(wrong("its snapshot is another one".to_owned()));
        }
        Ok(())
    }
}
