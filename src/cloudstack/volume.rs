//! The root disk of a machine: what it is called, how a template is made of it, and how it comes here.
use super::{
    CloudStack, CloudStackError, CloudStackErrorKind, Mark, Named, Params, Scope,
    answer::text,
    remove::{in_job, resource},
};
use crate::cx::{Cx, Undo, UndoHandle};
use serde_json::Value;
use std::time::Duration;

/// A template to make of a disk.
#[derive(Debug, Clone)]
pub struct TemplateSpec {
    /// Its name.
    pub name: String,
    /// What people read of it, without what is ours in it.
    pub text: String,
    /// Identifier of the type of system.
    pub os_type: String,
    /// Whether passwords can be set for its machines.
    pub password: bool,
    /// Settings of its machines.
    pub details: Vec<(String, String)>,
}

impl CloudStack {
    /// The root disk of a machine.
    pub async fn root_volume(&self, scope: &Scope, vm: &Named) -> Result<Named, CloudStackError> {
        let attempt = format!("find the root disk of the machine `{}`", vm.name);
        let params = Params::new()
            .with("virtualmachineid", &vm.id)
            .with("type", "ROOT")
            .maybe("projectid", scope.project.as_deref());
        let all = self.list(&attempt, "listVolumes", "volume", &params).await?;
        match all.as_slice() {
            [one] => Ok(Named { id: text(&one["id"]), name: text(&one["name"]) }),
            none_or_several => Err(CloudStackError::new(CloudStackErrorKind::NotFound, attempt)
                .because(format!("the cloud tells of {}", none_or_several.len()))),
        }
    }

    /// Makes a template of a disk, which nobody writes to. It is in the journal before: by its mark, then by its identifier. Returns that
    /// and the entry.
    pub async fn template_of(
        &self,
        cx: &Cx,
        scope: &Scope,
        volume: &Named,
        spec: &TemplateSpec,
        mark: &Mark,
        limit: Duration,
    ) -> Result<(String, UndoHandle), CloudStackError> {
        let attempt = format!("make the template `{}` of the disk `{}`", spec.name, volume.name);
        let params = Params::new()
            .with("name", &spec.name)
            .with("displaytext", mark.on(&spec.text))
            .with("ostypeid", &spec.os_type)
            .with("volumeid", &volume.id)
            .with("passwordenabled", spec.password)
            .with("requireshvm", true)
            .with("ispublic", false)
            .maybe("projectid", scope.project.as_deref())
            .details("details", &spec.details);
        cx.check()?;
        let undo = cx.undo().plan(Undo::Resource(resource(self, scope, &spec.name, cx.id(), Err(mark))))?;
        let begun = self.begin(&attempt, "createTemplate", &params).await?;
        let id = begun.made(&attempt)?.to_owned();
        let known = resource(self, scope, &spec.name, cx.id(), Ok(&id));
        cx.undo().resolve(undo, Undo::Resource(in_job(known, begun.job())))?;
        self.finish(cx, &attempt, &begun, limit).await?;
        Ok((id, undo))
    }

    /// Has the cloud put a disk where it can be downloaded, as a file; returns the address. Its machine is off.
    pub async fn extract_volume(
        &self,
        cx: &Cx,
        volume: &Named,
        zone: &Named,
        limit: Duration,
    ) -> Result<String, CloudStackError> {
        let attempt = format!("extract the disk `{}`", volume.name);
        let params =
            Params::new().with("id", &volume.id).with("zoneid", &zone.id).with("mode", "HTTP_DOWNLOAD");
        let result = self.job(cx, &attempt, "extractVolume", &params, limit).await?;
        let url = match &result {
            Value::Object(fields) => {
                fields.values().map(|inner| text(&inner["url"])).find(|url| !url.is_empty())
            }
            _ => None,
        };
        url.ok_or_else(|| {
            CloudStackError::new(CloudStackErrorKind::Other, attempt)
                .because("the answer has no address to download from")
        })
    }
}
