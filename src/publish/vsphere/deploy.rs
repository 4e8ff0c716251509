//! From an item of a content library to a machine or a template.
use super::items::ItemName;
use crate::{
    cx::Cx,
    publish::stage::stage,
    vsphere::{
        DeploySpec, Item, Mark, Moref, Named, Package, Spot, Target, VCenter, VsphereError, VsphereErrorKind,
        machine::Provisioning,
        result::{self, Finish},
        without_marks,
    },
};
use serde::Serialize;
use std::collections::BTreeMap;

/// An item that becomes a machine.
#[derive(Debug, Clone)]
pub struct Deploy<'a> {
    /// The item.
    pub item: &'a ItemName,
    /// What the machine is to be called.
    pub name: &'a str,
    /// Where.
    pub target: &'a Target,
    /// How the space of its disks is taken; only of packages, whose disks are thin if nothing is said.
    pub provisioning: Option<Provisioning>,
    /// Whether licences in a package are accepted.
    pub accept_licences: bool,
    /// What it gets then.
    pub finish: &'a Finish,
    /// It takes the place of what an earlier publish or deploy made.
    pub replace: bool,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Deployed {
    /// The vCenter.
    pub server: String,
    /// The library's name.
    pub library: String,
    /// The item's name.
    pub item: String,
    /// The version of the item's content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The machine's name.
    pub name: String,
    /// Its path in the inventory.
    pub path: String,
    /// The object: `VirtualMachine:vm-42`.
    pub machine: Moref,
    /// Whether it is a template.
    pub template: bool,
    /// Its snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Moref>,
    /// The name of its datastore.
    pub datastore: String,
    /// Sizes of its disks in bytes.
    pub disks: Vec<u64>,
    /// Whether it took the place of an earlier one.
    pub replaced: bool,
}

impl Deploy<'_> {
    /// Makes the machine. What it made goes again if something fails.
    pub async fn run(&self, cx: &Cx, vcenter: &VCenter) -> Result<Deployed, VsphereError> {
        let (item, spot, old, package, networks, network) = stage(
            cx,
            "check",
            Box::pin(async {
                result::check_name(self.name, self.replace)?;
                let (_, item) = self.item.find(vcenter).await?;
                let spot = self.target.find(vcenter).await?;
                spot.chosen.iter().for_each(|why| cx.events().notice(why.clone()));
                let old = result::in_the_way(vcenter, &spot.path_of(self.name), self.replace).await?;
                let (package, networks, network) = self.networks(vcenter, &item, &spot).await?;
                Ok::<_, VsphereError>((item, spot, old, package, networks, network))
            }),
        )
        .await?;
        let name = match &old {
            Some(_) => result::name_until_then(self.name, cx.id()),
            None => self.name.to_owned(),
        };
        let (machine, tags, disks) = stage(
            cx,
            "deploy",
            Box::pin(async {
                let mark = Mark::of(cx.id(), self.name);
                let tags = self.finish.tags(cx, vcenter, &mark).await?;
                let folder = vcenter.folder_made(cx, &spot.datacenter, &spot.folder_path).await?;
                let spec = DeploySpec {
                    annotation: self.annotation(&package),
                    folder,
                    pool: spot.pool.clone(),
                    host: spot.host.clone(),
                    datastore: Some(spot.datastore.clone()),
                    networks,
                    network,
                    provisioning: self.provisioning.or(Some(Provisioning::Thin)),
                    accept_licences: self.accept_licences,
                    name,
                };
                let machine = vcenter.deploy(cx, &mark, &item, &spec).await?;
                // Of a template some servers make a template; what it is to be is decided later, and snapshots come before that.
                if machine.is_template().await? {
                    machine.mark_as_machine(&spot.pool, spot.host.as_ref()).await?;
                }
                let devices = machine.devices().await?;
                let disks: Vec<u64> = devices
                    .iter()
                    .filter(|device| device.is_disk())
                    .map(|device| device.capacity().unwrap_or_default())
                    .collect();
                Ok::<_, VsphereError>((machine, tags, disks))
            }),
        )
        .await?;
        let snapshot = stage(
            cx,
            "finish",
            Box::pin(async {
                let snapshot = self.finish.apply(cx, &machine, &tags).await?;
                self.finish.verify(&machine, snapshot.as_ref(), &disks).await?;
                cx.check()?;
                match &old {
                    Some(old) => result::take_the_place(cx, old, &machine, self.name).await?,
                    None => machine.keep(cx).await?,
                }
                Ok::<_, VsphereError>(snapshot)
            }),
        )
        .await?;
        Ok(Deployed {
            server: vcenter.place().server.to_string(),
            library: self.item.library.clone(),
            item: item.name,
            version: item.content_version,
            name: self.name.to_owned(),
            path: spot.path_of(self.name),
            machine: machine.moref().clone(),
            template: self.finish.template,
            snapshot,
            datastore: spot.datastore_name,
            disks,
            replaced: old.is_some(),
        })
    }

    /// Notes of the machine: those of the package, and ours.
    fn annotation(&self, package: &Package) -> String {
        let line = result::line(&format!("{}/{}", self.item.library, self.item.item));
        // A package that was made of a machine of ours has its line.
        let notes = without_marks(&package.annotation);
        let notes: Vec<&str> = notes.lines().filter(|line| !result::is_published(line)).collect();
        let notes = notes.join("\n");
        let gap = if notes.trim().is_empty() { "" } else { "\n" };
        format!("{}{gap}{line}", notes.trim())
    }

    /// What the item's networks are here: those of a package by their names, or one for all cards of a template.
    async fn networks(
        &self,
        vcenter: &VCenter,
        item: &Item,
        spot: &Spot,
    ) -> Result<(Package, BTreeMap<String, Moref>, Option<Moref>), VsphereError> {
        if item.kind != "vm-template" {
            // What else cannot become a machine is told by who makes it.
            let package = match item.kind.as_str() {
                "ovf" => vcenter.package(item, &spot.pool).await?,
                _ => Package::default(),
            };
            let found = self.target.networks(vcenter, &spot.datacenter, &package.networks).await?;
            return Ok((package, found.into_iter().collect(), None));
        }
        let wrong = |why: &str, hint: &str| {
            let attempt = format!("make a machine of the template `{}/{}`", self.item.library, item.name);
            VsphereError::new(VsphereErrorKind::Usage, attempt).because(why.to_owned()).hint(hint)
        };
        if self.provisioning.is_some() {
            let why = "how its disks take space is the template's";
            return Err(wrong(why, "leave out `--thin`, `--thick` and `--eager-zeroed`"));
        }
        if self.target.networks.iter().any(|choice| choice.of.is_some()) {
            return Err(wrong("the networks of a template have no names", "say `--network NAME`"));
        }
        let network = match self.target.networks.first() {
            Some(choice) => Some(vcenter.find(Named::Network, Some(&spot.datacenter), &choice.here).await?),
            None => None,
        };
        Ok((Package::default(), BTreeMap::new(), network))
    }
}
