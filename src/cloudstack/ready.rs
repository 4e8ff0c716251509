//! Waiting until machines can be made of a template.
use super::{CloudStack, CloudStackError, CloudStackErrorKind, Named, Scope, Template};
use crate::cx::{Cx, Look, Sight};
use std::time::Duration;

/// How often the server is asked.
const EVERY: Duration = Duration::from_secs(2);

impl CloudStack {
    /// Waits until a template is ready in all of these zones; what the server says of it is shown meanwhile. Returns what it says of each
    /// zone then.
    pub async fn template_ready(
        &self,
        cx: &Cx,
        scope: &Scope,
        id: &str,
        zones: &[Named],
        limit: Duration,
    ) -> Result<Vec<Template>, CloudStackError> {
        let look = || async {
            match self.templates(scope, Some(id), None).await {
                Ok(found) => judge(id, zones, &found),
                Err(error) => Look::Hopeless(Box::new(error)),
            }
        };
        let what = format!("the template {id} to be ready");
        Ok(cx.wait_for(&what, limit, EVERY, look).await?)
    }
}

fn judge(id: &str, zones: &[Named], found: &[Template]) -> Look<Vec<Template>> {
    let attempt = |zone: &Named| format!("have the template {id} ready in the zone `{}`", zone.name);
    if found.is_empty() {
        let error =
            CloudStackError::new(CloudStackErrorKind::NotFound, format!("wait for the template {id}"));
        return Look::Hopeless(Box::new(error.because("it is not there any more")));
    }
    let (mut ready, mut seen) = (Vec::new(), Vec::new());
    for zone in zones {
        let there =
            found.iter().find(|template| template.zone.as_ref().is_none_or(|there| there.id == zone.id));
        match there {
            Some(template) if template.ready => {
                seen.push(Sight::yes(&zone.name, "ready"));
                ready.push(template.clone());
            }
            Some(template) => {
                if let Some(why) = template.failure() {
                    let error = CloudStackError::new(CloudStackErrorKind::Other, attempt(zone))
                        .because(format!("the cloud says: {why}"));
                    let error = match hint(template) {
                        Some(hint) => error.hint(hint),
                        None => error,
                    };
                    return Look::Hopeless(Box::new(error));
                }
                let status = if template.status.is_empty() { "not ready" } else { &template.status };
                seen.push(Sight::no(&zone.name, status));
            }
            None => seen.push(Sight::no(&zone.name, "not there")),
        }
    }
    if ready.len() == zones.len() { Look::Ready(ready) } else { Look::NotYet(seen) }
}

fn hint(template: &Template) -> Option<&'static str> {
    let is = |state: &str| template.states.iter().any(|known| known == state);
    if template.status.starts_with("Upload") || is("UPLOAD_ERROR") || is("ABANDONED") {
        return Some(
            "the storage VM's log (/var/log/cloud/cloud.out) says why; a cloud gives up uploads that take longer than its setting \
             `upload.operation.timeout`, 10 or 60 minutes unless changed, and `--url` does without",
        );
    }
    is("DOWNLOAD_ERROR").then_some("the storage VM fetches the file: can it reach the address, and is it allowed (`secstorage.allowed.internal.sites`)?")
}
