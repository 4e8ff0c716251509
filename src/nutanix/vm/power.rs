//! Machines are started, stopped and removed.
use super::{Power, Vm};
use crate::{
    cx::{Cx, Look, Sight, Stop, causes},
    nutanix::{
        Dialect, Prism, PrismError, PrismErrorKind,
        call::{Call, escape, pause},
        category::found,
        task::task_of,
    },
};
use serde_json::json;
use std::time::Duration;

/// The longest that a change of power may take.
const CHANGING: Duration = Duration::from_mins(15);
const EVERY: Duration = Duration::from_millis(500);
/// How often something is asked for that somebody else changed meanwhile.
const ATTEMPTS: u32 = 6;

impl Prism {
    /// Waits until a machine is as it was asked for.
    pub(in crate::nutanix) async fn ready_vm(
        &self,
        cx: &Cx,
        uuid: &str,
        name: &str,
    ) -> Result<Vm, PrismError> {
        let what = format!("the machine `{name}` to be there");
        let look = || async {
            match self.vm(uuid).await {
                Ok(vm) => match &vm.problem {
                    Some(why) => {
                        let attempt = format!("make the machine `{name}`");
                        let error = PrismError::new(PrismErrorKind::Other, attempt);
                        Look::Hopeless(Box::new(error.because(why.clone())))
                    }
                    None if vm.disks.is_empty() => Look::NotYet(vec![Sight::no("disk", "none yet")]),
                    None => Look::Ready(vm),
                },
                Err(error) => unless_passing(error),
            }
        };
        Ok(cx.wait_for(&what, CHANGING, EVERY, look).await?)
    }

    /// Starts a machine. It runs then.
    pub async fn power_on(&self, cx: &Cx, uuid: &str, name: &str) -> Result<(), PrismError> {
        let attempt = format!("power on the machine `{name}`");
        if let Some(task) = self.change_power(&attempt, uuid, Power::On).await? {
            self.finish(cx, &attempt, &task, CHANGING).await?;
        }
        self.wait_for_power(cx, uuid, name, Power::On, CHANGING, EVERY).await
    }

    /// Presses the power button (ACPI): the guest decides what it does then.
    pub async fn press_power_button(&self, uuid: &str, name: &str) -> Result<(), PrismError> {
        let attempt = format!("press the power button of the machine `{name}`");
        match self.dialect() {
            Dialect::V3 => {
                let path = format!("{}/acpi_shutdown", self.vm_path(uuid));
                self.send(Call::post(&attempt, path, json!({}))).await.map(drop)
            }
            Dialect::V4 => self.act(&attempt, uuid, "shutdown", Power::Off).await.map(drop),
        }
    }

    /// Pulls the plug of a machine. Off already is a success.
    pub async fn pull_plug(&self, uuid: &str, stop: &Stop) -> Result<(), PrismError> {
        let attempt = format!("power off the machine {uuid}");
        if let Some(task) = self.change_power(&attempt, uuid, Power::Off).await? {
            self.finish_undoing(&attempt, &task, CHANGING, stop).await?;
        }
        Ok(())
    }

    /// Waits until it runs, or until it is off.
    pub async fn wait_for_power(
        &self,
        cx: &Cx,
        uuid: &str,
        name: &str,
        wanted: Power,
        limit: Duration,
        every: Duration,
    ) -> Result<(), PrismError> {
        let word = if wanted == Power::On { "on" } else { "off" };
        let what = format!("the machine `{name}` to be {word}");
        let look = || async {
            match self.vm(uuid).await {
                Ok(vm) if vm.power == wanted => Look::Ready(()),
                Ok(vm) => {
                    let state = match vm.power {
                        Power::On => "on",
                        Power::Off => "off",
                        Power::Paused => "paused",
                        Power::Unknown => "not known",
                    };
                    Look::NotYet(vec![Sight::no("power", state)])
                }
                Err(error) => unless_passing(error),
            }
        };
        Ok(cx.wait_for(&what, limit, every, look).await?)
    }

    /// Removes a machine for good, pulling its plug; waits until it is gone. Gone already is a success.
    pub async fn remove_vm(&self, uuid: &str, stop: &Stop) -> Result<(), PrismError> {
        let attempt = format!("remove the machine {uuid}");
        match self.pull_plug(uuid, stop).await {
            Ok(()) => {}
            Err(error) if error.kind() == PrismErrorKind::NotFound => return Ok(()),
            // One whose making failed has no power, and can be removed.
            Err(error) if error.kind() == PrismErrorKind::Other => {}
            Err(error) => return Err(error),
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let mut call = Call::delete(&attempt, self.vm_path(uuid));
            if self.dialect() == Dialect::V4 {
                let etag = match self.look_at_vm(&attempt, uuid).await {
                    Ok((_, etag)) => etag,
                    Err(error) if error.kind() == PrismErrorKind::NotFound => return Ok(()),
                    Err(error) => return Err(error),
                };
                call = call.request_id(uuid::Uuid::new_v4()).if_match(etag);
            }
            let answer = match found(self.send(call).await) {
                Err(error) if is_conflict(&error) && tries < ATTEMPTS => {
                    tokio::time::sleep(pause(tries)).await;
                    continue;
                }
                other => other?,
            };
            let Some(answer) = answer else { return Ok(()) };
            if let Some(task) = task_of(self.dialect(), &answer.value) {
                self.finish_undoing(&attempt, &task, CHANGING, stop).await?;
            }
            return Ok(());
        }
    }

    /// Takes away the CD drives of a machine that is off, of v4: what cloud-init was told is in one of them, and templates and OVAs would
    /// have it, too.
    pub async fn remove_cds(&self, cx: &Cx, uuid: &str, name: &str) -> Result<(), PrismError> {
        let attempt = format!("take the CD drives of `{name}` away");
        for cd in self.vm(uuid).await?.cds {
            let path = format!("{}/cd-roms/{}", self.vm_path(uuid), escape(&cd));
            let Some(there) = found(self.send(Call::get(&attempt, path.as_str())).await)? else { continue };
            let call = Call::delete(&attempt, path).request_id(uuid::Uuid::new_v4()).if_match(there.etag);
            let Some(answer) = found(self.send(call).await)? else { continue };
            if let Some(task) = task_of(self.dialect(), &answer.value) {
                self.finish(cx, &attempt, &task, CHANGING).await?;
            }
        }
        Ok(())
    }

    /// Asks for a machine to run or to be off, at once. The task of that; none if it is so already.
    async fn change_power(
        &self,
        attempt: &str,
        uuid: &str,
        wanted: Power,
    ) -> Result<Option<String>, PrismError> {
        if self.dialect() == Dialect::V4 {
            let action = if wanted == Power::On { "power-on" } else { "power-off" };
            return self.act(attempt, uuid, action, wanted).await;
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let (vm, _) = self.look_at_vm(attempt, uuid).await?;
            if vm.power == wanted {
                return Ok(None);
            }
            let mut intent = vm.intent();
            let resources = &mut intent["spec"]["resources"];
            resources["power_state"] = if wanted == Power::On { "ON" } else { "OFF" }.into();
            // Otherwise the server asks the guest first, where an earlier change did.
            resources["power_state_mechanism"] = json!({ "mechanism": "HARD" });
            match self.send(Call::put(attempt, self.vm_path(uuid), intent)).await {
                Ok(answer) => return Ok(task_of(Dialect::V3, &answer.value)),
                // Somebody changed it since it was looked at, such as an answer that got lost.
                Err(error) if is_conflict(&error) && tries < ATTEMPTS => {
                    tokio::time::sleep(pause(tries)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One of v4's actions on a machine as it is; the task of that, or nothing if it is as `wanted` already.
    async fn act(
        &self,
        attempt: &str,
        uuid: &str,
        action: &str,
        wanted: Power,
    ) -> Result<Option<String>, PrismError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (vm, etag) = self.look_at_vm(attempt, uuid).await?;
            if vm.power == wanted {
                return Ok(None);
            }
            let path = format!("{}/$actions/{action}", self.vm_path(uuid));
            let call = Call::act(attempt, path).request_id(uuid::Uuid::new_v4()).if_match(etag);
            match self.send(call).await {
                Ok(answer) => return Ok(task_of(Dialect::V4, &answer.value)),
                Err(error) if is_conflict(&error) && tries < ATTEMPTS => {
                    tokio::time::sleep(pause(tries)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether the thing is another than it was when it was looked at.
pub(in crate::nutanix) fn is_conflict(error: &PrismError) -> bool {
    error.fault().is_some_and(|fault| matches!(fault.status, 409 | 412))
}

/// A server that does not answer says nothing about the machine.
fn unless_passing<T>(error: PrismError) -> Look<T> {
    if error.kind() == PrismErrorKind::Unavailable {
        return Look::NotYet(vec![Sight::unknown("machine", causes(&error).join(": "))]);
    }
    Look::Hopeless(Box::new(error))
}
