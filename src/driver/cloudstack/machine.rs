//! A machine: its state, how it stops, and what it cannot do.
use super::{Cloudstack, export, image, way};
use crate::{
    cloudstack::{CloudStackErrorKind, Named, Opened, VmState},
    cx::{Cx, ResourceRef},
    driver::{
        Captured, DriverError, DriverErrorKind, ExportedDisk, GuestAddresses, Machine, MachineEvent,
        MachineSpec, MachineState, Wanted,
    },
    value::HumanDuration,
};
use async_trait::async_trait;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::broadcast, task::JoinHandle};

/// A watcher looks after so many looks of others: nobody needs to know within a second.
const WATCHED: u32 = 3;
/// How long the cloud may take to pull the plug.
const PLUG: Duration = Duration::from_mins(10);

/// After this time, a KVM host may have pulled the plug of a guest that was to shut down: `stop.script.timeout` of its agent, 120 s as it comes.
const PATIENCE: Duration = Duration::from_secs(115);

/// One machine.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) driver: Cloudstack,
    pub(super) vm: Named,
    /// The image's name.
    pub(super) image: String,
    /// The type of system of what it was made of.
    pub(super) os_type: Named,
    resource: ResourceRef,
    /// Whose build made it; for what comes without one.
    cx: Cx,
    events: broadcast::Sender<MachineEvent>,
    watcher: Mutex<Option<JoinHandle<()>>>,
    /// The way to it that was opened.
    pub(super) way: tokio::sync::Mutex<Option<(SocketAddr, Option<Opened>)>>,
}

impl Drop for Built {
    fn drop(&mut self) {
        self.unwatch();
    }
}

impl Built {
    pub(super) fn new(
        driver: Cloudstack,
        cx: &Cx,
        spec: &MachineSpec,
        vm: Named,
        resource: ResourceRef,
        os_type: Named,
    ) -> Self {
        Self {
            driver,
            vm,
            image: spec.image.clone(),
            os_type,
            resource,
            cx: cx.clone(),
            events: broadcast::Sender::new(16),
            watcher: Mutex::default(),
            way: tokio::sync::Mutex::default(),
        }
    }

    /// How it is now.
    pub(super) async fn look(&self) -> Result<crate::cloudstack::Vm, DriverError> {
        let scope = &self.driver.spot().await?.scope;
        self.driver.cloud.machine(scope, &self.vm.id).await?.ok_or_else(|| {
            DriverError::new(DriverErrorKind::NotFound, format!("look at the machine `{}`", self.vm.name))
                .because("it is not in the cloud any more")
        })
    }

    /// It must be off, or nothing can be made of it.
    pub(super) async fn must_be_off(&self, attempt: &str) -> Result<crate::cloudstack::Vm, DriverError> {
        let vm = self.look().await?;
        if vm.state == VmState::Stopped {
            return Ok(vm);
        }
        Err(DriverError::new(DriverErrorKind::Other, attempt)
            .because(format!("the machine `{}` is not off: {}", self.vm.name, vm.said)))
    }

    /// Watches for its end.
    fn watch(&self) {
        let (driver, id, events) = (self.driver.clone(), self.vm.id.clone(), self.events.clone());
        let every = driver.pace.every * WATCHED;
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Ok(spot) = driver.spot().await else { continue };
                let event = match driver.cloud.machine(&spot.scope, &id).await {
                    Ok(Some(vm)) if vm.state == VmState::Stopped => MachineEvent::Off,
                    Ok(Some(vm)) if vm.state == VmState::Failed => {
                        MachineEvent::Crashed(format!("the cloud says: {}", vm.said))
                    }
                    Ok(None) => MachineEvent::Gone("not in the cloud any more".to_owned()),
                    // A server that does not answer says nothing about the machine.
                    Ok(_) | Err(_) => continue,
                };
                let _ = events.send(event);
                return;
            }
        });
        self.unwatch();
        *self.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    fn unwatch(&self) {
        if let Some(watcher) = self.watcher.lock().unwrap_or_else(PoisonError::into_inner).take() {
            watcher.abort();
        }
    }

    fn unsupported(&self, attempt: &str, why: &str) -> DriverError {
        DriverError::new(DriverErrorKind::Unsupported, format!("{attempt} `{}`", self.vm.name)).because(why)
    }
}

#[async_trait]
impl Machine for Built {
    fn resource(&self) -> &ResourceRef {
        &self.resource
    }

    async fn power_on(&self, cx: &Cx) -> Result<(), DriverError> {
        self.driver.cloud.start_machine(cx, &self.vm, self.driver.plan.start_timeout.get()).await?;
        self.watch();
        Ok(())
    }

    async fn ssh_address(&self, cx: &Cx) -> Result<SocketAddr, DriverError> {
        way::to(self, cx).await
    }

    async fn guest_addresses(&self) -> Option<GuestAddresses> {
        None
    }

    async fn follow_guest(&self) -> Result<Option<Ipv4Addr>, DriverError> {
        Ok(None)
    }

    async fn state(&self) -> Result<MachineState, DriverError> {
        Ok(match self.look().await?.state {
            VmState::Running | VmState::Starting | VmState::Stopping => MachineState::Running,
            VmState::Stopped | VmState::Gone => MachineState::Off,
            VmState::Failed => MachineState::Crashed,
            VmState::Unknown => MachineState::Paused,
        })
    }

    fn events(&self) -> broadcast::Receiver<MachineEvent> {
        self.events.subscribe()
    }

    fn serial_log(&self) -> Option<PathBuf> {
        None
    }

    async fn screenshot(&self) -> Result<Vec<u8>, DriverError> {
        Err(self.unsupported("take a picture of the screen of", "a cloud shows consoles to browsers only"))
    }

    async fn screen_text(&self) -> Result<String, DriverError> {
        Err(self.unsupported("read the screen of", "a cloud shows consoles to browsers only"))
    }

    async fn send_keys(&self, _: &[u32], _: Duration) -> Result<(), DriverError> {
        Err(self.unsupported("press keys at the console of", "a cloud has no call for that"))
    }

    async fn shut_down(&self, cx: &Cx, limit: HumanDuration) -> Result<(), DriverError> {
        const HINT: &str = "raise `guest.shutdown-timeout` if it is only slow; a last step that powers the guest off from inside \
                            (`shutdown -h +1`) does without the power button";
        self.unwatch();
        let begun = Instant::now();
        if self.look().await?.state != VmState::Stopped {
            let stopped = self.driver.cloud.stop_machine(cx, &self.vm, false, limit.get()).await;
            stopped.map_err(|error| match error.kind() {
                CloudStackErrorKind::Timeout => DriverError::from(error).hint(HINT),
                _ => error.into(),
            })?;
            self.must_be_off(&format!("shut down the machine `{}`", self.vm.name)).await?;
        }
        if begun.elapsed() >= PATIENCE {
            let seconds = begun.elapsed().as_secs();
            cx.events().warn(
                format!("the stop took {seconds} s: a KVM host pulls the plug when a guest takes longer than its `stop.script.timeout`, and does not say so"),
                Some(HINT.to_owned()),
            );
        }
        let _ = self.events.send(MachineEvent::Off);
        Ok(())
    }

    async fn power_off(&self) -> Result<(), DriverError> {
        self.unwatch();
        let vm = match self.look().await {
            Err(error) if error.kind() == DriverErrorKind::NotFound => return Ok(()),
            vm => vm?,
        };
        if vm.state != VmState::Stopped {
            match self.driver.cloud.stop_machine(&self.cx, &self.vm, true, PLUG).await {
                // Some clouds let administrators alone pull plugs (`allow.user.force.stop.vm`).
                Err(error) if error.fault().is_some_and(|fault| fault.says("force")) => {
                    self.driver.cloud.stop_machine(&self.cx, &self.vm, false, PLUG).await?;
                }
                stopped => stopped?,
            }
        }
        Ok(())
    }

    async fn export(&self, cx: &Cx, index: usize) -> Result<ExportedDisk, DriverError> {
        export::disk(self, cx, index).await
    }

    async fn capture(&self, cx: &Cx, wanted: Wanted<'_>) -> Result<Captured, DriverError> {
        match wanted {
            Wanted::Cloudstack(plan) => image::capture(self, cx, plan).await,
            Wanted::Ami(_) | Wanted::Vsphere(_) | Wanted::Nutanix(_) => {
                Err(self.unsupported("make something of other hypervisors of", "a cloud cannot do that"))
            }
        }
    }
}
