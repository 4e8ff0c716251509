//! Machines out of a content library.
use super::{
    calls,
    capture::{succeeded, text},
    library::Item,
    op,
    tags::texts,
};
use crate::{
    cx::{Cx, Undo},
    vsphere::{
        Kind, Mark, Moref, VCenter, VsphereError, VsphereErrorKind, is_marked,
        machine::{Change, Machine, Provisioning},
        resource,
    },
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A machine that is to be made of an item.
#[derive(Debug, Clone)]
pub struct DeploySpec {
    /// Its name.
    pub name: String,
    /// Its annotation; the mark is added.
    pub annotation: String,
    /// A folder for machines.
    pub folder: Moref,
    /// A resource pool.
    pub pool: Moref,
    /// A host, where the pool has several.
    pub host: Option<Moref>,
    /// For its disks; the server chooses if it is not said.
    pub datastore: Option<Moref>,
    /// Networks by their names in the package. Templates have none of these.
    pub networks: BTreeMap<String, Moref>,
    /// The network for all others.
    pub network: Option<Moref>,
    /// How its disks take space, of packages.
    pub provisioning: Option<Provisioning>,
    /// Whether licences in the package are accepted.
    pub accept_licences: bool,
}

/// What a server says of an OVF package before it makes a machine of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// Its networks.
    pub networks: Vec<String>,
    /// Its notes.
    pub annotation: String,
}

impl VCenter {
    /// What an item of the type `ovf` holds, for a machine in this pool.
    pub async fn package(&self, item: &Item, pool: &Moref) -> Result<Package, VsphereError> {
        let attempt = format!("look into the item `{}` of the content library", item.name);
        let arguments = [("ovf_library_item_id", item.id.as_str())];
        let target = json!({ "target": { "resource_pool_id": pool.id } });
        let summary = self.rest(&attempt, &calls::FILTER_OVF, &arguments, Some(target)).await?;
        let annotation = summary["annotation"].as_str().unwrap_or_default().to_owned();
        Ok(Package { networks: texts(&summary["networks"]), annotation })
    }

    /// Makes a machine of an item: of an OVF package, or of a template. It is off.
    pub async fn deploy(
        &self,
        cx: &Cx,
        mark: &Mark,
        item: &Item,
        spec: &DeploySpec,
    ) -> Result<Machine, VsphereError> {
        let attempt =
            format!("make the machine `{}` of the item `{}` of the content library", spec.name, item.name);
        let is_template = match item.kind.as_str() {
            "ovf" => false,
            "vm-template" => true,
            other => {
                return Err(VsphereError::new(VsphereErrorKind::Usage, attempt)
                    .because(format!("it is of the type `{other}`"))
                    .hint("machines are made of items of the types `ovf` and `vm-template`"));
            }
        };
        let path = self.free_path(&attempt, &spec.folder, &spec.name).await?;
        let body = if is_template {
            spec.of_template(mark, &self.nics(&attempt, item, spec).await?)
        } else {
            let target = json!({ "target": spec.target() });
            let arguments = [("ovf_library_item_id", item.id.as_str())];
            let summary = self.rest(&attempt, &calls::FILTER_OVF, &arguments, Some(target)).await?;
            spec.of_package(&attempt, mark, &summary)?
        };
        let undo = resource(self, Kind::Machine, path.clone(), cx.id().as_str(), &[]);
        // Who keeps the machine finds this by the path.
        let _ = cx.undo().plan(Undo::Resource(undo))?;
        let machine = if is_template {
            let arguments = [("template_library_item", item.id.as_str())];
            let answer =
                self.rest_slowly(cx, &attempt, &calls::DEPLOY_TEMPLATE, &arguments, Some(body)).await?;
            Moref::new("VirtualMachine", text(&attempt, &answer)?)
        } else {
            let arguments = [("ovf_library_item_id", item.id.as_str())];
            let answer = self.rest_slowly(cx, &attempt, &calls::DEPLOY_OVF, &arguments, Some(body)).await?;
            succeeded(&attempt, &answer)?;
            let made = &answer["resource_id"];
            Moref::new(text(&attempt, &made["type"])?, text(&attempt, &made["id"])?)
        };
        if machine.kind != "VirtualMachine" {
            return Err(VsphereError::new(VsphereErrorKind::Usage, attempt)
                .because(format!("the package has several machines: it became {machine}")));
        }
        let machine = Machine::new(self, machine, path);
        // Where the server did not: by the mark in its annotation the machine is known for ours.
        if !is_marked(&machine.annotation().await?, cx.id().as_str()) {
            let annotation = Some(mark.on(&spec.annotation));
            machine.reconfigure(cx, &Change { annotation, ..Change::default() }).await?;
        }
        Ok(machine)
    }

    /// The keys of a template's network cards, if they are to be connected otherwise.
    async fn nics(&self, attempt: &str, item: &Item, spec: &DeploySpec) -> Result<Vec<String>, VsphereError> {
        if spec.network.is_none() {
            return Ok(Vec::new());
        }
        let arguments = [("template_library_item", item.id.as_str())];
        Ok(op::keys(&self.rest(attempt, &calls::TEMPLATE, &arguments, None).await?["nics"]))
    }
}

/// As packages call it (`DiskProvisioningType`).
fn word(provisioning: Provisioning) -> &'static str {
    match provisioning {
        Provisioning::Thin => "thin",
        Provisioning::Thick => "thick",
        Provisioning::EagerZeroed => "eagerZeroedThick",
    }
}

impl DeploySpec {
    fn target(&self) -> Value {
        let mut target = json!({ "resource_pool_id": self.pool.id, "folder_id": self.folder.id });
        if let Some(host) = &self.host {
            target["host_id"] = json!(host.id);
        }
        target
    }

    /// The body for a package, of which the server said `summary`.
    fn of_package(&self, attempt: &str, mark: &Mark, summary: &Value) -> Result<Value, VsphereError> {
        let usage = |why: String| VsphereError::new(VsphereErrorKind::Usage, attempt).because(why);
        if !self.accept_licences && summary["EULAs"].as_array().is_some_and(|licences| !licences.is_empty()) {
            return Err(usage("the package has a licence that has to be accepted".to_owned())
                .hint("read it in the vSphere Client, and say `--accept-licences`"));
        }
        let mut networks = self.networks.clone();
        for name in texts(&summary["networks"]) {
            let Some(network) = networks.get(&name).or(self.network.as_ref()).cloned() else {
                return Err(usage(format!("its network `{name}` is none of those that are given")));
            };
            networks.insert(name, network);
        }
        let mut spec = json!({
            "name": self.name, "annotation": mark.on(&self.annotation), "accept_all_EULA": self.accept_licences,
        });
        if !networks.is_empty() {
            let map: BTreeMap<_, _> =
                networks.into_iter().map(|(name, network)| (name, network.id)).collect();
            spec["network_mappings"] = json!(map);
        }
        if let Some(provisioning) = self.provisioning {
            spec["storage_provisioning"] = json!(word(provisioning));
        }
        if let Some(datastore) = &self.datastore {
            spec["default_datastore_id"] = json!(datastore.id);
        }
        Ok(json!({ "target": self.target(), "deployment_spec": spec }))
    }

    /// The body for a template.
    fn of_template(&self, mark: &Mark, nics: &[String]) -> Value {
        let mut placement = json!({ "folder": self.folder.id, "resource_pool": self.pool.id });
        if let Some(host) = &self.host {
            placement["host"] = json!(host.id);
        }
        let mut spec = json!({
            "name": self.name, "description": mark.on(&self.annotation), "placement": placement, "powered_on": false,
        });
        if let Some(datastore) = &self.datastore {
            spec["vm_home_storage"] = json!({ "datastore": datastore.id });
            spec["disk_storage"] = json!({ "datastore": datastore.id });
        }
        if let Some(network) = self.network.as_ref().filter(|_| !nics.is_empty()) {
            let map: BTreeMap<_, _> =
                nics.iter().map(|key| (key, json!({ "network": network.id }))).collect();
            spec["hardware_customization"] = json!({ "nics": map });
        }
        spec
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cx::BuildId;

    fn spec() -> DeploySpec {
        DeploySpec {
            name: "web".into(),
            annotation: "Web".into(),
            folder: Moref::new("Folder", "group-v3"),
            pool: Moref::new("ResourcePool", "resgroup-8"),
            host: None,
            datastore: Some(Moref::new("Datastore", "datastore-1")),
            networks: BTreeMap::from([("front".into(), Moref::new("Network", "network-1"))]),
            network: Some(Moref::new("Network", "network-2")),
            provisioning: Some(Provisioning::Thin),
            accept_licences: false,
        }
    }

    #[test]
    fn a_package_s_networks_are_mapped_and_its_licence_is_asked_about() {
        let mark = Mark::of(&BuildId::random(), "web");
        let summary = json!({ "networks": ["front", "back"], "EULAs": [] });
        let body = spec().of_package("x", &mark, &summary).unwrap();
        assert_eq!(
            body["deployment_spec"]["network_mappings"],
            json!({ "back": "network-2", "front": "network-1" })
        );
        assert_eq!(body["deployment_spec"]["storage_provisioning"], "thin");
        assert_eq!(body["target"], json!({ "resource_pool_id": "resgroup-8", "folder_id": "group-v3" }));
        let none = DeploySpec { network: None, ..spec() };
        assert_eq!(none.of_package("x", &mark, &summary).unwrap_err().kind(), VsphereErrorKind::Usage);
        let licensed = json!({ "networks": [], "EULAs": ["Pay."] });
        assert_eq!(spec().of_package("x", &mark, &licensed).unwrap_err().kind(), VsphereErrorKind::Usage);
    }

    #[test]
    fn a_template_s_cards_are_connected_by_their_keys() {
        let mark = Mark::of(&BuildId::random(), "web");
        let body = spec().of_template(&mark, &["4000".to_owned()]);
        assert_eq!(body["hardware_customization"], json!({ "nics": { "4000": { "network": "network-2" } } }));
        assert_eq!(body["vm_home_storage"], json!({ "datastore": "datastore-1" }));
        assert!(spec().of_template(&mark, &[]).get("hardware_customization").is_none());
    }
}
