//! Where a machine is put: folder, pool, host, and a datastore, which a datastore cluster may choose.
use super::device::FIRST_DISK;
use crate::{
    cx::{Cx, causes},
    value::Size,
    vsphere::{Element, Moref, Node, VCenter, VsphereError, VsphereErrorKind, escape_name, plain_name},
};

/// Where a machine is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The folder that it is listed in.
    pub folder: Moref,
    /// The resource pool that it runs in; a cluster has one of its own (`resourcePool`).
    pub pool: Moref,
    /// The host that it runs on; without one the cluster chooses.
    pub host: Option<Moref>,
    /// Where its files are.
    pub storage: Storage,
}

/// Where files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// A datastore.
    Datastore(Moref),
    /// A datastore cluster, which recommends one of its own.
    Cluster(Moref),
}

/// What a datastore cluster is to find room for.
pub(super) enum Wanted<'a> {
    /// A new machine. `config` writes the elements of its `VirtualMachineConfigSpec`.
    New { config: &'a (dyn Fn(&mut Element) + Sync), has_disk: bool },
    /// A copy of a machine. `spec` writes the elements of its `VirtualMachineCloneSpec`.
    Copy { of: &'a Moref, name: &'a str, spec: &'a (dyn Fn(&mut Element) + Sync) },
}

/// A datastore with its name.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub(super) moref: Moref,
    pub(super) name: String,
}

impl VCenter {
    /// The datastore for a machine.
    pub(super) async fn choose(
        &self,
        cx: &Cx,
        home: &Home,
        wanted: Wanted<'_>,
    ) -> Result<Chosen, VsphereError> {
        let moref = match &home.storage {
            Storage::Datastore(moref) => moref.clone(),
            Storage::Cluster(cluster) => match self.recommended(home, cluster, &wanted).await {
                Ok(Some(moref)) => moref,
                Ok(None) => self.roomiest(cx, cluster, "it recommends nothing").await?,
                Err(error)
                    if matches!(
                        error.kind(),
                        VsphereErrorKind::Auth | VsphereErrorKind::Permission | VsphereErrorKind::Unavailable
                    ) =>
                {
                    return Err(error);
                }
                Err(error) => self.roomiest(cx, cluster, &causes(&error).join(": ")).await?,
            },
        };
        let properties = self.properties(&moref, &["name"]).await?;
        let name = plain_name(properties.text("name").unwrap_or_default());
        Ok(Chosen { moref, name })
    }

    /// What Storage DRS says. Only its destination is taken: the machine is made by the same call as anywhere else, so that it is
    /// journaled and undone the same way.
    async fn recommended(
        &self,
        home: &Home,
        cluster: &Moref,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Moref>, VsphereError> {
        let manager = self.service("storageResourceManager")?;
        let attempt = format!("ask the datastore cluster {cluster} for a datastore");
        let answer = self
            .call(attempt, "RecommendDatastores", &manager, |call| {
                call.node("storageSpec", |spec| placement(spec, home, cluster, wanted));
            })
            .await?;
        let Some(result) = answer.at("returnval") else { return Ok(None) };
        let rating = |node: &Node| node.text_at("rating").and_then(|text| text.parse::<i32>().ok());
        let best = result.all("recommendations").max_by_key(|node| rating(node));
        Ok(best.and_then(|best| best.at("action/destination")).and_then(Node::as_moref))
    }

    /// The cluster's accessible datastore with most free space.
    async fn roomiest(&self, cx: &Cx, cluster: &Moref, why: &str) -> Result<Moref, VsphereError> {
        let pod = self.properties(cluster, &["name", "childEntity"]).await?;
        let name = plain_name(pod.text("name").unwrap_or_default());
        let of = ["name", "summary.accessible", "summary.freeSpace", "summary.maintenanceMode"];
        let datastores = self.properties_of_all(&pod.morefs("childEntity"), &of).await?;
        let usable = datastores.iter().filter(|(_, datastore)| {
            datastore.get("summary.accessible").is_some_and(Node::is_true)
                && datastore.text("summary.maintenanceMode").is_none_or(|mode| mode == "normal")
        });
        let free = |datastore: &crate::vsphere::Properties| {
            datastore.text("summary.freeSpace").and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
        };
        let Some((moref, datastore)) = usable.max_by_key(|(_, datastore)| free(datastore)) else {
            return Err(VsphereError::new(
                VsphereErrorKind::NotFound,
                format!("find room in the datastore cluster `{name}`"),
            )
            .because("none of its datastores can be used"));
        };
        cx.events().notice(format!(
            "datastore cluster `{name}`: {why}; taking its datastore `{}`, which has most room ({} free)",
            plain_name(datastore.text("name").unwrap_or_default()),
            Size::bytes(free(datastore))
        ));
        Ok(moref.clone())
    }
}

/// `StoragePlacementSpec`.
fn placement(spec: &mut Element, home: &Home, cluster: &Moref, wanted: &Wanted<'_>) {
    let pod = |spec: &mut Element, has_disk: bool| {
        spec.node("podSelectionSpec", |selection| {
            selection.node("initialVmConfig", |config| {
                config.moref("storagePod", cluster);
                if has_disk {
                    config.node("disk", |disk| {
                        disk.number("diskId", FIRST_DISK);
                    });
                }
            });
            selection.moref("storagePod", cluster);
        });
    };
    match wanted {
        Wanted::New { config, has_disk } => {
            spec.leaf("type", "create");
            pod(spec, *has_disk);
            spec.node("configSpec", config);
            spec.moref("resourcePool", &home.pool);
        }
        Wanted::Copy { of, name, spec: copy } => {
            spec.leaf("type", "clone").moref("vm", of);
            pod(spec, false);
            spec.node("cloneSpec", copy).leaf("cloneName", escape_name(name));
        }
    }
    if let Some(host) = &home.host {
        spec.moref("host", host);
    }
    spec.moref("folder", &home.folder);
}
