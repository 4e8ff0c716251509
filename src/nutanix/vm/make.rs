//! Machines are made: journaled by their name, then by the task that makes them, then by their UUID.
use super::{NewVm, Vm, body, read::V4};
use crate::{
    cx::{Cx, Undo, UndoHandle},
    nutanix::{
        Dialect, Kind, Mark, Prism, PrismError, PrismErrorKind, call::Call, image::is_open, is_marked,
        resource, task::TASK, task::task_of,
    },
};
use std::time::Duration;

/// The longest that it may take: copies of disks are made when they are written to.
const MAKING: Duration = Duration::from_hours(1);
/// With projects. Otherwise older servers are spoken to, too.
const V4_1: &str = "api/vmm/v4.1/ahv/config/vms";

impl Prism {
    /// Makes a machine, which is off. It is in the journal from before its first moment.
    pub async fn make_vm(&self, cx: &Cx, new: &NewVm<'_>) -> Result<(Vm, UndoHandle), PrismError> {
        let attempt = format!("make the machine `{}`", new.name);
        let handle = cx.undo().plan(self.undo_vm(cx, new.name, new.name, None))?;
        let body = body::body(self.dialect(), &Mark::of(cx.id()), new);
        let call = match self.dialect() {
            Dialect::V3 => Call::post(&attempt, "api/nutanix/v3/vms", body),
            Dialect::V4 => {
                let path = if new.project.is_some() { V4_1 } else { V4 };
                Call::post(&attempt, path, body).request_id(uuid::Uuid::new_v4())
            }
        };
        let answer = match self.send(call).await {
            Ok(answer) => answer.value,
            Err(error) if is_open(&error) => {
                // Perhaps the server heard it, and only its answer got lost.
                let Some(vm) = self.our_vm(cx, new.name).await else { return Err(error) };
                cx.undo().resolve(handle, self.undo_vm(cx, new.name, &vm.uuid, None))?;
                return Ok((self.ready_vm(cx, &vm.uuid, new.name).await?, handle));
            }
            Err(error) => return Err(error),
        };
        let told = answer["metadata"]["uuid"].as_str();
        let task = task_of(self.dialect(), &answer).ok_or_else(|| {
            PrismError::new(PrismErrorKind::Other, &attempt).because("the answer does not tell its task")
        })?;
        cx.undo().resolve(handle, self.undo_vm(cx, new.name, told.unwrap_or(new.name), Some(&task)))?;
        let uuid = self.made_vm(cx, &attempt, &task, told, new.name).await?;
        cx.undo().resolve(handle, self.undo_vm(cx, new.name, &uuid, None))?;
        Ok((self.ready_vm(cx, &uuid, new.name).await?, handle))
    }

    /// Waits for the task that makes a machine; its UUID.
    pub(in crate::nutanix) async fn made_vm(
        &self,
        cx: &Cx,
        attempt: &str,
        task: &str,
        told: Option<&str>,
        name: &str,
    ) -> Result<String, PrismError> {
        let done = self.finish(cx, attempt, task, MAKING).await?;
        if let Some(uuid) = told.or_else(|| done.entity("vm")) {
            return Ok(uuid.to_owned());
        }
        let found = self.our_vm(cx, name).await;
        found.map(|vm| vm.uuid).ok_or_else(|| {
            PrismError::new(PrismErrorKind::Other, attempt).because("the task does not tell its id")
        })
    }

    /// A machine of this build's by its name.
    async fn our_vm(&self, cx: &Cx, name: &str) -> Option<Vm> {
        let found = self.vms_named(name).await.unwrap_or_default();
        found.into_iter().find(|vm| vm.is_of(cx.id().as_str()))
    }

    /// How it is removed; `id` is its UUID, or its name until that is known.
    pub(in crate::nutanix) fn undo_vm(&self, cx: &Cx, name: &str, id: &str, task: Option<&str>) -> Undo {
        let mut details = vec![("name", name)];
        details.extend(task.map(|task| (TASK, task)));
        Undo::Resource(resource(self, Kind::Vm, id, cx.id().as_str(), &details))
    }
}

impl Vm {
    /// Whether it is of this build: by the mark in its description, or by the build's id at the end of its name, as machines of templates
    /// have descriptions of their own.
    pub fn is_of(&self, build: &str) -> bool {
        !build.is_empty()
            && (is_marked(&self.description, build)
                || self.name.strip_suffix(build).is_some_and(|rest| rest.ends_with('-')))
    }
}
