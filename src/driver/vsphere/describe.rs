//! A build's words in a vCenter's: where things go, what they are called, what a new machine is.
use super::Vsphere;
use crate::{
    cx::Cx,
    driver::{DriverError, DriverErrorKind, MachineSpec},
    plan::{VsphereCdBus, VsphereController, VsphereFirmware, VsphereNic, VsphereProvisioning},
    value::{Secret, Size},
    vsphere::{
        Mark, Moref, Named, NetworkChoice, Spot, Target,
        machine::{
            CdBus, Controller, Disk, Firmware, Home, Network, Nic, NicModel, Provisioning, Spec, Storage,
        },
    },
};

/// A network by its object, and as a network card wants it.
pub(super) struct Connection {
    pub(super) moref: Moref,
    pub(super) network: Network,
}

impl Vsphere {
    /// Where the build is, in words of the client.
    pub(super) fn target(&self) -> Target {
        let place = &self.place;
        Target {
            datacenter: place.datacenter.clone(),
            cluster: place.cluster.clone(),
            host: place.host.clone(),
            pool: place.resource_pool.clone(),
            folder: place.folder.clone(),
            datastore: place.datastore.clone(),
            networks: place
                .networks
                .iter()
                .map(|here| NetworkChoice { of: None, here: here.clone() })
                .collect(),
        }
    }

    /// Networks that are said, in their order.
    pub(super) async fn networks(&self, spot: &Spot) -> Result<Vec<Connection>, DriverError> {
        let mut found = Vec::new();
        for said in &self.place.networks {
            let moref = self.vcenter.find(Named::Network, Some(&spot.datacenter), said).await?;
            let network = self.vcenter.network(&moref).await?;
            found.push(Connection { moref, network });
        }
        Ok(found)
    }

    /// The same for a new machine: when none is said, the only one that there is.
    pub(super) async fn networks_or_only(&self, spot: &Spot) -> Result<Vec<Connection>, DriverError> {
        let found = self.networks(spot).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        let moref = self.vcenter.only(Named::Network, &spot.datacenter.moref).await?;
        let network = self.vcenter.network(&moref).await?;
        Ok(vec![Connection { moref, network }])
    }

    /// Where a machine goes. Its folder is made if it is missing. One with `media` has to be where these are.
    pub(super) async fn home(&self, cx: &Cx, spot: &Spot, media: bool) -> Result<Home, DriverError> {
        let storage = match &spot.cluster {
            Some(cluster) if !media => Storage::Cluster(cluster.clone()),
            _ => {
                spot.chosen.iter().for_each(|why| cx.events().notice(why.clone()));
                Storage::Datastore(spot.datastore.clone())
            }
        };
        let folder = self.vcenter.folder_made(cx, &spot.datacenter, &spot.folder_path).await?;
        Ok(Home { folder, pool: spot.pool.clone(), host: spot.host.clone(), storage })
    }

    /// A new machine, without network cards and media.
    pub(super) fn described(&self, spec: &MachineSpec, name: &str, mark: Mark) -> Result<Spec, DriverError> {
        let plan = &self.plan;
        let missing = |what: &str, hint: &str| {
            DriverError::new(DriverErrorKind::Unsupported, format!("describe the new machine `{name}`"))
                .because(format!("nothing says {what}"))
                .hint(hint)
        };
        let guest_id = plan.guest_os.clone().ok_or_else(|| {
            missing(
                "which system it is for",
                "`machine.vsphere.guest-os` is vSphere's name for it, such as `ubuntu64Guest`",
            )
        })?;
        let first = plan
            .disk
            .ok_or_else(|| missing("how large its disk is", "`machine.disk` says that, such as `20 GiB`"))?;
        let controller = match plan.controller {
            VsphereController::Pvscsi => Controller::Pvscsi,
            VsphereController::Lsilogic => Controller::LsiLogic,
            VsphereController::Nvme => Controller::Nvme,
        };
        let provisioning = provisioning(plan.provisioning);
        let disk = |size: Size| Disk { size, provisioning, controller };
        Ok(Spec {
            name: name.to_owned(),
            annotation: plan.annotation.clone().unwrap_or_default(),
            mark,
            guest_id,
            hardware: self.hardware(),
            cpus: plan.cpus.unwrap_or(spec.cpus),
            cores_per_socket: plan.cores_per_socket,
            memory_mib: mib(plan.memory.unwrap_or(spec.memory)),
            firmware: match plan.firmware {
                VsphereFirmware::Bios => Firmware::Bios,
                VsphereFirmware::Efi => Firmware::Efi,
                VsphereFirmware::EfiSecure => Firmware::EfiSecure,
            },
            tpm: plan.tpm,
            // Keys are typed by way of it.
            usb: true,
            disks: std::iter::once(first).chain(plan.more_disks.iter().copied()).map(disk).collect(),
            nics: Vec::new(),
            cds: Vec::new(),
            extra: self.extra(),
            boot: Vec::new(),
        })
    }

    /// A network card of a new machine.
    pub(super) fn nic(&self, network: Network) -> Nic {
        let model = match self.plan.nic {
            VsphereNic::Vmxnet3 => NicModel::Vmxnet3,
            VsphereNic::E1000e => NicModel::E1000e,
        };
        Nic { network, model, mac: None }
    }

    /// What CD drives of a new machine are connected to.
    pub(super) fn cd_bus(&self) -> CdBus {
        match self.plan.cd_bus {
            VsphereCdBus::Sata => CdBus::Sata,
            VsphereCdBus::Ide => CdBus::Ide,
        }
    }

    /// The virtual hardware that is asked for.
    pub(super) fn hardware(&self) -> Option<String> {
        self.plan.hardware_version.map(|version| format!("vmx-{version}"))
    }

    /// What the definition says of the configuration, besides. Sites keep keys there as well.
    pub(super) fn extra(&self) -> Vec<(String, Secret)> {
        let all = self.plan.extra_config.iter();
        all.map(|(key, value)| (key.clone(), Secret::new(value.clone()))).collect()
    }
}

pub(super) fn provisioning(plan: VsphereProvisioning) -> Provisioning {
    match plan {
        VsphereProvisioning::Thin => Provisioning::Thin,
        VsphereProvisioning::Thick => Provisioning::Thick,
        VsphereProvisioning::EagerZeroed => Provisioning::EagerZeroed,
    }
}

/// Memory as a vCenter counts it.
pub(super) fn mib(memory: Size) -> u64 {
    memory.as_bytes() >> 20
}
