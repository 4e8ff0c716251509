//! A machine: its state, and how it stops.
use super::{Nutanix, address, export, image};
use crate::{
    cx::{Cx, Look, ResourceRef, Sight, causes},
    driver::{
        Captured, DriverError, DriverErrorKind, ExportedDisk, GuestAddresses, Machine, MachineEvent,
        MachineSpec, MachineState, Wanted,
    },
    nutanix::{Kind, Power, PrismError, PrismErrorKind, Vm, resource},
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
const WATCHED: u32 = 2;
/// So often the power button is pressed while the guest does nothing: it may not have listened yet.
const PRESSED_EVERY: Duration = Duration::from_secs(60);

/// One machine.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) driver: Nutanix,
    pub(super) uuid: String,
    pub(super) name: String,
    /// The name of the image that is built.
    pub(super) image: String,
    /// The UUID of its first disk.
    pub(super) disk: Option<String>,
    /// An image of its disk that was made before it is wanted as a result.
    pub(super) exported: tokio::sync::Mutex<Option<image::DiskImage>>,
    resource: ResourceRef,
    events: broadcast::Sender<MachineEvent>,
    watcher: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Built {
    fn drop(&mut self) {
        self.unwatch();
    }
}

impl Built {
    /// `cx`: whose build made it.
    pub(super) fn new(driver: Nutanix, cx: &Cx, spec: &MachineSpec, vm: Vm) -> Self {
        let details = [("name", vm.name.as_str())];
        let resource = resource(&driver.prism, Kind::Vm, &vm.uuid, cx.id().as_str(), &details);
        Self {
            driver,
            image: spec.image.clone(),
            disk: vm.disks.into_iter().next().map(|disk| disk.uuid),
            uuid: vm.uuid,
            name: vm.name,
            exported: tokio::sync::Mutex::default(),
            resource,
            events: broadcast::Sender::new(16),
            watcher: Mutex::default(),
        }
    }

    /// Watches for its end.
    fn watch(&self) {
        let (prism, uuid, events) = (self.driver.prism.clone(), self.uuid.clone(), self.events.clone());
        let every = self.driver.pace.every * WATCHED;
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let event = match prism.vm(&uuid).await.map(|vm| vm.power) {
                    Ok(Power::Off) => MachineEvent::Off,
                    Ok(Power::Paused) => MachineEvent::Paused("it was paused in Prism".to_owned()),
                    Err(error) if error.kind() == PrismErrorKind::NotFound => {
                        MachineEvent::Gone("not in the Prism Central any more".to_owned())
                    }
                    // A server that does not answer says nothing about the machine.
                    Ok(Power::On | Power::Unknown) | Err(_) => continue,
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

    /// Presses the power button until the machine is off.
    async fn press_until_off(&self, cx: &Cx, limit: Duration) -> Result<(), DriverError> {
        let (prism, what) = (&self.driver.prism, format!("the guest of `{}` to shut down", self.name));
        let pressed: Mutex<Option<Instant>> = Mutex::default();
        let due = || {
            let last = *pressed.lock().unwrap_or_else(PoisonError::into_inner);
            last.is_none_or(|at| at.elapsed() >= PRESSED_EVERY)
        };
        let looks = cx.wait_for(&what, limit, self.driver.pace.every, || async {
            let look = async {
                if prism.vm(&self.uuid).await?.power == Power::Off {
                    return Ok(true);
                }
                if due() {
                    prism.press_power_button(&self.uuid, &self.name).await?;
                    *pressed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                }
                Ok(false)
            };
            match look.await {
                Ok(true) => Look::Ready(()),
                Ok(false) => Look::NotYet(vec![Sight::no("power", "on")]),
                // It may have been heard: one that is off by then needs no more.
                Err(error) if PrismError::kind(&error) == PrismErrorKind::Unavailable => {
                    Look::NotYet(vec![Sight::unknown("prism", causes(&error).join(": "))])
                }
                Err(error) => Look::Hopeless(Box::new(error)),
            }
        });
        looks.await.map_err(DriverError::waited::<PrismError>)
    }
}

fn unsupported(attempt: impl Into<String>, why: &str) -> DriverError {
    DriverError::new(DriverErrorKind::Unsupported, attempt).because(why)
}

#[async_trait]
impl Machine for Built {
    fn resource(&self) -> &ResourceRef {
        &self.resource
    }

    async fn power_on(&self, cx: &Cx) -> Result<(), DriverError> {
        self.driver.prism.power_on(cx, &self.uuid, &self.name).await?;
        self.watch();
        Ok(())
    }

    async fn ssh_address(&self, cx: &Cx) -> Result<SocketAddr, DriverError> {
        address::settled(self, cx).await
    }

    async fn guest_addresses(&self) -> Option<GuestAddresses> {
        None
    }

    async fn follow_guest(&self) -> Result<Option<Ipv4Addr>, DriverError> {
        Ok(None)
    }

    async fn state(&self) -> Result<MachineState, DriverError> {
        Ok(match self.driver.prism.vm(&self.uuid).await?.power {
            Power::On | Power::Unknown => MachineState::Running,
            Power::Paused => MachineState::Paused,
            Power::Off => MachineState::Off,
        })
    }

    fn events(&self) -> broadcast::Receiver<MachineEvent> {
        self.events.subscribe()
    }

    fn serial_log(&self) -> Option<PathBuf> {
        None
    }

    async fn screenshot(&self) -> Result<Vec<u8>, DriverError> {
        Err(unsupported(
            format!("take a picture of the screen of `{}`", self.name),
            "Prism's interface has none: its console is for browsers",
        ))
    }

    async fn screen_text(&self) -> Result<String, DriverError> {
        Err(unsupported(format!("read the screen of `{}`", self.name), "Prism's interface does not show it"))
    }

    async fn send_keys(&self, _: &[u32], _: Duration) -> Result<(), DriverError> {
        Err(unsupported(
            format!("press keys at the console of `{}`", self.name),
            "Prism's interface has no keyboard: its console is for browsers",
        ))
    }

    async fn shut_down(&self, cx: &Cx, limit: HumanDuration) -> Result<(), DriverError> {
        self.unwatch();
        self.press_until_off(cx, limit.get()).await.map_err(|error| match error.kind() {
            DriverErrorKind::Timeout => {
                error.hint("does the guest listen to the power button (ACPI)? Raise `guest.shutdown-timeout` if it is only slow")
            }
            _ => error,
        })?;
        let _ = self.events.send(MachineEvent::Off);
        Ok(())
    }

    async fn power_off(&self) -> Result<(), DriverError> {
        self.unwatch();
        match self.driver.prism.pull_plug(&self.uuid, &crate::cx::Stop::default()).await {
            Err(error) if error.kind() == PrismErrorKind::NotFound => Ok(()),
            other => Ok(other?),
        }
    }

    async fn export(&self, cx: &Cx, index: usize) -> Result<ExportedDisk, DriverError> {
        export::disk(self, cx, index).await
    }

    async fn capture(&self, cx: &Cx, wanted: Wanted<'_>) -> Result<Captured, DriverError> {
        match wanted {
            Wanted::Nutanix(plan) => image::capture(self, cx, plan).await,
            Wanted::Ami(_) | Wanted::Vsphere(_) | Wanted::Cloudstack(_) => {
                Err(unsupported("make something of other clouds", "a Prism Central cannot do that"))
            }
        }
    }
}
