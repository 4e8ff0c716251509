//! From a template to a file on this host.
use crate::{
    cloudstack::{self, CloudStack, CloudStackError, CloudStackErrorKind, Named, Scope, Template},
    cx::Cx,
    publish::stage::stage,
    value::Digest,
};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// A template to download.
#[derive(Debug, Clone)]
pub struct Download<'a> {
    /// By name or identifier.
    pub template: &'a str,
    /// From which zone.
    pub zone: Option<&'a str>,
    /// Whose it is, if it is a project's.
    pub project: Option<&'a str>,
    /// Absolute.
    pub to: &'a Path,
    /// How long the cloud may take to make it ready for that.
    pub limit: Duration,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Downloaded {
    /// The cloud.
    pub endpoint: String,
    /// The template's name.
    pub name: String,
    /// The template's identifier.
    pub id: String,
    /// In the API's words.
    pub format: String,
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// Whether the cloud told a checksum, which is the same.
    pub checksum_compared: bool,
    /// How often the connection was cut.
    pub repeated: u32,
}

impl Download<'_> {
    /// Fetches it. The file has its name when it is whole.
    pub async fn run(&self, cx: &Cx, cloud: &CloudStack) -> Result<Downloaded, CloudStackError> {
        let template =
            stage(cx, "check", Box::pin(async { cx.stop().unless_cancelled(self.find(cloud)).await? }))
                .await?;
        let url = stage(
            cx,
            "extract",
            Box::pin(cloud.extract_template(cx, &template.id, template.zone.as_ref(), self.limit)),
        )
        .await?;
        stage(cx, "download", Box::pin(self.fetch(cx, cloud, template, &url))).await
    }

    async fn find(&self, cloud: &CloudStack) -> Result<Template, CloudStackError> {
        let project = match self.project {
            Some(said) => Some(cloud.project(said).await?.id),
            None => None,
        };
        let zone = match self.zone {
            Some(said) => Some(cloudstack::choose("zone", &cloud.zones().await?, said)?),
            None => None,
        };
        let mut all = cloud.templates(&Scope { project }, None, None).await?;
        if let Some(zone) = &zone {
            all.retain(|template| template.zone.as_ref().is_none_or(|there| there.id == zone.id));
        }
        let mut names: Vec<Named> = Vec::new();
        for template in &all {
            let one = Named { id: template.id.clone(), name: template.name.clone() };
            if !names.contains(&one) {
                names.push(one);
            }
        }
        let meant = cloudstack::choose("template", &names, self.template)?;
        all.retain(|template| template.id == meant.id);
        let attempt = || format!("download the template `{}`", meant.name);
        let Some(found) = all.into_iter().find(|template| template.ready) else {
            return Err(
                CloudStackError::new(CloudStackErrorKind::Usage, attempt()).because("it is not ready")
            );
        };
        if !found.extractable {
            return Err(CloudStackError::new(CloudStackErrorKind::Permission, attempt())
                .because("it may not be downloaded")
                .hint("publish it with `--extractable`, or have an administrator allow it"));
        }
        Ok(found)
    }

    async fn fetch(
        &self,
        cx: &Cx,
        cloud: &CloudStack,
        template: Template,
        url: &str,
    ) -> Result<Downloaded, CloudStackError> {
        let what = format!("`{}`", template.name);
        // Older clouds tell an MD5.
        let theirs =
            template.checksum.as_deref().and_then(|sum| format!("sha256:{sum}").parse::<Digest>().ok());
        let arrived = cloud.fetch_file(cx, url, &what, self.to, theirs.as_ref()).await?;
        Ok(Downloaded {
            endpoint: cloud.place().endpoint.to_string(),
            checksum_compared: theirs.is_some(),
            name: template.name,
            id: template.id,
            format: template.format,
            path: self.to.to_owned(),
            bytes: arrived.bytes,
            sha256: arrived.sha256.hex().to_owned(),
            repeated: arrived.repeated,
        })
    }
}
