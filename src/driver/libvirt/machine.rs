//! One machine, as a transient domain: it exists in libvirt only while it runs.
use super::{
    connection::{Connection, blocking, failed, is_gone, transfer},
    live::{Live, Phase},
    place::Place,
    png::{PNG_SIGNATURE, png_from_ppm},
    remote::Far,
    screen, usernet,
};
use crate::{
    cx::{Cx, Look, ResourceRef, Sight},
    driver::{
        DriverError, DriverErrorKind, ExportedDisk, GuestAddresses, Machine, MachineEvent, MachineSpec,
        MachineState,
    },
    value::{Arch, HumanDuration},
};
use async_trait::async_trait;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Mutex, broadcast},
    time::Instant,
};
use virt::{domain::Domain, stream::Stream, sys};

/// Starting includes a look at QEMU that was not cached.
const START_LIMIT: Duration = Duration::from_secs(120);
/// Any other call. libvirt itself gives QEMU 15 s to end before it kills it.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// Kernel loaders and early userspace ignore the power button, so it is pressed again.
const PRESS_AGAIN: Duration = Duration::from_secs(10);
/// No screen is larger.
const SCREEN_MAXIMUM: usize = 256 << 20;
/// libvirt's VIR_DOMAIN_SEND_KEY_MAX_KEYS.
const KEYS_MAXIMUM: usize = 16;

/// A machine of this driver.
#[derive(Debug)]
pub(super) struct LibvirtMachine {
    pub(super) resource: ResourceRef,
    pub(super) connection: Arc<Connection>,
    pub(super) place: Place,
    pub(super) live: Arc<Live>,
    pub(super) xml: String,
    pub(super) spec: MachineSpec,
    pub(super) serial: PathBuf,
    pub(super) ssh: Mutex<Option<SocketAddr>>,
    /// When it runs on another host.
    pub(super) far: Option<Arc<Far>>,
}

impl LibvirtMachine {
    fn running(&self, attempt: &str) -> Result<Arc<Domain>, DriverError> {
        let domain = self.live.domain().filter(|_| self.live.phase() == Phase::On);
        domain.ok_or_else(|| {
            DriverError::new(DriverErrorKind::MachineFailed, attempt).because(match self.live.phase() {
                Phase::Made | Phase::Starting => "the machine has not been started",
                Phase::Crashed => "the machine crashed",
                _ => "the machine is off",
            })
        })
    }

    /// One line for QEMU's own monitor.
    pub(super) async fn monitor(&self, command: String) -> Result<String, DriverError> {
        let attempt = format!("run the monitor command `{command}`");
        let domain = self.running(&attempt)?;
        blocking(&attempt.clone(), CALL_LIMIT, move || {
            domain
                .qemu_monitor_command(&command, sys::VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
                .map_err(|error| failed(&attempt, &error))
        })
        .await
    }

    async fn press_power_button(&self) -> Result<(), DriverError> {
        const ATTEMPT: &str = "press the machine's power button";
        let Ok(domain) = self.running(ATTEMPT) else { return Ok(()) };
        blocking(ATTEMPT, CALL_LIMIT, move || {
            match domain.shutdown_flags(sys::VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN) {
                Err(error) if !is_gone(&error) => Err(failed(ATTEMPT, &error)),
                _ => Ok(()),
            }
        })
        .await
    }
}

#[async_trait]
impl Machine for LibvirtMachine {
    fn resource(&self) -> &ResourceRef {
        &self.resource
    }

    async fn power_on(&self, cx: &Cx) -> Result<(), DriverError> {
        let attempt = format!("start the machine `{}`", self.spec.role);
        cx.check()?;
        if !self.live.begin() {
            return Err(DriverError::new(DriverErrorKind::Other, attempt)
                .because("it was started or removed before; a machine starts once"));
        }
        let flags = match self.place {
            Place::Embed => 0,
            // The daemon ends the machine when our connection goes, however we end.
            _ => sys::VIR_DOMAIN_START_AUTODESTROY,
        };
        let place = self.place;
        let (far, serial) = (self.far.clone(), self.serial.clone());
        let (live, connection, xml) = (self.live.clone(), self.connection.clone(), self.xml.clone());
        let saying = attempt.clone();
        let started = blocking(&attempt, START_LIMIT, move || {
            // Runs to its end even when nobody waits any more, so that the state of the machine stays true.
            let started = match &far {
                Some(far) => far.start(&connection, &xml, &serial),
                None => Domain::create_xml(connection.connect(), &xml, flags)
                    .map_err(|error| explain_start(place, failed(&saying, &error), &error)),
            };
            let (domain, outcome) = match started {
                Ok(domain) => (Some(domain), Ok(())),
                Err(error) => (None, Err(error)),
            };
            if live.started(domain)
                && let Some(domain) = live.domain()
            {
                // It was removed while it started. The remover looks for QEMU once more after this.
                let _ = domain.destroy();
            }
            outcome
        })
        .await;
        if started.is_err() {
            self.live.doom();
        }
        started
    }

    async fn ssh_address(&self, cx: &Cx) -> Result<SocketAddr, DriverError> {
        cx.check()?;
        let mut known = self.ssh.lock().await;
        if let Some(address) = *known {
            return Ok(address);
        }
        let attempt =
            || DriverError::new(DriverErrorKind::Other, "forward a port of this host to the guest's SSH");
        let before = self.monitor("info usernet".to_owned()).await?;
        let mut port = usernet::forwarded_port(&before, usernet::GUEST_PORT);
        if port.is_none() {
            let netdev = usernet::netdev_id(&before).ok_or_else(|| {
                attempt().because("the machine has no user-mode network; was QEMU built without slirp?")
            })?;
            let answer = self.monitor(usernet::forward_command(netdev)).await?;
            let after = self.monitor("info usernet".to_owned()).await?;
            port = usernet::forwarded_port(&after, usernet::GUEST_PORT);
            if port.is_none() {
                return Err(attempt().because(format!("QEMU answered `{}`", answer.trim())));
            }
        }
        let port = port.ok_or_else(attempt)?;
        let address = match &self.far {
            Some(far) => far.lead_to(port, cx).await?,
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        };
        *known = Some(address);
        Ok(address)
    }

    async fn guest_addresses(&self) -> Option<GuestAddresses> {
        let info = self.monitor("info usernet".to_owned()).await.ok()?;
        usernet::guest_addresses(&info)
    }

    async fn follow_guest(&self) -> Result<Option<Ipv4Addr>, DriverError> {
        self.follow().await
    }

    async fn state(&self) -> Result<MachineState, DriverError> {
        const ATTEMPT: &str = "ask for the machine's state";
        match self.live.phase() {
            Phase::Made | Phase::Off => return Ok(MachineState::Off),
            Phase::Crashed => return Ok(MachineState::Crashed),
            Phase::Starting => return Ok(MachineState::Running),
            Phase::On => {}
        }
        let Some(domain) = self.live.domain() else { return Ok(MachineState::Off) };
        let state = blocking(ATTEMPT, CALL_LIMIT, move || match domain.get_state() {
            Ok((state, reason)) => Ok(Some(machine_state(state, reason))),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(failed(ATTEMPT, &error)),
        })
        .await?;
        if matches!(state, None | Some(MachineState::Off)) {
            // The event says how it ended; it may be a moment behind.
            if !self.live.ended(Duration::from_secs(1)).await {
                self.live.found_off();
            }
            let crashed = self.live.phase() == Phase::Crashed;
            return Ok(if crashed { MachineState::Crashed } else { MachineState::Off });
        }
        Ok(state.unwrap_or(MachineState::Off))
    }

    fn events(&self) -> broadcast::Receiver<MachineEvent> {
        self.live.events()
    }

    fn serial_log(&self) -> Option<PathBuf> {
        Some(self.serial.clone())
    }

    async fn screenshot(&self) -> Result<Vec<u8>, DriverError> {
        const ATTEMPT: &str = "take a picture of the machine's screen";
        let domain = self.running(ATTEMPT)?;
        let connection = self.connection.clone();
        let image = blocking(ATTEMPT, CALL_LIMIT, move || {
            let why = |error: virt::error::Error| failed(ATTEMPT, &error);
            let stream = Stream::new(connection.connect(), 0).map_err(why)?;
            domain.screenshot(&stream, 0, 0).map_err(why)?;
            let mut image = Vec::new();
            let mut piece = vec![0; 256 << 10];
            loop {
                match stream.recv(&mut piece) {
                    Ok(0) => break,
                    Ok(length) if image.len() + length <= SCREEN_MAXIMUM => {
                        image.extend_from_slice(&piece[..length]);
                    }
                    Ok(_) => {
                        let _ = stream.abort();
                        return Err(
                            DriverError::new(DriverErrorKind::Other, ATTEMPT).because("it has no end")
                        );
                    }
                    Err(error) => {
                        let _ = stream.abort();
                        return Err(why(error));
                    }
                }
            }
            stream.finish().map_err(why)?;
            Ok(image)
        })
        .await?;
        if image.starts_with(PNG_SIGNATURE) {
            return Ok(image);
        }
        png_from_ppm(&image).ok_or_else(|| {
            DriverError::new(DriverErrorKind::Unsupported, ATTEMPT)
                .because("QEMU gave neither PNG nor a pixmap")
        })
    }

    async fn screen_text(&self) -> Result<String, DriverError> {
        const ATTEMPT: &str = "read the machine's screen";
        let unsupported =
            |why: &'static str| DriverError::new(DriverErrorKind::Unsupported, ATTEMPT).because(why);
        if self.spec.arch != Arch::X86_64 {
            return Err(unsupported("only a PC's screen has a text mode"));
        }
        let dump = self.monitor(screen::dump_command()).await?;
        screen::text(&dump).ok_or_else(|| unsupported("QEMU's monitor did not print it"))
    }

    async fn send_keys(&self, keys: &[u32], hold: Duration) -> Result<(), DriverError> {
        const ATTEMPT: &str = "press keys of the machine";
        if keys.is_empty() || keys.len() > KEYS_MAXIMUM {
            return Err(DriverError::new(DriverErrorKind::Unsupported, ATTEMPT)
                .because(format!("between 1 and {KEYS_MAXIMUM} keys go down together, not {}", keys.len())));
        }
        let domain = self.running(ATTEMPT)?;
        let mut keys = keys.to_vec();
        let milliseconds = u32::try_from(hold.as_millis()).unwrap_or(u32::MAX).max(1);
        blocking(ATTEMPT, CALL_LIMIT, move || {
            let count = keys.len() as i32;
            domain
                .send_key(sys::VIR_KEYCODE_SET_LINUX, milliseconds, keys.as_mut_ptr(), count, 0)
                .map_err(|error| failed(ATTEMPT, &error))
        })
        .await?;
        // QEMU only queues them, and the queue of a PS/2 keyboard holds 16 bytes.
        tokio::time::sleep(hold + Duration::from_millis(20)).await;
        Ok(())
    }

    async fn shut_down(&self, cx: &Cx, limit: HumanDuration) -> Result<(), DriverError> {
        const POLL: Duration = Duration::from_secs(2);
        let started = Instant::now();
        let mut pressed: Option<Instant> = None;
        let mut asked = started;
        cx.wait_for("the guest to power itself off", limit.get(), Duration::from_millis(200), || {
            let press = pressed.is_none_or(|at| at.elapsed() >= PRESS_AGAIN);
            if press {
                pressed = Some(Instant::now());
            }
            // Events tell at once; asking is the net below them.
            let ask = asked.elapsed() >= POLL;
            if ask {
                asked = Instant::now();
            }
            async move {
                if press && let Err(error) = self.press_power_button().await {
                    return Look::Hopeless(error.into());
                }
                let state = match self.live.phase() {
                    Phase::Off | Phase::Made => Ok(MachineState::Off),
                    Phase::Crashed => Ok(MachineState::Crashed),
                    _ if ask => self.state().await,
                    _ => Ok(MachineState::Running),
                };
                match state {
                    Ok(MachineState::Off) => Look::Ready(()),
                    Ok(MachineState::Running) => {
                        Look::NotYet(vec![Sight::no("off", "the power button was pressed")])
                    }
                    Ok(MachineState::Paused) => Look::Hopeless("the machine is paused by an error".into()),
                    Ok(MachineState::Crashed) => Look::Hopeless("the machine crashed".into()),
                    Err(error) => Look::Hopeless(error.into()),
                }
            }
        })
        .await
        .map_err(DriverError::from)
    }

    async fn power_off(&self) -> Result<(), DriverError> {
        self.live.doom();
        end(&self.live).await
    }

    async fn export(&self, cx: &Cx, index: usize) -> Result<ExportedDisk, DriverError> {
        let attempt =
            || DriverError::new(DriverErrorKind::Other, format!("export disk {index} of the machine"));
        cx.check()?;
        let disk = self.spec.disks.get(index).ok_or_else(|| {
            attempt().because(format!("it has {} disks, counted from 0", self.spec.disks.len()))
        })?;
        match self.state().await? {
            MachineState::Off | MachineState::Crashed => {
                if let Some(far) = self.far.clone() {
                    let (asking, wanted) = (cx.clone(), disk.clone());
                    transfer(move || far.fetch(&asking, index, &wanted)).await?;
                    cx.check()?;
                }
                Ok(ExportedDisk { path: disk.path.clone(), format: disk.format })
            }
            state => Err(attempt().because(format!("it is not off but {state:?}"))),
        }
    }
}

fn explain_start(place: Place, failed: DriverError, error: &virt::error::Error) -> DriverError {
    if place == Place::System && error.message().contains("Permission denied") {
        return failed.hint(
            "libvirt's daemon runs QEMU as a user of its own, which must be able to enter every folder above the disks; \
             `qemu:///embed` runs it as you",
        );
    }
    failed
}

/// Pulls the plug through libvirt; what has ended or never started is fine.
pub(super) async fn end(live: &Arc<Live>) -> Result<(), DriverError> {
    const ATTEMPT: &str = "switch the machine off";
    if !live.settled(START_LIMIT).await {
        return Err(DriverError::new(DriverErrorKind::Timeout, ATTEMPT).because("it is still being started"));
    }
    let Some(domain) = live.domain().filter(|_| live.phase() == Phase::On) else { return Ok(()) };
    blocking(ATTEMPT, CALL_LIMIT, move || match domain.destroy() {
        Err(error) if !is_gone(&error) && domain.is_active().unwrap_or(true) => Err(failed(ATTEMPT, &error)),
        _ => Ok(()),
    })
    .await?;
    if !live.ended(Duration::from_secs(2)).await {
        live.found_off();
    }
    Ok(())
}

fn machine_state(state: u32, reason: i32) -> MachineState {
    match state {
        sys::VIR_DOMAIN_SHUTOFF if reason == sys::VIR_DOMAIN_SHUTOFF_CRASHED as i32 => MachineState::Crashed,
        sys::VIR_DOMAIN_SHUTOFF => MachineState::Off,
        sys::VIR_DOMAIN_CRASHED => MachineState::Crashed,
        sys::VIR_DOMAIN_PAUSED if reason == sys::VIR_DOMAIN_PAUSED_CRASHED as i32 => MachineState::Crashed,
        // A guest that powers off is stopped for its last moment.
        sys::VIR_DOMAIN_PAUSED
            if [sys::VIR_DOMAIN_PAUSED_SHUTTING_DOWN, sys::VIR_DOMAIN_PAUSED_STARTING_UP]
                .contains(&(reason as u32)) =>
        {
            MachineState::Running
        }
        sys::VIR_DOMAIN_PAUSED | sys::VIR_DOMAIN_PMSUSPENDED => MachineState::Paused,
        _ => MachineState::Running,
    }
}
