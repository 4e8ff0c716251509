//! What the tests of machines and datastores share: a context, a session, a place for machines, and an undoer.
use super::vcsim::Vcsim;
use crate::context::cx;
use async_trait::async_trait;
use goldsmith::{
    cx::{Cx, Stop, Undo, UndoError, Undoer},
    value::{Secret, Size},
    vsphere::{
        self, Datacenter, Mark, Named, Place, Server, Trust, VCenter,
        machine::{
            BootDevice, Cd, CdBus, Controller, Disk, Firmware, Home, Network, Nic, NicModel, Provisioning,
            Spec, Storage,
        },
    },
};

/// A vCenter with a session in it, and one build.
pub(crate) struct World {
    pub(crate) vcsim: Vcsim,
    pub(crate) vcenter: VCenter,
    pub(crate) datacenter: Datacenter,
    pub(crate) home: Home,
    pub(crate) cx: Cx,
}

impl World {
    /// Its own simulator, since tests count what is in it.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        let vcsim = Vcsim::start(flags);
        let place = place(&vcsim);
        let vcenter = VCenter::connect(&place).await.unwrap();
        let datacenter = vcenter.datacenter(None).await.unwrap();
        let (folder, missing) = vcenter.folder(&datacenter, "").await.unwrap();
        assert!(missing.is_empty());
        let find = |what: Named, said: &'static str| vcenter.find(what, Some(&datacenter), said);
        let pool = find(Named::ResourcePool, "/DC0/host/DC0_C0/Resources").await.unwrap();
        let storage = Storage::Datastore(find(Named::Datastore, "LocalDS_0").await.unwrap());
        let home = Home { folder, pool, host: None, storage };
        Self { vcsim, vcenter, datacenter, home, cx: cx() }
    }

    /// A small machine.
    pub(crate) fn spec(&self, name: &str) -> Spec {
        Spec {
            name: name.to_owned(),
            annotation: "for people".to_owned(),
            mark: Mark::of(self.cx.id(), "web"),
            guest_id: "ubuntu64Guest".to_owned(),
            hardware: Some("vmx-19".to_owned()),
            cpus: 2,
            cores_per_socket: None,
            memory_mib: 1024,
            firmware: Firmware::Bios,
            tpm: false,
            usb: false,
            disks: vec![disk(Controller::Pvscsi, 8)],
            nics: vec![],
            cds: vec![],
            extra: vec![],
            boot: vec![],
        }
    }

    /// One with all that there is.
    pub(crate) async fn full_spec(&self, name: &str) -> Spec {
        let (standard, group) = (self.network("VM Network").await, self.network("DC0_DVPG0").await);
        let iso = |number: u8, bus: CdBus| Cd { file: format!("[LocalDS_0] goldsmith/{number}.iso"), bus };
        Spec {
            cores_per_socket: Some(2),
            cpus: 4,
            firmware: Firmware::EfiSecure,
            tpm: true,
            usb: true,
            disks: vec![
                disk(Controller::Pvscsi, 20),
                disk(Controller::Nvme, 1),
                disk(Controller::LsiLogic, 2),
            ],
            nics: vec![
                Nic { network: standard, model: NicModel::Vmxnet3, mac: None },
                Nic { network: group, model: NicModel::E1000e, mac: Some("00:50:56:01:02:03".to_owned()) },
            ],
            cds: vec![iso(1, CdBus::Sata), iso(2, CdBus::Sata), iso(3, CdBus::Ide)],
            extra: vec![("guestinfo.userdata".to_owned(), Secret::new("I2Nsb3VkLWNvbmZpZwo=<&>"))],
            boot: vec![BootDevice::Disk(1), BootDevice::Cd],
            ..self.spec(name)
        }
    }

    pub(crate) async fn network(&self, name: &str) -> Network {
        let found = self.vcenter.find(Named::Network, Some(&self.datacenter), name).await.unwrap();
        self.vcenter.network(&found).await.unwrap()
    }

    /// Undoes what the build did not keep; nothing may be left.
    pub(crate) async fn unwind(&self) {
        let report = self.cx.unwind(&Remover(&self.vcenter)).await;
        assert!(report.leftovers.is_empty(), "{:?}", report.leftovers);
    }

    /// Names of all machines that there are.
    pub(crate) async fn machines(&self) -> Vec<String> {
        let all = self.vcenter.all_named(Named::Machine, &self.datacenter.moref).await.unwrap();
        all.into_iter().map(|(_, name)| name).collect()
    }
}

pub(crate) fn disk(controller: Controller, gib: u64) -> Disk {
    Disk { size: Size::gib(gib), provisioning: Provisioning::Thin, controller }
}

/// Where the simulator is, and as whom.
pub(crate) fn place(vcsim: &Vcsim) -> Place {
    let trust = Trust::Thumbprint(vcsim.thumbprint_sha1().parse().unwrap());
    Place {
        server: Server { host: vcsim.url().to_owned(), trust },
        user: vcsim.user().to_owned(),
        password: Secret::new(vcsim.password()),
    }
}

/// Removes through a session that is there.
pub(crate) struct Remover<'a>(pub(crate) &'a VCenter);

#[async_trait]
impl Undoer for Remover<'_> {
    async fn undo(&self, undo: &Undo, stop: &Stop) -> Result<(), UndoError> {
        let Undo::Resource(resource) = undo else { panic!("{undo}") };
        vsphere::remove_with(self.0, resource, stop)
            .await
            .map_err(|error| UndoError { what: undo.to_string(), source: error.into() })
    }
}

/// All that an error says.
pub(crate) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    goldsmith::cx::causes(error).join(": ")
}
