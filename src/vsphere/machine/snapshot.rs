//! Snapshots, templates, the version of the hardware.
use super::Machine;
use crate::{
    cx::Cx,
    vsphere::{Moref, Node, VsphereError, VsphereErrorKind, plain_name},
};
use std::time::Duration;

const SNAPSHOT: Duration = Duration::from_mins(30);
/// Disks are merged.
const CONSOLIDATE: Duration = Duration::from_hours(4);
const UPGRADE: Duration = Duration::from_mins(10);

/// A snapshot of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The object.
    pub moref: Moref,
    /// Its name; others may have the same.
    pub name: String,
    /// When it was made, as the server writes it: `2026-01-31T12:00:00Z`.
    pub made: String,
}

impl Snapshot {
    /// One with all that were made after it (`VirtualMachineSnapshotTree`).
    fn take(tree: &Node, into: &mut Vec<Self>) {
        let said = |name: &str| tree.text_at(name).unwrap_or_default();
        if let Some(moref) = tree.at("snapshot").and_then(Node::as_moref) {
            let (name, made) = (plain_name(said("name")), said("createTime").to_owned());
            into.push(Self { moref, name, made });
        }
        tree.all("childSnapshotList").for_each(|child| Self::take(child, into));
    }
}

impl Machine {
    /// All its snapshots, older ones before those that were made after them.
    pub async fn snapshots(&self) -> Result<Vec<Snapshot>, VsphereError> {
        let properties = self.vcenter.properties(&self.moref, &["snapshot"]).await?;
        let mut found = Vec::new();
        for tree in properties.get("snapshot").into_iter().flat_map(|info| info.all("rootSnapshotList")) {
            Snapshot::take(tree, &mut found);
        }
        Ok(found)
    }

    /// The snapshot that it goes on from, if there is one.
    pub async fn current_snapshot(&self) -> Result<Option<Moref>, VsphereError> {
        let properties = self.vcenter.properties(&self.moref, &["snapshot"]).await?;
        Ok(properties.get("snapshot").and_then(|info| info.at("currentSnapshot")).and_then(Node::as_moref))
    }

    /// Makes a snapshot of its disks. It goes when the machine goes.
    pub async fn create_snapshot(
        &self,
        cx: &Cx,
        name: &str,
        description: &str,
    ) -> Result<Moref, VsphereError> {
        let attempt = format!("make the snapshot `{name}` of `{}`", self.path);
        let made = self
            .vcenter
            .run(cx, &attempt, "CreateSnapshot_Task", &self.moref, SNAPSHOT, |call| {
                call.leaf("name", name).leaf("description", description).flag("memory", false);
                // There is nothing to quiesce in a machine that is off, and a guest without tools could not.
                call.flag("quiesce", false);
            })
            .await?;
        made.as_moref().ok_or_else(|| {
            VsphereError::new(VsphereErrorKind::Other, attempt).because("the task ended without saying which")
        })
    }

    /// Removes all snapshots; what was written since stays.
    pub async fn remove_snapshots(&self, cx: &Cx) -> Result<(), VsphereError> {
        let attempt = format!("remove the snapshots of `{}`", self.path);
        self.vcenter
            .run(cx, attempt, "RemoveAllSnapshots_Task", &self.moref, CONSOLIDATE, |call| {
                call.flag("consolidate", true);
            })
            .await
            .map(drop)
    }

    /// Whether it is a template.
    pub async fn is_template(&self) -> Result<bool, VsphereError> {
        let properties = self.vcenter.properties(&self.moref, &["config.template"]).await?;
        Ok(properties.get("config.template").is_some_and(Node::is_true))
    }

    /// Makes a template of it. It must be off.
    pub async fn mark_as_template(&self) -> Result<(), VsphereError> {
        let attempt = format!("make `{}` a template", self.path);
        self.vcenter.call(attempt, "MarkAsTemplate", &self.moref, |_| {}).await.map(drop)
    }

    /// Makes a machine of a template, to run in `pool`.
    pub async fn mark_as_machine(&self, pool: &Moref, host: Option<&Moref>) -> Result<(), VsphereError> {
        let attempt = format!("make `{}` a machine", self.path);
        self.vcenter
            .call(attempt, "MarkAsVirtualMachine", &self.moref, |call| {
                call.moref("pool", pool);
                if let Some(host) = host {
                    call.moref("host", host);
                }
            })
            .await
            .map(drop)
    }

    /// Makes its virtual hardware newer: `vmx-19`, or the newest that its host has. It must be off.
    pub async fn upgrade(&self, cx: &Cx, version: Option<&str>) -> Result<(), VsphereError> {
        let attempt = format!("upgrade the hardware of `{}`", self.path);
        let upgraded = self
            .vcenter
            .run(cx, attempt, "UpgradeVM_Task", &self.moref, UPGRADE, |call| {
                call.leaf_if("version", version);
            })
            .await;
        match upgraded {
            Err(error) if error.fault().is_some_and(|fault| fault.is("AlreadyUpgraded")) => Ok(()),
            other => other.map(drop),
        }
    }
}
