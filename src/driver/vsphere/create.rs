//! Machines: new ones, copies, and ones that an installer has filled.
//!
//! Files go to the datastore before their machine is made: what is planned last is undone first.
use super::{
    Origin, Vsphere,
    describe::{Connection, mib, provisioning},
    media,
};
use crate::{
    cx::{Cx, ResourceRef},
    driver::{DriverError, DriverErrorKind, MachineSpec, machine_name::machine_name},
    plan::{VsphereImageKind, VsphereImagePlan},
    value::Secret,
    vsphere::{
        DeploySpec, Item, Mark, Spot, VsphereErrorKind,
        machine::{BootDevice, Cd, Change, CloneKind, CloneSpec, Device, Home, Machine, Network, PowerState},
    },
};

/// A new machine, which starts from its disk, and from its CDs as long as there is nothing on that.
pub(super) async fn new(driver: &Vsphere, cx: &Cx, spec: &MachineSpec) -> Result<Machine, DriverError> {
    let vcenter = &driver.vcenter;
    let spot = driver.target().find(vcenter).await?;
    let mark = Mark::of(cx.id(), &spec.image);
    let mut new = driver.described(spec, &driver.name_for(cx, spec, &spot).await?, mark)?;
    new.check()?;
    let networks = driver.networks_or_only(&spot).await?;
    new.nics = networks.into_iter().map(|connection| driver.nic(connection.network)).collect();
    let seed = media::seed(spec).await?;
    let home = driver.home(cx, &spot, !spec.optical.is_empty()).await?;
    let mut brought = media::bring(driver, cx, &spot, &spec.optical).await?;
    brought.keys = keys(&seed);
    new.extra.extend(seed);
    let bus = driver.cd_bus();
    new.cds = brought.images.iter().map(|file| Cd { file: file.clone(), bus }).collect();
    new.boot = vec![BootDevice::Disk(0)];
    new.boot.extend((!new.cds.is_empty()).then_some(BootDevice::Cd));
    let machine = vcenter.create_machine(cx, &new, &home).await?;
    let devices = machine.devices().await?;
    brought.drives = devices.iter().filter(|device| device.is_cd()).filter_map(Device::key).collect();
    driver.brought_to(&machine, brought);
    Ok(machine)
}

/// A copy of what has the id `image`. That of a proof is as others would make it: it gets a network and a seed, and nothing else.
pub(super) async fn copy(
    driver: &Vsphere,
    cx: &Cx,
    spec: &MachineSpec,
    image: &str,
) -> Result<Machine, DriverError> {
    let spot = driver.target().find(&driver.vcenter).await?;
    let copy = Copy {
        driver,
        cx,
        name: driver.name_for(cx, spec, &spot).await?,
        mark: Mark::of(cx.id(), &spec.image),
        furnished: spec.role != PROOF,
    };
    let origin = copy.origin(image).await?;
    let networks = driver.networks(&spot).await?;
    let seed = media::seed(spec).await?;
    let home = driver.home(cx, &spot, !spec.optical.is_empty()).await?;
    let mut brought = media::bring(driver, cx, &spot, &spec.optical).await?;
    brought.keys = keys(&seed);
    let change = driver.change(seed, copy.furnished);
    let machine = match &origin {
        Origin::Machine { .. } => copy.clone(&origin, change, &home).await?,
        Origin::Item(item) => copy.deploy(item, &change, &home, &spot, &networks).await?,
    };
    if let Some(version) = driver.hardware().filter(|_| copy.furnished) {
        machine.upgrade(cx, Some(&version)).await?;
    }
    let networks: Vec<Network> = networks.into_iter().map(|connection| connection.network).collect();
    if !networks.is_empty() {
        machine.connect_nics(cx, &networks).await?;
    }
    brought.drives = machine.insert_cds(cx, &brought.images).await?;
    driver.brought_to(&machine, brought);
    Ok(machine)
}

/// The role of a machine that proves a result.
const PROOF: &str = "proof";

/// A machine that an installer has filled, or that was imported, and which is off: it gets other media and a seed.
pub(super) async fn go_on(
    driver: &Vsphere,
    cx: &Cx,
    spec: &MachineSpec,
    made: &ResourceRef,
) -> Result<Machine, DriverError> {
    let machine = driver.vcenter.machine_of(made).await?;
    if machine.power().await?.0 != PowerState::Off {
        let attempt = format!("go on with the machine `{}`", machine.path());
        return Err(DriverError::new(DriverErrorKind::MachineFailed, attempt)
            .because("it is not off: its installer has not ended"));
    }
    let seed = media::seed(spec).await?;
    machine.eject_cds(cx).await?;
    let earlier = driver.taken_from(&machine);
    // One that was imported is not yet what the plan says; one that was made here is.
    let imported = earlier.is_none();
    let earlier = earlier.unwrap_or_default().emptied(driver, cx).await;
    let mut brought = if spec.optical.is_empty() {
        media::Brought::default()
    } else {
        let mut spot = driver.target().find(&driver.vcenter).await?;
        if spot.cluster.is_some() {
            // Another one may have most room by now; the machine's hosts see its own for sure.
            let used = driver.vcenter.properties(machine.moref(), &["datastore"]).await?.morefs("datastore");
            spot.datastore = used.into_iter().next().unwrap_or(spot.datastore);
        }
        media::bring(driver, cx, &spot, &spec.optical).await?
    };
    brought.keys = keys(&seed);
    brought.drives = machine.insert_cds(cx, &brought.images).await?;
    driver.brought_to(&machine, earlier.and(brought));
    apply(cx, &machine, &driver.change(seed, imported)).await?;
    if imported {
        if let Some(size) = driver.plan.disk {
            machine.grow_first_disk(cx, size).await?;
        }
        if let Some(version) = driver.hardware() {
            machine.upgrade(cx, Some(&version)).await?;
        }
    }
    Ok(machine)
}

impl Vsphere {
    /// What a machine is called. One that is to stay has its own name from the start if nothing else has that: a change of names takes a
    /// privilege that EKS Anywhere's role does not have.
    async fn name_for(&self, cx: &Cx, spec: &MachineSpec, spot: &Spot) -> Result<String, DriverError> {
        if let Some(name) = self.result.as_ref().filter(|_| spec.role == "build").and_then(own_name)
            && self.vcenter.at_path(&spot.path_of(name)).await?.is_none()
        {
            return Ok(name.to_owned());
        }
        Ok(machine_name(cx.id(), &spec.image, &spec.role))
    }

    /// What differs from the source: the seed, and of one that is `furnished` all that the plan says of a machine.
    fn change(&self, seed: Vec<(String, Secret)>, furnished: bool) -> Change {
        if !furnished {
            return Change { extra: seed, ..Change::default() };
        }
        let mut extra = self.extra();
        extra.extend(seed);
        Change {
            annotation: None,
            cpus: self.plan.cpus,
            cores_per_socket: self.plan.cores_per_socket,
            memory_mib: self.plan.memory.map(mib),
            extra,
        }
    }
}

/// The name of a machine that is to stay.
fn own_name(plan: &VsphereImagePlan) -> Option<&str> {
    matches!(plan.kind, VsphereImageKind::Machine | VsphereImageKind::Template).then_some(plan.name.as_str())
}

/// Changes a machine, if there is something to change.
async fn apply(cx: &Cx, machine: &Machine, change: &Change) -> Result<(), DriverError> {
    let said = change.cpus.is_some() || change.cores_per_socket.is_some() || change.memory_mib.is_some();
    if said || !change.extra.is_empty() {
        machine.reconfigure(cx, change).await?;
    }
    Ok(())
}

fn keys(seed: &[(String, Secret)]) -> Vec<String> {
    seed.iter().map(|(key, _)| key.clone()).collect()
}

/// A copy in the making.
struct Copy<'a> {
    driver: &'a Vsphere,
    cx: &'a Cx,
    name: String,
    mark: Mark,
    /// It becomes what the plan says of a machine.
    furnished: bool,
}

impl Copy<'_> {
    /// What an id names: what was found or made before, or a machine's path.
    async fn origin(&self, id: &str) -> Result<Origin, DriverError> {
        if let Some(known) = self.driver.origin(id) {
            return Ok(known);
        }
        let found = if id.starts_with('/') { self.driver.vcenter.at_path(id).await? } else { None };
        match found.filter(|moref| moref.kind == "VirtualMachine") {
            Some(moref) => Ok(Origin::Machine { moref, path: id.to_owned(), linked: false, snapshot: None }),
            None => Err(DriverError::new(DriverErrorKind::NotFound, format!("start from `{id}`"))
                .because("the vCenter has no machine and no template at this path")),
        }
    }

    fn annotation(&self) -> String {
        self.driver.plan.annotation.clone().unwrap_or_default()
    }

    /// A copy of a machine or a template.
    async fn clone(&self, origin: &Origin, change: Change, home: &Home) -> Result<Machine, DriverError> {
        let Origin::Machine { moref, path, linked, snapshot } = origin else {
            return Err(DriverError::new(DriverErrorKind::Unsupported, "copy what is no machine"));
        };
        let snapshot = snapshot.clone();
        let spec = CloneSpec {
            name: self.name.clone(),
            annotation: self.annotation(),
            mark: self.mark.clone(),
            kind: if *linked { CloneKind::Linked(snapshot) } else { CloneKind::Full(snapshot) },
            template: false,
            change,
            first_disk: self.driver.plan.disk.filter(|_| self.furnished),
        };
        let original = Machine::new(&self.driver.vcenter, moref.clone(), path);
        Ok(original.clone_to(self.cx, &spec, home).await?)
    }

    /// A machine out of a content library.
    async fn deploy(
        &self,
        item: &Item,
        change: &Change,
        home: &Home,
        spot: &Spot,
        networks: &[Connection],
    ) -> Result<Machine, DriverError> {
        let (cx, plan) = (self.cx, &self.driver.plan);
        let spec = DeploySpec {
            name: self.name.clone(),
            annotation: self.annotation(),
            folder: home.folder.clone(),
            pool: home.pool.clone(),
            host: home.host.clone(),
            datastore: Some(spot.datastore.clone()),
            networks: std::collections::BTreeMap::new(),
            network: networks.first().map(|connection| connection.moref.clone()),
            provisioning: Some(provisioning(plan.provisioning)),
            accept_licences: false,
        };
        let deployed = self.driver.vcenter.deploy(cx, &self.mark, item, &spec).await;
        let machine = deployed.map_err(|error| {
            let unsaid = networks.is_empty() && error.kind() == VsphereErrorKind::Usage;
            match error.hint_text() {
                None if unsaid => DriverError::from(error).hint("say where its network cards' cables go"),
                _ => error.into(),
            }
        })?;
        apply(cx, &machine, change).await?;
        if let Some(size) = plan.disk.filter(|_| self.furnished) {
            machine.grow_first_disk(cx, size).await?;
        }
        Ok(machine)
    }
}
