//! A machine: its state, its keyboard, how it stops.
use super::{Vsphere, address, export, image};
use crate::{
    cx::{Cx, Look, ResourceRef, Sight, causes},
    driver::{
        Captured, DriverError, DriverErrorKind, ExportedDisk, GuestAddresses, Machine, MachineEvent,
        MachineSpec, MachineState, Wanted,
    },
    value::HumanDuration,
    vsphere::{
        self, VsphereError, VsphereErrorKind,
        machine::{KeyPress, PowerState},
    },
};
use async_trait::async_trait;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::broadcast, task::JoinHandle};

/// A watcher looks after so many looks of others: nobody needs to know within a second.
const WATCHED: u32 = 2;
/// Tools that do not run are asked so often again: an upgrade may just have restarted them.
const ASKED: u32 = 5;

/// One machine.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) driver: Vsphere,
    pub(super) machine: vsphere::machine::Machine,
    /// The image's name, for marks.
    pub(super) image: String,
    resource: ResourceRef,
    /// Whose build made it; for what comes without one.
    cx: Cx,
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
    pub(super) fn new(
        driver: Vsphere,
        cx: &Cx,
        spec: &MachineSpec,
        machine: vsphere::machine::Machine,
    ) -> Self {
        let build = cx.id().as_str();
        let resource = vsphere::resource(&driver.vcenter, vsphere::Kind::Machine, machine.path(), build, &[]);
        Self {
            driver,
            machine,
            image: spec.image.clone(),
            resource,
            cx: cx.clone(),
            events: broadcast::Sender::new(16),
            watcher: Mutex::default(),
        }
    }

    /// Watches for its end, and for questions: until one is answered it stands still.
    fn watch(&self) {
        let (machine, events) = (self.machine.clone(), self.events.clone());
        let every = self.driver.pace.every * WATCHED;
        let task = tokio::spawn(async move {
            let mut asked = String::new();
            loop {
                tokio::time::sleep(every).await;
                let (event, ends) = match machine.power().await {
                    Ok((PowerState::Off, _)) => (MachineEvent::Off, true),
                    Ok((PowerState::Suspended, _)) => {
                        (MachineEvent::Paused("it was suspended".to_owned()), true)
                    }
                    Ok((PowerState::On, Some(question))) if question.id != asked => {
                        asked.clone_from(&question.id);
                        (MachineEvent::Paused(question.to_string()), false)
                    }
                    Err(error) if error.kind() == VsphereErrorKind::NotFound => {
                        (MachineEvent::Gone("not in the vCenter any more".to_owned()), true)
                    }
                    // A server that does not answer says nothing about the machine.
                    Ok(_) | Err(_) => continue,
                };
                let _ = events.send(event);
                if ends {
                    return;
                }
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

    /// Asks the guest to shut down.
    async fn ask_to_shut_down(&self, cx: &Cx, limit: Duration) -> Result<(), DriverError> {
        let what = format!("VMware's tools to shut down `{}`", self.machine.path());
        let refused = AtomicU32::new(0);
        let asked = cx.wait_for(&what, limit, self.driver.pace.every, || async {
            match self.machine.shut_down_guest().await {
                Ok(()) => Look::Ready(()),
                Err(error)
                    if error.fault().is_some_and(|fault| fault.is("ToolsUnavailable"))
                        && refused.fetch_add(1, Ordering::Relaxed) < ASKED =>
                {
                    Look::NotYet(vec![Sight::no("tools", "not running")])
                }
                // It may have been heard: one that is off by then needs no more.
                Err(error) if error.kind() == VsphereErrorKind::Unavailable => {
                    Look::NotYet(vec![Sight::unknown("vcenter", causes(&error).join(": "))])
                }
                Err(error) => Look::Hopeless(Box::new(error)),
            }
        });
        asked.await.map_err(DriverError::waited::<VsphereError>)
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
        self.machine.power_on(cx).await?;
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
        Ok(match self.machine.power().await? {
            (PowerState::On, None) => MachineState::Running,
            (PowerState::On, Some(_)) | (PowerState::Suspended, _) => MachineState::Paused,
            (PowerState::Off, _) => MachineState::Off,
        })
    }

    fn events(&self) -> broadcast::Receiver<MachineEvent> {
        self.events.subscribe()
    }

    fn serial_log(&self) -> Option<PathBuf> {
        None
    }

    async fn screenshot(&self) -> Result<Vec<u8>, DriverError> {
        let name = self.machine.moref().id.clone();
        let path = self.cx.work().join(format!("screen-{name}.png"));
        self.machine.screenshot(&self.cx, &path).await?;
        let picture = tokio::fs::read(&path).await.map_err(|error| {
            let attempt = format!("read `{}`", path.display());
            DriverError::new(DriverErrorKind::Other, attempt).because(error)
        })?;
        let _ = tokio::fs::remove_file(&path).await;
        Ok(picture)
    }

    async fn screen_text(&self) -> Result<String, DriverError> {
        let attempt = format!("read the screen of `{}`", self.machine.path());
        Err(unsupported(attempt, "a vCenter shows pictures of a screen, and no text")
            .hint("wait for a time before keys are pressed: `after = \"10s\"`"))
    }

    async fn send_keys(&self, keys: &[u32], hold: Duration) -> Result<(), DriverError> {
        self.send_chords(&[keys.to_vec()], hold).await
    }

    /// The interface presses keys for as long as it likes.
    async fn send_chords(&self, chords: &[Vec<u32>], _: Duration) -> Result<(), DriverError> {
        let mut presses = Vec::new();
        for keys in chords {
            let Some(pressed) = KeyPress::of_linux(keys) else {
                let attempt = format!("press keys at the console of `{}`", self.machine.path());
                let why = format!("a USB keyboard has no such keys (Linux codes {keys:?})");
                return Err(unsupported(attempt, &why));
            };
            presses.extend(pressed);
        }
        Ok(self.machine.press(&self.cx, &presses).await?)
    }

    async fn shut_down(&self, cx: &Cx, limit: HumanDuration) -> Result<(), DriverError> {
        self.unwatch();
        let begun = Instant::now();
        let down = async {
            if self.machine.power().await?.0 != PowerState::Off {
                self.ask_to_shut_down(cx, limit.get()).await?;
                self.machine.wait_until_off(cx, limit.get().saturating_sub(begun.elapsed())).await?;
            }
            Ok(())
        };
        down.await.map_err(|error: DriverError| match error.kind() {
            DriverErrorKind::Timeout => error.hint("raise `guest.shutdown-timeout` if it is only slow"),
            _ => error,
        })?;
        let _ = self.events.send(MachineEvent::Off);
        Ok(())
    }

    async fn power_off(&self) -> Result<(), DriverError> {
        self.unwatch();
        Ok(self.machine.pull_plug().await?)
    }

    async fn export(&self, cx: &Cx, index: usize) -> Result<ExportedDisk, DriverError> {
        export::disk(self, cx, index).await
    }

    async fn capture(&self, cx: &Cx, wanted: Wanted<'_>) -> Result<Captured, DriverError> {
        match wanted {
            Wanted::Vsphere(plan) => image::capture(self, cx, plan).await,
            Wanted::Ami(_) | Wanted::Nutanix(_) | Wanted::Cloudstack(_) => {
                Err(unsupported("make something of other clouds", "a vCenter cannot do that"))
            }
        }
    }
}
