//! Templates: what is told of them, and what is done with them besides bringing their files.
use super::{CloudStack, CloudStackError, CloudStackErrorKind, Named, Params, answer::text};
use crate::cx::{Cx, Stop};
use serde_json::Value;
use std::time::Duration;

/// Whose templates are meant: the caller's own, or a project's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// The identifier of the project.
    pub project: Option<String>,
}

/// A tag of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateTag {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// What the server tells of a template in one zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    /// The identifier, the same in all zones.
    pub id: String,
    /// The name; several may have the same.
    pub name: String,
    /// What it is, for people.
    pub displaytext: String,
    /// The zone; none of those that are in all zones.
    pub zone: Option<Named>,
    /// Whether machines can be made of it there.
    pub ready: bool,
    /// In the server's words: `50% Downloaded`.
    pub status: String,
    /// How it stands in each storage: `DOWNLOADED`, `UPLOAD_ERROR`.
    pub states: Vec<String>,
    /// `QCOW2`.
    pub format: String,
    /// `KVM`.
    pub hypervisor: String,
    /// The size of the disk in bytes, once it is known.
    pub size: Option<u64>,
    /// The size of the file in bytes, once it is known.
    pub physical_size: Option<u64>,
    /// A digest of the file, in hexadecimal digits; which, its length tells.
    pub checksum: Option<String>,
    /// Whether all accounts may use it.
    pub public: bool,
    /// Whether it is shown first.
    pub featured: bool,
    /// Whether it may be downloaded.
    pub extractable: bool,
    /// The type of its system.
    pub os_type: Named,
    /// The job that works on it at present.
    pub job: Option<String>,
    /// Its tags.
    pub tags: Vec<TemplateTag>,
}

impl Template {
    pub(super) fn of(value: &Value) -> Self {
        let own = |key: &str| text(&value[key]);
        let flag = |key: &str| value[key].as_bool().unwrap_or_default();
        // A size that is not known yet is missing, or 0 in some versions.
        let size = |key: &str| value[key].as_u64().filter(|bytes| *bytes > 0);
        let list = |key: &str| value[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let zone = Named { id: own("zoneid"), name: own("zonename") };
        Self {
            id: own("id"),
            name: own("name"),
            displaytext: own("displaytext"),
            zone: (!zone.id.is_empty()).then_some(zone),
            ready: flag("isready"),
            status: own("status"),
            states: list("downloaddetails").iter().map(|one| text(&one["downloadState"])).collect(),
            format: own("format"),
            hypervisor: own("hypervisor"),
            size: size("size"),
            physical_size: size("physicalsize"),
            checksum: Some(own("checksum")).filter(|checksum| !checksum.is_empty()),
            public: flag("ispublic"),
            featured: flag("isfeatured"),
            extractable: flag("isextractable"),
            os_type: Named { id: own("ostypeid"), name: own("ostypename") },
            job: super::machine::pending(value),
            tags: list("tags")
                .iter()
                .map(|tag| TemplateTag { key: text(&tag["key"]), value: text(&tag["value"]) })
                .collect(),
        }
    }

    /// Why it will never be ready, if that is so.
    pub(super) fn failure(&self) -> Option<String> {
        const FAILED: [&str; 3] = ["DOWNLOAD_ERROR", "UPLOAD_ERROR", "ABANDONED"];
        if self.ready {
            return None;
        }
        let given_up = matches!(self.status.as_str(), "UploadError" | "UploadAbandoned");
        // One storage of several may fail while another succeeds.
        let nowhere =
            !self.states.is_empty() && self.states.iter().all(|state| FAILED.contains(&state.as_str()));
        (given_up || nowhere).then(|| match (self.status.as_str(), self.states.as_slice()) {
            ("", states) => states.join(", "),
            (status, []) => status.to_owned(),
            (status, states) => format!("{status} ({})", states.join(", ")),
        })
    }
}

impl CloudStack {
    /// The caller's templates, also those that are not ready: of this identifier or name, if one is said. One in several zones is there
    /// several times.
    pub async fn templates(
        &self,
        scope: &Scope,
        id: Option<&str>,
        name: Option<&str>,
    ) -> Result<Vec<Template>, CloudStackError> {
        let params = Params::new()
            .with("templatefilter", "self")
            .maybe("id", id)
            .maybe("name", name)
            .maybe("projectid", scope.project.as_deref());
        let attempt = match (id, name) {
            (Some(said), _) | (_, Some(said)) => format!("look at the template `{said}`"),
            _ => "list the templates".to_owned(),
        };
        let found = self.list(&attempt, "listTemplates", "template", &params).await?;
        // Names are compared without case by some databases.
        let is_it = |template: &Template| name.is_none_or(|name| template.name == name);
        Ok(found.iter().map(Template::of).filter(is_it).collect())
    }

    /// Has the cloud fetch a template. Returns its identifier.
    pub async fn register_template(&self, name: &str, params: &Params) -> Result<String, CloudStackError> {
        let attempt = format!("register the template `{name}`");
        let answer = self.call(&attempt, "registerTemplate", params).await?;
        let id = text(&answer["template"][0]["id"]);
        if id.is_empty() {
            return Err(CloudStackError::new(CloudStackErrorKind::Other, attempt)
                .because("the answer has no identifier of a template"));
        }
        Ok(id)
    }

    /// Changes what people read of it.
    pub async fn describe_template(&self, id: &str, displaytext: &str) -> Result<(), CloudStackError> {
        let params = Params::new().with("id", id).with("displaytext", displaytext);
        self.call(&format!("describe the template {id}"), "updateTemplate", &params).await.map(drop)
    }

    /// Adds tags.
    pub async fn tag_template(
        &self,
        cx: &Cx,
        id: &str,
        tags: &[(String, String)],
    ) -> Result<(), CloudStackError> {
        self.tag(cx, "Template", id, tags).await
    }

    /// Adds tags to a thing of this kind.
    pub(super) async fn tag(
        &self,
        cx: &Cx,
        kind: &str,
        id: &str,
        tags: &[(String, String)],
    ) -> Result<(), CloudStackError> {
        const LIMIT: Duration = Duration::from_mins(5);
        let params = Params::new().with("resourceids", id).with("resourcetype", kind).pairs("tags", tags);
        self.job(cx, &format!("tag the {} {id}", words(kind)), "createTags", &params, LIMIT).await.map(drop)
    }

    /// Lets accounts of the caller's domain and projects use it.
    pub async fn share_template(
        &self,
        id: &str,
        accounts: &[String],
        projects: &[Named],
    ) -> Result<(), CloudStackError> {
        let attempt = format!("share the template {id}");
        let projects: Vec<&str> = projects.iter().map(|project| project.id.as_str()).collect();
        for (key, value) in [("accounts", accounts.join(",")), ("projectids", projects.join(","))] {
            if !value.is_empty() {
                let params = Params::new().with("id", id).with("op", "add").with(key, value);
                self.call(&attempt, "updateTemplatePermissions", &params).await?;
            }
        }
        Ok(())
    }

    /// Copies it to other zones. The job is over when the copies have begun or are there: look whether they are ready.
    pub async fn copy_template(
        &self,
        cx: &Cx,
        id: &str,
        from: &Named,
        to: &[Named],
        limit: Duration,
    ) -> Result<(), CloudStackError> {
        let names: Vec<&str> = to.iter().map(|zone| zone.name.as_str()).collect();
        let attempt = format!("copy the template {id} from {} to {}", from.name, names.join(", "));
        let params = Params::new().with("id", id).with("sourcezoneid", &from.id);
        let params = match to {
            // The only one that older versions know.
            [one] => params.with("destzoneid", &one.id),
            several => {
                let ids: Vec<&str> = several.iter().map(|zone| zone.id.as_str()).collect();
                params.with("destzoneids", ids.join(","))
            }
        };
        self.job(cx, &attempt, "copyTemplate", &params, limit).await.map(drop)
    }

    /// Has the cloud put a template where it can be downloaded; returns the address.
    pub async fn extract_template(
        &self,
        cx: &Cx,
        id: &str,
        zone: Option<&Named>,
        limit: Duration,
    ) -> Result<String, CloudStackError> {
        let attempt = format!("extract the template {id}");
        let params = Params::new()
            .with("id", id)
            .with("mode", "HTTP_DOWNLOAD")
            .maybe("zoneid", zone.map(|zone| zone.id.as_str()));
        let result = self.job(cx, &attempt, "extractTemplate", &params, limit).await?;
        let url = text(&result["template"]["url"]);
        if url.is_empty() {
            return Err(CloudStackError::new(CloudStackErrorKind::Other, attempt)
                .because("the answer has no address to download from"));
        }
        Ok(url)
    }

    /// Deletes it in all zones.
    pub async fn delete_template(&self, cx: &Cx, id: &str) -> Result<(), CloudStackError> {
        const LIMIT: Duration = Duration::from_mins(10);
        let params = Params::new().with("id", id);
        self.job(cx, &format!("delete the template {id}"), "deleteTemplate", &params, LIMIT).await.map(drop)
    }

    /// `forced`: although there are machines of it.
    pub(super) async fn delete_undone(
        &self,
        id: &str,
        forced: bool,
        stop: &Stop,
    ) -> Result<(), CloudStackError> {
        let params = Params::new().with("id", id).maybe("forced", forced.then_some(true));
        self.job_undone(&format!("delete the template {id}"), "deleteTemplate", &params, stop).await
    }
}

fn words(kind: &str) -> &str {
    if kind == "Template" { "template" } else { "public address" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_template_that_will_never_be_ready_is_known() {
        let of = |status: &str, states: &[&str], ready: bool| {
            let details: Vec<Value> =
                states.iter().map(|state| json!({"datastore": "s", "downloadState": state})).collect();
            Template::of(&json!({"id": 7, "isready": ready, "status": status, "downloaddetails": details}))
        };
        assert_eq!(of("UploadError", &[], false).failure().unwrap(), "UploadError");
        assert_eq!(
            of("no space", &["DOWNLOAD_ERROR"], false).failure().unwrap(),
            "no space (DOWNLOAD_ERROR)"
        );
        assert_eq!(of("50% Downloaded", &["DOWNLOAD_ERROR", "DOWNLOAD_IN_PROGRESS"], false).failure(), None);
        assert_eq!(of("Download Complete", &["DOWNLOADED", "DOWNLOAD_ERROR"], true).failure(), None);
        assert_eq!(of("Processing", &[], false).failure(), None);
        assert_eq!(of("", &[], false).id, "7");
    }
}
