//! An instance: its state, its address, how it stops.
use super::{Ec2, console, image, launch::Launched, surrogate, tunnel::Tunnel};
use crate::{
    aws::{self, AwsError, AwsErrorKind, Kind},
    cx::{Cx, Look, ResourceRef, Sight},
    driver::{
        Captured, DriverError, DriverErrorKind, ExportedDisk, GuestAddresses, Machine, MachineEvent,
        MachineSpec, MachineState, Wanted,
    },
    plan::SshWay,
    value::HumanDuration,
};
use async_trait::async_trait;
use aws_sdk_ec2::types::{Instance as Described, InstanceStateName};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::broadcast, task::JoinHandle};

/// A public address comes with the instance, or some seconds later.
const ADDRESS: Duration = Duration::from_mins(1);

/// One instance.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) ec2: Ec2,
    pub(super) launched: Launched,
    /// The image's name, for tags.
    pub(super) image: String,
    resource: ResourceRef,
    serial: PathBuf,
    events: broadcast::Sender<MachineEvent>,
    watcher: Mutex<Option<JoinHandle<()>>>,
    tunnel: tokio::sync::Mutex<Option<Tunnel>>,
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(watcher) = self.watcher.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            watcher.abort();
        }
    }
}

impl Instance {
    pub(super) fn new(ec2: Ec2, cx: &Cx, spec: &MachineSpec, launched: Launched) -> Self {
        let resource = aws::resource(&ec2.aws, Kind::Instance, &launched.id);
        Self {
            ec2,
            image: spec.image.clone(),
            resource,
            serial: cx.logs().join(format!("serial-{}.log", spec.role)),
            launched,
            events: broadcast::Sender::new(16),
            watcher: Mutex::default(),
            tunnel: tokio::sync::Mutex::default(),
        }
    }

    /// Waits for one state; any that it cannot come from is the end.
    async fn wait_for(
        &self,
        cx: &Cx,
        wanted: &InstanceStateName,
        over: &[InstanceStateName],
        limit: Duration,
    ) -> Result<Described, DriverError> {
        let (ec2, id) = (&self.ec2, &self.launched.id);
        let what = format!("the instance {id} to be {}", wanted.as_str());
        let waited = cx
            .wait_for(&what, limit, ec2.pace.every, || async {
                let described = match describe(ec2, id).await {
                    Ok(described) => described,
                    // Not everywhere known yet, or nobody answered: it may work later.
                    Err(error) if passes(&error) => {
                        return Look::NotYet(vec![Sight::unknown("instance", aws_text(&error))]);
                    }
                    Err(error) => return Look::Hopeless(error.into()),
                };
                let state = state_of(&described);
                let told = told(&described);
                if state.as_ref() == Some(wanted) {
                    return Look::Ready(described);
                }
                match state {
                    Some(state) if over.contains(&state) => {
                        Look::Hopeless(format!("the instance is {}{told}", state.as_str()).into())
                    }
                    state => {
                        let name = state.as_ref().map_or("unknown", InstanceStateName::as_str);
                        Look::NotYet(vec![Sight::no("instance", format!("{name}{told}"))])
                    }
                }
            })
            .await;
        Ok(waited?)
    }

    /// Watches for the end of the instance: by itself, or taken away.
    fn watch(&self) {
        let (ec2, id, events) = (self.ec2.clone(), self.launched.id.clone(), self.events.clone());
        // Nobody needs to know within a second, and calls are counted.
        let every = ec2.pace.every * 3;
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Ok(described) = describe(&ec2, &id).await else { continue };
                let by_itself = described
                    .state_reason()
                    .and_then(|reason| reason.code())
                    .is_none_or(|code| code == "Client.InstanceInitiatedShutdown");
                let event = match state_of(&described) {
                    Some(InstanceStateName::Stopped | InstanceStateName::Stopping) if by_itself => {
                        MachineEvent::Off
                    }
                    Some(
                        state @ (InstanceStateName::Stopped
                        | InstanceStateName::Stopping
                        | InstanceStateName::ShuttingDown
                        | InstanceStateName::Terminated),
                    ) => MachineEvent::Gone(format!("{}{}", state.as_str(), told(&described))),
                    _ => continue,
                };
                let _ = events.send(event);
                return;
            }
        });
        *self.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    fn unwatch(&self) {
        if let Some(watcher) = self.watcher.lock().unwrap_or_else(PoisonError::into_inner).take() {
            watcher.abort();
        }
    }
}

fn unsupported(attempt: &str) -> DriverError {
    DriverError::new(DriverErrorKind::Unsupported, attempt).because("EC2 cannot do that")
}

/// What is known about an instance.
pub(super) async fn describe(ec2: &Ec2, id: &str) -> Result<Described, AwsError> {
    let attempt = || format!("look at the instance `{id}` in {}", ec2.aws.region());
    let answer = ec2
        .aws
        .ec2()
        .describe_instances()
        .instance_ids(id)
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "DescribeInstances", error))?;
    let mut found = answer.reservations().iter().flat_map(|reservation| reservation.instances());
    found.next().cloned().ok_or_else(|| {
        AwsError::new(AwsErrorKind::NotFound, attempt()).because("DescribeInstances answered without it")
    })
}

fn state_of(described: &Described) -> Option<InstanceStateName> {
    described.state()?.name().cloned()
}

/// Why it is in its state, as Amazon tells it.
fn told(described: &Described) -> String {
    let reason = described.state_reason().and_then(|reason| reason.message()).unwrap_or_default();
    let transition = described.state_transition_reason().unwrap_or_default();
    match (reason.trim(), transition.trim()) {
        ("", "") => String::new(),
        ("", text) | (text, "") => format!(" ({text})"),
        (reason, transition) if reason.contains(transition) => format!(" ({reason})"),
        (reason, transition) => format!(" ({reason}; {transition})"),
    }
}

/// Whether it may work later.
pub(super) fn passes(error: &AwsError) -> bool {
    matches!(error.kind(), AwsErrorKind::NotFound | AwsErrorKind::Throttled | AwsErrorKind::Unavailable)
}

/// The innermost message.
pub(super) fn aws_text(error: &AwsError) -> String {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}

/// The address by which the plan's way leads to the instance.
fn address(described: &Described, way: SshWay) -> Option<IpAddr> {
    let parse = |text: Option<&str>| text.filter(|text| !text.is_empty())?.parse().ok();
    match way {
        SshWay::Public => parse(described.public_ip_address()).or_else(|| parse(described.ipv6_address())),
        SshWay::Private | SshWay::SessionManager => parse(described.private_ip_address()),
    }
}

#[async_trait]
impl Machine for Instance {
    fn resource(&self) -> &ResourceRef {
        &self.resource
    }

    async fn power_on(&self, cx: &Cx) -> Result<(), DriverError> {
        let over = [
            InstanceStateName::Stopping,
            InstanceStateName::Stopped,
            InstanceStateName::ShuttingDown,
            InstanceStateName::Terminated,
        ];
        self.wait_for(cx, &InstanceStateName::Running, &over, self.ec2.pace.run.get()).await?;
        self.watch();
        Ok(())
    }

    async fn ssh_address(&self, cx: &Cx) -> Result<SocketAddr, DriverError> {
        let (ec2, id, way) = (&self.ec2, &self.launched.id, self.ec2.plan.ssh);
        if way == SshWay::SessionManager {
            let mut tunnel = self.tunnel.lock().await;
            if let Some(open) = &*tunnel {
                return Ok(open.address());
            }
            let opened = Tunnel::open(ec2, id).await?;
            return Ok(tunnel.insert(opened).address());
        }
        let what = format!("an address of the instance {id}");
        let waited = cx
            .wait_for(&what, ADDRESS, ec2.pace.every, || async {
                match describe(ec2, id).await {
                    Ok(described) => match address(&described, way) {
                        Some(address) => Look::Ready(address),
                        None => Look::NotYet(vec![Sight::no("address", "none yet")]),
                    },
                    Err(error) if passes(&error) => {
                        Look::NotYet(vec![Sight::unknown("instance", aws_text(&error))])
                    }
                    Err(error) => Look::Hopeless(error.into()),
                }
            })
            .await;
        let address = waited.map_err(|error| {
            let failed = DriverError::from(error);
            match (failed.kind(), way) {
                (DriverErrorKind::Timeout, SshWay::Public) => failed.hint(
                    "its subnet gives out no public addresses: set `associate-public-ip = true` in `[machine.ec2]`, or reach it by \
                     `ssh = \"private\"` or `ssh = \"session-manager\"`",
                ),
                _ => failed,
            }
        })?;
        Ok(SocketAddr::new(address, ec2.plan.ssh_port))
    }

    async fn guest_addresses(&self) -> Option<GuestAddresses> {
        None
    }

    async fn follow_guest(&self) -> Result<Option<Ipv4Addr>, DriverError> {
        Ok(None)
    }

    async fn state(&self) -> Result<MachineState, DriverError> {
        let described = describe(&self.ec2, &self.launched.id).await?;
        Ok(match state_of(&described) {
            Some(InstanceStateName::Pending | InstanceStateName::Running) => MachineState::Running,
            _ => MachineState::Off,
        })
    }

    fn events(&self) -> broadcast::Receiver<MachineEvent> {
        self.events.subscribe()
    }

    fn serial_log(&self) -> Option<PathBuf> {
        Some(self.serial.clone())
    }

    async fn fetch_console(&self) {
        // It is for who looks for a mistake; that it cannot be had is none of its own.
        let _ = console::output(&self.ec2, &self.launched.id, &self.serial).await;
    }

    async fn screenshot(&self) -> Result<Vec<u8>, DriverError> {
        console::screen(&self.ec2, &self.launched.id).await
    }

    async fn screen_text(&self) -> Result<String, DriverError> {
        Err(unsupported("read the screen of an instance"))
    }

    async fn send_keys(&self, _: &[u32], _: Duration) -> Result<(), DriverError> {
        Err(unsupported("press keys of an instance"))
    }

    async fn shut_down(&self, cx: &Cx, limit: HumanDuration) -> Result<(), DriverError> {
        self.unwatch();
        let (ec2, id) = (&self.ec2, &self.launched.id);
        let attempt = || format!("stop the instance `{id}` in {}", ec2.aws.region());
        ec2.aws
            .ec2()
            .stop_instances()
            .instance_ids(id)
            .send()
            .await
            .map_err(|error| AwsError::of(attempt(), "StopInstances", error))?;
        let over = [InstanceStateName::ShuttingDown, InstanceStateName::Terminated];
        self.wait_for(cx, &InstanceStateName::Stopped, &over, limit.get()).await.map_err(
            |error| match error.kind() {
                DriverErrorKind::Timeout => error.hint("raise `guest.shutdown-timeout` if it is only slow"),
                _ => error,
            },
        )?;
        let _ = self.events.send(MachineEvent::Off);
        Ok(())
    }

    async fn power_off(&self) -> Result<(), DriverError> {
        self.unwatch();
        let (ec2, id) = (&self.ec2, &self.launched.id);
        let attempt = || format!("stop the instance `{id}` in {}", ec2.aws.region());
        let stopped = ec2.aws.ec2().stop_instances().instance_ids(id).force(true).send().await;
        match stopped.map_err(|error| AwsError::of(attempt(), "StopInstances", error)) {
            Err(error) if error.kind() != AwsErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    async fn export(&self, _: &Cx, _: usize) -> Result<ExportedDisk, DriverError> {
        Err(unsupported("bring the disk of an instance here"))
    }

    async fn capture(&self, cx: &Cx, wanted: Wanted<'_>) -> Result<Captured, DriverError> {
        let Wanted::Ami(ami) = wanted else { return Err(unsupported("make anything but an AMI")) };
        match &self.ec2.plan.surrogate {
            Some(surrogate) => surrogate::capture(self, cx, ami, surrogate).await,
            None => image::capture(self, cx, ami).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::StateReason;

    #[test]
    fn the_way_decides_about_the_address() {
        let described =
            Described::builder().public_ip_address("203.0.113.7").private_ip_address("10.0.0.7").build();
        assert_eq!(address(&described, SshWay::Public), Some(Ipv4Addr::new(203, 0, 113, 7).into()));
        assert_eq!(address(&described, SshWay::Private), Some(Ipv4Addr::new(10, 0, 0, 7).into()));
        let six = Described::builder().ipv6_address("2001:db8::7").build();
        assert_eq!(address(&six, SshWay::Public).unwrap().to_string(), "2001:db8::7");
        assert_eq!(address(&six, SshWay::Private), None);
    }

    #[test]
    fn both_of_amazons_reasons_are_told_once() {
        let reason = StateReason::builder().code("Server.X").message("Server.X: no capacity").build();
        let both = Described::builder().state_reason(reason.clone()).state_transition_reason("no capacity");
        assert_eq!(told(&both.build()), " (Server.X: no capacity)");
        let differ = Described::builder().state_reason(reason).state_transition_reason("User initiated");
        assert_eq!(told(&differ.build()), " (Server.X: no capacity; User initiated)");
        assert_eq!(told(&Described::builder().build()), "");
    }
}
