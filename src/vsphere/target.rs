//! Where in a vCenter's inventory something is made: what the user says, looked up before anything is created.
use super::{
    Datacenter, Moref, Named, Node, VCenter, VsphereError, VsphereErrorKind, escape_name, plain_name,
};
use crate::value::Size;

/// Where, in the user's words. What is left out is chosen where there is but one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// By name or path.
    pub datacenter: Option<String>,
    /// A cluster, or a host that is in none.
    pub cluster: Option<String>,
    /// A host.
    pub host: Option<String>,
    /// By name or path; of the cluster or host, if one is named.
    pub pool: Option<String>,
    /// Below the datacenter's `vm`; made if it is missing.
    pub folder: Option<String>,
    /// A datastore, or a datastore cluster.
    pub datastore: Option<String>,
    /// What the machine's networks are here.
    pub networks: Vec<NetworkChoice>,
}

/// A network of a description, and what it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkChoice {
    /// As the description has it; `None` for all that are not said.
    pub of: Option<String>,
    /// Here, by name or path.
    pub here: String,
}

/// Where, found.
#[derive(Debug, Clone)]
pub struct Spot {
    /// The datacenter.
    pub datacenter: Datacenter,
    /// The resource pool.
    pub pool: Moref,
    /// The host, if it matters.
    pub host: Option<Moref>,
    /// The path of the folder, once it is there: `/DC0/vm/templates`.
    pub folder_path: String,
    /// The datastore.
    pub datastore: Moref,
    /// Its name.
    pub datastore_name: String,
    /// What is free on it, in bytes.
    pub free_bytes: u64,
    /// The datastore cluster that it was chosen of.
    pub cluster: Option<Moref>,
    /// Why it was chosen, where that was not said.
    pub chosen: Option<String>,
}

impl Target {
    /// Finds everything; makes nothing.
    pub async fn find(&self, vcenter: &VCenter) -> Result<Spot, VsphereError> {
        let datacenter = vcenter.datacenter(self.datacenter.as_deref()).await?;
        let (pool, host) = self.pool(vcenter, &datacenter).await?;
        let said = self.folder.as_deref().unwrap_or_default();
        // What is there of it must be folders.
        let _ = vcenter.folder(&datacenter, said).await?;
        let top = format!("{}/vm", datacenter.path);
        let below = said.strip_prefix(top.as_str()).unwrap_or(said).trim_matches('/');
        let folder_path = if below.is_empty() { top } else { format!("{top}/{below}") };
        let (cluster, (datastore, datastore_name, free_bytes)) = self.datastore(vcenter, &datacenter).await?;
        let chosen = self.datastore.as_ref().filter(|_| cluster.is_some()).map(|said| {
            let room = Size::bytes(free_bytes);
            format!("of the datastore cluster `{said}`, `{datastore_name}` has most room ({room} free)")
        });
        Ok(Spot {
            datacenter,
            pool,
            host,
            folder_path,
            datastore,
            datastore_name,
            free_bytes,
            cluster,
            chosen,
        })
    }

    /// The resource pool, and the host if one is named.
    async fn pool(
        &self,
        vcenter: &VCenter,
        datacenter: &Datacenter,
    ) -> Result<(Moref, Option<Moref>), VsphereError> {
        let host = match &self.host {
            Some(said) => Some(vcenter.find(Named::Host, Some(datacenter), said).await?),
            None => None,
        };
        // A host is in a cluster, or is one of its own.
        let compute = match (&self.cluster, &host) {
            (Some(said), _) => Some(vcenter.find(Named::ComputeResource, Some(datacenter), said).await?),
            (None, Some(host)) => vcenter.properties(host, &["parent"]).await?.moref("parent"),
            (None, None) => None,
        };
        // What Packer's configurations say for a cluster's own pool.
        let pool = self
            .pool
            .as_deref()
            .map(str::trim)
            .filter(|said| !matches!(*said, "" | "Resources" | "*/Resources"));
        let compute = match (compute, pool) {
            (None, Some(said)) => {
                return Ok((vcenter.find(Named::ResourcePool, Some(datacenter), said).await?, host));
            }
            (None, None) => vcenter.only(Named::ComputeResource, &datacenter.moref).await?,
            (Some(compute), _) => compute,
        };
        let Some(pool) = pool else {
            let own = vcenter.properties(&compute, &["resourcePool"]).await?.moref("resourcePool");
            let own = own.ok_or_else(|| {
                VsphereError::new(VsphereErrorKind::NotFound, format!("find the resource pool of {compute}"))
                    .because("it has none")
            })?;
            return Ok((own, host));
        };
        // Two clusters may have pools of one name.
        let path = format!("{}/Resources/{pool}", vcenter.path_of(&compute).await?);
        match vcenter.at_path(&path).await? {
            Some(found) if matches!(found.kind.as_str(), "ResourcePool" | "VirtualApp") => Ok((found, host)),
            _ => Ok((vcenter.find(Named::ResourcePool, Some(datacenter), pool).await?, host)),
        }
    }

    /// The datastore with its name and its free space; of a datastore cluster the one with most of it, with the cluster.
    async fn datastore(
        &self,
        vcenter: &VCenter,
        datacenter: &Datacenter,
    ) -> Result<(Option<Moref>, (Moref, String, u64)), VsphereError> {
        let Some(said) = &self.datastore else {
            let only = vcenter.only(Named::Datastore, &datacenter.moref).await?;
            return Ok((None, usable(vcenter, &[only]).await?));
        };
        let cluster = match vcenter.find(Named::Datastore, Some(datacenter), said).await {
            Ok(found) if found.kind == "StoragePod" => found,
            Ok(found) => return Ok((None, usable(vcenter, &[found]).await?)),
            Err(error) if error.kind() == VsphereErrorKind::NotFound => {
                match vcenter.find(Named::StoragePod, Some(datacenter), said).await {
                    Ok(found) => found,
                    Err(_) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        };
        let children = vcenter.properties(&cluster, &["childEntity"]).await?.morefs("childEntity");
        let roomiest = usable(vcenter, &children).await?;
        Ok((Some(cluster), roomiest))
    }

    /// Networks of a description, and what each of them is here.
    pub async fn networks(
        &self,
        vcenter: &VCenter,
        datacenter: &Datacenter,
        described: &[String],
    ) -> Result<Vec<(String, Moref)>, VsphereError> {
        for choice in &self.networks {
            if let Some(of) = choice.of.as_ref().filter(|of| !described.contains(of)) {
                return Err(VsphereError::new(VsphereErrorKind::Usage, format!("map the network `{of}`"))
                    .because(format!("the description names {}", listed(described))));
            }
        }
        let rest = self.networks.iter().find(|choice| choice.of.is_none());
        let mut found = Vec::new();
        for name in described {
            let own = self.networks.iter().find(|choice| choice.of.as_deref() == Some(name));
            let here = own.or(rest).map(|choice| choice.here.as_str());
            let network = match here {
                Some(here) => vcenter.find(Named::Network, Some(datacenter), here).await?,
                // A network of the same name is what a server would take, too.
                None => vcenter.find(Named::Network, Some(datacenter), name).await.map_err(|error| {
                    error.hint(format!("say what the image's network `{name}` is here: `--network NAME`"))
                })?,
            };
            found.push((name.clone(), network));
        }
        Ok(found)
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The one with most room of those that can be used.
async fn usable(vcenter: &VCenter, all: &[Moref]) -> Result<(Moref, String, u64), VsphereError> {
    let of = ["name", "summary.accessible", "summary.freeSpace", "summary.maintenanceMode"];
    let mut why = "there is none".to_owned();
    let mut best: Option<(Moref, String, u64)> = None;
    for (moref, datastore) in vcenter.properties_of_all(all, &of).await? {
        let name = plain_name(datastore.text("name").unwrap_or_default());
        let mode = datastore.text("summary.maintenanceMode").unwrap_or("normal");
        if !datastore.get("summary.accessible").is_some_and(Node::is_true) {
            why = format!("`{name}` is not accessible");
        } else if mode != "normal" {
            why = format!("`{name}` is in maintenance mode");
        } else {
            let free = datastore.text("summary.freeSpace").and_then(|text| text.parse().ok()).unwrap_or(0);
            if best.as_ref().is_none_or(|(_, _, most)| free > *most) {
                best = Some((moref, name, free));
            }
        }
    }
    best.ok_or_else(|| VsphereError::new(VsphereErrorKind::NotFound, "find a datastore to use").because(why))
}

impl Spot {
    /// The path of a machine here.
    pub fn path_of(&self, name: &str) -> String {
        format!("{}/{}", self.folder_path, escape_name(name))
    }
}
