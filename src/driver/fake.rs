//! A hypervisor in memory: keeps state and enforces the rules of the traits, so that tests of the engine mean something.
//!
//! Faults can be injected before or after the side effect of each call.
use super::{
    Boot, Captured, DiskFormat, DriverError, DriverErrorKind, ExportedDisk, GuestAddresses, Hypervisor,
    KeptImage, KeptKind, Machine, MachineEvent, MachineSpec, MachineState, Readiness, Wanted,
};
use crate::{
    cx::{BuildId, Cx, ResourceRef, Stop, Undo},
    plan::{Accelerator, SourcePlan, VsphereImageKind, VsphereImagePlan},
    value::{Arch, HumanDuration},
};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::broadcast;

/// Which call fails, and on which side of its side effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) call: &'static str,
    pub(crate) after: bool,
}

/// Calls in which faults can be injected.
pub(crate) const CALLS: [&str; 6] = ["preflight", "create", "power_on", "ssh_address", "shut_down", "export"];
/// The same for builds whose disk stays with the hypervisor.
pub(crate) const KEPT_CALLS: [&str; 6] =
    ["preflight", "create", "power_on", "ssh_address", "shut_down", "capture"];

/// What exists, outside any build: the thing that must be empty in the end.
#[derive(Debug, Default)]
pub(crate) struct Cloud {
    machines: Mutex<BTreeMap<String, (BuildId, MachineState)>>,
    images: Mutex<BTreeSet<String>>,
    /// What disks that stay here hold.
    disk: Mutex<Option<PathBuf>>,
    fault: Mutex<Option<Fault>>,
}

impl Cloud {
    pub(crate) fn machines(&self) -> Vec<String> {
        self.machines.lock().unwrap().keys().cloned().collect()
    }

    pub(crate) fn images(&self) -> Vec<String> {
        self.images.lock().unwrap().iter().cloned().collect()
    }

    /// Says what disks that stay here hold, once they are brought away.
    pub(crate) fn holds(&self, disk: PathBuf) {
        *self.disk.lock().unwrap() = Some(disk);
    }

    pub(crate) fn inject(&self, fault: Fault) {
        *self.fault.lock().unwrap() = Some(fault);
    }

    fn trip(&self, call: &'static str, after: bool) -> Result<(), DriverError> {
        if self.fault.lock().unwrap().as_ref() == Some(&Fault { call, after }) {
            return Err(DriverError::new(DriverErrorKind::Other, format!("{call} (injected)")));
        }
        Ok(())
    }

    fn state(&self, id: &str) -> Result<MachineState, DriverError> {
        let machines = self.machines.lock().unwrap();
        machines
            .get(id)
            .map(|(_, state)| *state)
            .ok_or_else(|| DriverError::new(DriverErrorKind::NotFound, format!("find machine `{id}`")))
    }

    fn set(&self, id: &str, state: MachineState) {
        if let Some(machine) = self.machines.lock().unwrap().get_mut(id) {
            machine.1 = state;
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct FakeHypervisor {
    pub(crate) cloud: Arc<Cloud>,
}

#[async_trait]
impl Hypervisor for FakeHypervisor {
    fn loopback_for_guests(&self) -> Option<IpAddr> {
        None
    }

    fn name(&self) -> &'static str {
        "fake"
    }

    async fn preflight(&self, _: &MachineSpec) -> Result<Readiness, DriverError> {
        self.cloud.trip("preflight", false)?;
        self.cloud.trip("preflight", true)?;
        Ok(Readiness { hypervisor: "fake 1.0".to_owned(), accelerator: Accelerator::Tcg, notice: None })
    }

    async fn create(&self, cx: &Cx, spec: &MachineSpec) -> Result<Box<dyn Machine>, DriverError> {
        for disk in &spec.disks {
            if !disk.path.exists() {
                return Err(DriverError::new(
                    DriverErrorKind::NotFound,
                    format!("open `{}`", disk.path.display()),
                ));
            }
        }
        if let Boot::Made(resource) = &spec.boot {
            assert_eq!(self.cloud.state(&resource.id)?, MachineState::Off, "gone on with while it runs");
            return Ok(Box::new(FakeMachine::of(self, spec, resource.clone())));
        }
        let resource = ResourceRef {
            driver: "fake".to_owned(),
            kind: "machine".to_owned(),
            id: cx.id().uuid(&spec.role).to_string(),
            details: BTreeMap::new(),
        };
        let _ = cx.undo().plan(Undo::Resource(resource.clone()))?;
        self.cloud.trip("create", false)?;
        let fresh = self
            .cloud
            .machines
            .lock()
            .unwrap()
            .insert(resource.id.clone(), (cx.id().clone(), MachineState::Off))
            .is_none();
        assert!(fresh, "two machines with one id");
        self.cloud.trip("create", true)?;
        Ok(Box::new(FakeMachine::of(self, spec, resource)))
    }

    async fn keep(&self, cx: &Cx, captured: Captured) -> Result<KeptImage, DriverError> {
        for handle in captured.undo {
            cx.undo().keep(handle)?;
        }
        if captured.is_the_machine {
            let id = captured.image.id.clone();
            assert!(self.cloud.machines.lock().unwrap().remove(&id).is_some(), "it is there");
            self.cloud.images.lock().unwrap().insert(id.clone());
            cx.undo().keep_where(|undo| matches!(undo, Undo::Resource(owed) if owed.id == id))?;
        }
        Ok(captured.image)
    }

    async fn owned(&self, build: &BuildId) -> Result<Vec<ResourceRef>, DriverError> {
        let machines = self.cloud.machines.lock().unwrap();
        Ok(machines
            .iter()
            .filter(|(_, (owner, _))| owner == build)
            .map(|(id, _)| ResourceRef {
                driver: "fake".to_owned(),
                kind: "machine".to_owned(),
                id: id.clone(),
                details: BTreeMap::new(),
            })
            .collect())
    }

    async fn destroy(&self, resource: &ResourceRef, _: &Stop) -> Result<(), DriverError> {
        self.cloud.machines.lock().unwrap().remove(&resource.id);
        self.cloud.images.lock().unwrap().remove(&resource.id);
        Ok(())
    }

    async fn find_image(&self, _: &Cx, _: &SourcePlan, _: Arch) -> Result<KeptImage, DriverError> {
        Ok(kept("source"))
    }
}

fn kept(id: &str) -> KeptImage {
    KeptImage {
        kind: KeptKind::Ami,
        id: id.to_owned(),
        place: "here".to_owned(),
        name: id.to_owned(),
        disks: vec![],
        description: "an image of the fake's own".to_owned(),
    }
}

#[derive(Debug)]
struct FakeMachine {
    cloud: Arc<Cloud>,
    resource: ResourceRef,
    disks: Vec<ExportedDisk>,
    /// An installer's: it does its work at once.
    ends: bool,
    events: broadcast::Sender<MachineEvent>,
}

impl FakeMachine {
    fn of(hypervisor: &FakeHypervisor, spec: &MachineSpec, resource: ResourceRef) -> Self {
        let disks = spec.disks.iter();
        Self {
            cloud: Arc::clone(&hypervisor.cloud),
            resource,
            disks: disks.map(|disk| ExportedDisk { path: disk.path.clone(), format: disk.format }).collect(),
            ends: spec.ends_at_restart || (spec.boot == Boot::Optical && spec.disks.is_empty()),
            events: broadcast::Sender::new(16),
        }
    }
}

#[async_trait]
impl Machine for FakeMachine {
    fn resource(&self) -> &ResourceRef {
        &self.resource
    }

    async fn power_on(&self, _: &Cx) -> Result<(), DriverError> {
        self.cloud.trip("power_on", false)?;
        assert_eq!(self.cloud.state(&self.resource.id)?, MachineState::Off, "powered on twice");
        self.cloud.set(&self.resource.id, MachineState::Running);
        if self.ends {
            self.cloud.set(&self.resource.id, MachineState::Off);
            let _ = self.events.send(MachineEvent::Off);
        }
        self.cloud.trip("power_on", true)
    }

    async fn ssh_address(&self, _: &Cx) -> Result<SocketAddr, DriverError> {
        self.cloud.trip("ssh_address", false)?;
        assert_eq!(
            self.cloud.state(&self.resource.id)?,
            MachineState::Running,
            "no port without a running machine"
        );
        self.cloud.trip("ssh_address", true)?;
        Ok(([127, 0, 0, 1], 1).into())
    }

    async fn guest_addresses(&self) -> Option<GuestAddresses> {
        None
    }

    async fn follow_guest(&self) -> Result<Option<Ipv4Addr>, DriverError> {
        Ok(None)
    }

    async fn state(&self) -> Result<MachineState, DriverError> {
        self.cloud.state(&self.resource.id)
    }

    fn events(&self) -> broadcast::Receiver<MachineEvent> {
        self.events.subscribe()
    }

    fn serial_log(&self) -> Option<PathBuf> {
        None
    }

    async fn screenshot(&self) -> Result<Vec<u8>, DriverError> {
        Ok(b"\x89PNG\r\n\x1a\n".to_vec())
    }

    async fn screen_text(&self) -> Result<String, DriverError> {
        Ok("boot:".to_owned())
    }

    async fn send_keys(&self, _: &[u32], _: Duration) -> Result<(), DriverError> {
        Ok(())
    }

    async fn shut_down(&self, _: &Cx, _: HumanDuration) -> Result<(), DriverError> {
        self.cloud.trip("shut_down", false)?;
        self.cloud.set(&self.resource.id, MachineState::Off);
        let _ = self.events.send(MachineEvent::Off);
        self.cloud.trip("shut_down", true)
    }

    async fn power_off(&self) -> Result<(), DriverError> {
        self.cloud.set(&self.resource.id, MachineState::Off);
        Ok(())
    }

    async fn export(&self, cx: &Cx, index: usize) -> Result<ExportedDisk, DriverError> {
        self.cloud.trip("export", false)?;
        assert_eq!(self.cloud.state(&self.resource.id)?, MachineState::Off, "exported while it runs");
        self.cloud.trip("export", true)?;
        if let (true, Some(disk)) = (self.disks.is_empty(), &*self.cloud.disk.lock().unwrap()) {
            let path = cx.work().join("exported.raw");
            std::fs::copy(disk, &path).unwrap();
            return Ok(ExportedDisk { path, format: DiskFormat::Raw });
        }
        self.disks
            .get(index)
            .cloned()
            .ok_or_else(|| DriverError::new(DriverErrorKind::NotFound, format!("find disk {index}")))
    }

    async fn capture(&self, cx: &Cx, wanted: Wanted<'_>) -> Result<Captured, DriverError> {
        let name = match wanted {
            Wanted::Ami(ami) => &ami.name,
            Wanted::Nutanix(image) => image.name.as_deref().unwrap_or("image"),
            Wanted::Cloudstack(image) => &image.name,
            Wanted::Vsphere(VsphereImagePlan { kind, name, .. }) => match kind {
                VsphereImageKind::LibraryOvf(_) | VsphereImageKind::LibraryTemplate(_) => name,
                VsphereImageKind::Nothing | VsphereImageKind::Machine | VsphereImageKind::Template => {
                    self.cloud.trip("capture", false)?;
                    assert_eq!(
                        self.cloud.state(&self.resource.id)?,
                        MachineState::Off,
                        "captured while it runs"
                    );
                    self.cloud.trip("capture", true)?;
                    let image = KeptImage { kind: KeptKind::Template, ..kept(&self.resource.id) };
                    return Ok(Captured { image, undo: Vec::new(), is_the_machine: true });
                }
            },
        };
        let id = format!("{name}-{}", cx.id());
        let resource = ResourceRef { kind: "image".to_owned(), id: id.clone(), ..self.resource.clone() };
        let undo = cx.undo().plan(Undo::Resource(resource))?;
        self.cloud.trip("capture", false)?;
        assert_eq!(self.cloud.state(&self.resource.id)?, MachineState::Off, "captured while it runs");
        self.cloud.images.lock().unwrap().insert(id.clone());
        self.cloud.trip("capture", true)?;
        let kind = match wanted {
            Wanted::Ami(_) => KeptKind::Ami,
            Wanted::Vsphere(_) => KeptKind::LibraryItem,
            Wanted::Nutanix(_) => KeptKind::Image,
            Wanted::Cloudstack(_) => KeptKind::Template,
        };
        Ok(Captured { image: KeptImage { kind, ..kept(&id) }, undo: vec![undo], is_the_machine: false })
    }
}
