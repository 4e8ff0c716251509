//! From a template to a file on this host.
use crate::{
    cloudstack::{self, CloudStack, CloudStackError, CloudStackErrorKind, Named, Scope, Template},
    cx::Cx,
    publish::stage::stage,
};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// How often a file is fetched.
const ATTEMPTS: u32 = 3;

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
    /// How often it was begun again.
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
        let name = self.to.file_name().unwrap_or_default().to_string_lossy();
        let part = self.to.with_file_name(format!(".goldsmith-{}-{name}", cx.id()));
        let undo = cx.plan_path(&part)?;
        let mut repeated = 0;
        let (bytes, sha256) = loop {
            match cloud.fetch_file(cx, url, &format!("`{}`", template.name), &part).await {
                Ok(fetched) => break fetched,
                Err(error) if error.kind() == CloudStackErrorKind::Unavailable && repeated + 1 < ATTEMPTS => {
                    repeated += 1;
                    let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    cx.events().warn(format!("the download was cut ({why}); it begins again"), None);
                    let wait = Duration::from_secs(1 << repeated);
                    cx.stop().unless_cancelled(tokio::time::sleep(wait)).await?;
                }
                Err(error) => return Err(error),
            }
        };
        let theirs = template.checksum.as_deref().filter(|sum| sum.len() == sha256.len());
        if let Some(theirs) = theirs.filter(|sum| !sum.eq_ignore_ascii_case(&sha256)) {
            let attempt = format!("prove that `{}` came whole", template.name);
            return Err(CloudStackError::new(CloudStackErrorKind::Other, attempt)
                .because(format!("its SHA-256 is {sha256}, and the cloud tells {theirs}")));
        }
        tokio::fs::rename(&part, self.to).await.map_err(|why| {
            CloudStackError::new(CloudStackErrorKind::Other, format!("write `{}`", self.to.display()))
                .because(why)
        })?;
        cx.undo().keep(undo)?;
        Ok(Downloaded {
            endpoint: cloud.place().endpoint.to_string(),
            checksum_compared: theirs.is_some(),
            name: template.name,
            id: template.id,
            format: template.format,
            path: self.to.to_owned(),
            bytes,
            sha256,
            repeated,
        })
    }
}
