//! Templates and OVAs, which only version 4 has; OVAs since 4.1. An OVA has no description: until it is a result, the build's id is in its
//! name, and it is removed by that.
use super::{
    Dialect, Kind, Mark, NewVm, Prism, PrismError, PrismErrorKind, Vm,
    call::{Call, escape, pause},
    category::found,
    is_marked, resource,
    task::{TASK, task_of},
    vm::{customization, is_conflict, nics},
};
use crate::cx::{Cx, Stop, Undo, UndoHandle};
use serde_json::{Value, json};
use std::time::Duration;

/// The longest that it may take to make one: all of a disk is read.
const MAKING: Duration = Duration::from_hours(6);
/// To remove or to rename one.
const CHANGING: Duration = Duration::from_mins(15);
/// How often something is asked for that somebody else changed meanwhile.
const ATTEMPTS: u32 = 6;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentKind {
    /// A template.
    Template,
    /// An OVA.
    Ova,
}

/// One that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its UUID.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// With our mark, if it is ours; an OVA has none.
    pub description: String,
}

impl ContentKind {
    fn path(self) -> &'static str {
        match self {
            Self::Template => "api/vmm/v4.0/content/templates",
            Self::Ova => "api/vmm/v4.1/content/ovas",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Ova => "OVA",
        }
    }

    fn entity(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Ova => "ova",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Template => Kind::Template,
            Self::Ova => Kind::Ova,
        }
    }

    fn name_field(self) -> &'static str {
        match self {
            Self::Template => "templateName",
            Self::Ova => "name",
        }
    }

    fn read(self, entry: &Value) -> Option<Content> {
        Some(Content {
            uuid: entry["extId"].as_str()?.to_owned(),
            name: entry[self.name_field()].as_str()?.to_owned(),
            description: entry["templateDescription"].as_str().unwrap_or_default().to_owned(),
        })
    }
}

impl Content {
    /// Whether it is of this build.
    pub(super) fn is_of(&self, build: &str) -> bool {
        is_marked(&self.description, build)
            || !build.is_empty() && self.name.strip_suffix(build).is_some_and(|rest| rest.ends_with('-'))
    }
}

impl Prism {
    /// All templates of exactly this name.
    pub async fn templates_named(&self, name: &str) -> Result<Vec<Content>, PrismError> {
        self.content_named(ContentKind::Template, name).await
    }

    /// All OVAs of exactly this name.
    pub async fn ovas_named(&self, name: &str) -> Result<Vec<Content>, PrismError> {
        self.content_named(ContentKind::Ova, name).await
    }

    pub(super) async fn content_named(
        &self,
        kind: ContentKind,
        name: &str,
    ) -> Result<Vec<Content>, PrismError> {
        let attempt = format!("look for {}s called `{name}`", kind.word());
        self.only_v4(&attempt)?;
        // By what OVAs can be filtered is not described.
        let filter = (kind == ContentKind::Template)
            .then(|| format!("{} eq '{}'", kind.name_field(), name.replace('\'', "''")));
        let entries = self.list_v4(&attempt, kind.path(), filter.as_deref()).await?;
        let all = entries.iter().filter_map(|entry| kind.read(entry));
        Ok(all.filter(|one| one.name == name).collect())
    }

    /// Makes a template of a machine that is off. It is in the journal from before its first moment.
    pub async fn make_template(
        &self,
        cx: &Cx,
        name: &str,
        description: &str,
        vm: &str,
    ) -> Result<(String, UndoHandle), PrismError> {
        let body = json!({
            "$objectType": "vmm.v4.content.Template",
            "templateName": name,
            "templateDescription": Mark::of(cx.id()).on(description),
            "templateVersionSpec": {
                "$objectType": "vmm.v4.content.TemplateVersionSpec",
                "versionName": "1",
                "versionDescription": "as it was built",
                "isActiveVersion": true,
                // Otherwise cloud-init could not be told anything by who deploys it.
                "isGcOverrideEnabled": true,
                "versionSource": { "$objectType": "vmm.v4.content.TemplateVmReference", "extId": vm },
            },
        });
        self.make_content(cx, ContentKind::Template, name, body).await
    }

    /// Makes an OVA of a machine that is off, with disks as qcow2. `name` ends with the build's id until it is renamed.
    pub async fn make_ova(&self, cx: &Cx, name: &str, vm: &str) -> Result<(String, UndoHandle), PrismError> {
        let body = json!({
            "$objectType": "vmm.v4.content.Ova",
            "name": name,
            "source": {
                "$objectType": "vmm.v4.content.OvaVmSource",
                "vmExtId": vm,
                "diskFileFormat": "QCOW2",
            },
        });
        self.make_content(cx, ContentKind::Ova, name, body).await
    }

    async fn make_content(
        &self,
        cx: &Cx,
        kind: ContentKind,
        name: &str,
        body: Value,
    ) -> Result<(String, UndoHandle), PrismError> {
        let attempt = format!("make the {} `{name}`", kind.word());
        self.only_v4(&attempt)?;
        let undo = |id: &str, task: Option<&str>| {
            let mut details = vec![("name", name)];
            details.extend(task.map(|task| (TASK, task)));
            Undo::Resource(resource(self, kind.kind(), id, cx.id().as_str(), &details))
        };
        let handle = cx.undo().plan(undo(name, None))?;
        let answer =
            self.send(Call::post(&attempt, kind.path(), body).request_id(uuid::Uuid::new_v4())).await?.value;
        let lacks = |what: &str| {
            PrismError::new(PrismErrorKind::Other, &attempt)
                .because(format!("the answer does not tell {what}"))
        };
        let task = task_of(Dialect::V4, &answer).ok_or_else(|| lacks("its task"))?;
        cx.undo().resolve(handle, undo(name, Some(&task)))?;
        let done = self.finish(cx, &attempt, &task, MAKING).await?;
        let uuid = if let Some(uuid) = done.entity(kind.entity()) {
            uuid.to_owned()
        } else {
            let all = self.content_named(kind, name).await?;
            let ours = all.into_iter().find(|one| one.is_of(cx.id().as_str()));
            ours.ok_or_else(|| lacks("its id"))?.uuid
        };
        cx.undo().resolve(handle, undo(&uuid, None))?;
        Ok((uuid, handle))
    }

    /// Gives a template or an OVA another name.
    pub async fn rename_content(
        &self,
        cx: &Cx,
        kind: ContentKind,
        uuid: &str,
        name: &str,
    ) -> Result<(), PrismError> {
        let attempt = format!("call the {} {uuid} `{name}`", kind.word());
        let path = format!("{}/{}", kind.path(), escape(uuid));
        let mut tries = 0;
        loop {
            tries += 1;
            let mut there = self.send(Call::get(&attempt, path.as_str())).await?;
            let mut told = there.value["data"].take();
            if told[kind.name_field()] == name {
                return Ok(());
            }
            let body = match kind {
                // With a specification of a version, another version would be made.
                ContentKind::Template => json!({
                    "$objectType": "vmm.v4.content.Template",
                    "templateName": name,
                    "templateDescription": told["templateDescription"],
                }),
                ContentKind::Ova => {
                    if let Some(fields) = told.as_object_mut() {
                        fields.remove("links");
                    }
                    told["name"] = name.into();
                    told
                }
            };
            let call = Call::put(&attempt, path.as_str(), body)
                .request_id(uuid::Uuid::new_v4())
                .if_match(there.etag);
            match self.send(call).await {
                Ok(answer) => {
                    if let Some(task) = task_of(Dialect::V4, &answer.value) {
                        self.finish(cx, &attempt, &task, CHANGING).await?;
                    }
                    return Ok(());
                }
                Err(error) if is_conflict(&error) && tries < ATTEMPTS => {
                    tokio::time::sleep(pause(tries)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes a template or an OVA for good, and waits until it is gone. Gone already is a success.
    pub async fn remove_content(&self, kind: ContentKind, uuid: &str, stop: &Stop) -> Result<(), PrismError> {
        let attempt = format!("remove the {} {uuid}", kind.word());
        let path = format!("{}/{}", kind.path(), escape(uuid));
        let Some(there) = found(self.send(Call::get(&attempt, path.as_str())).await)? else { return Ok(()) };
        let call = Call::delete(&attempt, path).request_id(uuid::Uuid::new_v4()).if_match(there.etag);
        let Some(answer) = found(self.send(call).await)? else { return Ok(()) };
        if let Some(task) = task_of(Dialect::V4, &answer.value) {
            self.finish_undoing(&attempt, &task, CHANGING, stop).await?;
        }
        Ok(())
    }

    /// What of this name or UUID is of the build goes.
    pub(super) async fn remove_own_content(
        &self,
        kind: ContentKind,
        (id, name): (&str, &str),
        build: &str,
        stop: &Stop,
    ) -> Result<(), PrismError> {
        // Its UUID was told by the task that made it, so it is ours whatever it is called.
        if uuid::Uuid::parse_str(id).is_ok() {
            return self.remove_content(kind, id, stop).await;
        }
        for one in self.content_named(kind, name).await?.iter().filter(|one| one.is_of(build)) {
            self.remove_content(kind, &one.uuid, stop).await?;
        }
        Ok(())
    }

    /// Makes a machine of a template, with the name, the cards and the user data of `new`. All else is as in the template.
    pub async fn deploy_template(
        &self,
        cx: &Cx,
        template: &str,
        new: &NewVm<'_>,
    ) -> Result<(Vm, UndoHandle), PrismError> {
        let attempt = format!("deploy the machine `{}` from the template {template}", new.name);
        self.only_v4(&attempt)?;
        let path = format!("{}/{}", ContentKind::Template.path(), escape(template));
        let etag = self.send(Call::get(&attempt, path.as_str())).await?.etag;
        let mut change = json!({
            "$objectType": "vmm.v4.content.VmConfigOverride",
            "name": new.name,
            "nics": nics(new.subnets),
        });
        if let Some(user_data) = new.user_data {
            change["guestCustomization"] = customization(user_data.expose());
        }
        let body = json!({
            "$objectType": "vmm.v4.content.TemplateDeployment",
            "numberOfVms": 1,
            "clusterReference": new.cluster.uuid,
            "overrideVmConfigMap": { "0": change },
        });
        let handle = cx.undo().plan(self.undo_vm(cx, new.name, new.name, None))?;
        let call = Call::post(&attempt, format!("{path}/$actions/deploy"), body)
            .request_id(uuid::Uuid::new_v4())
            .if_match(etag);
        let answer = self.send(call).await?.value;
        let task = task_of(Dialect::V4, &answer).ok_or_else(|| {
            PrismError::new(PrismErrorKind::Other, &attempt).because("the answer does not tell its task")
        })?;
        cx.undo().resolve(handle, self.undo_vm(cx, new.name, new.name, Some(&task)))?;
        let uuid = self.made_vm(cx, &attempt, &task, None, new.name).await?;
        cx.undo().resolve(handle, self.undo_vm(cx, new.name, &uuid, None))?;
        Ok((self.ready_vm(cx, &uuid, new.name).await?, handle))
    }

    fn only_v4(&self, attempt: &str) -> Result<(), PrismError> {
        if self.dialect() == Dialect::V4 {
            return Ok(());
        }
        Err(PrismError::new(PrismErrorKind::Unsupported, attempt)
            .because("version 3 of the interface has no templates and no OVAs"))
    }
}
