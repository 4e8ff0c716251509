//! From an image to a template: what is asked for, what is looked at before anything is made, and what was made.
use super::{At, Image, ImageFormat};
use crate::{
    cloudstack::{CloudStack, CloudStackError, CloudStackErrorKind, Named, Scope, TAG, Template},
    cx::Cx,
    publish::stage::stage,
};
use serde::Serialize;
use std::{path::Path, time::Duration};

/// The type of system that is meant when nobody says one.
const OS_TYPE: &str = "Other Linux (64-bit)";
/// The longest name, and the longest description without what is ours in it, in characters.
const LONGEST: (usize, usize) = (255, 4000);

/// Where the bytes come from.
#[derive(Debug, Clone, Copy)]
pub enum From<'a> {
    /// A file on this host, which is uploaded.
    File(&'a Path, &'a Image),
    /// The same, which the cloud fetches from this host.
    Served(&'a Path, &'a Image, At),
    /// An address that the cloud fetches itself, with the checksum of what is there: `{SHA-256}…`.
    Url(&'a url::Url, Option<&'a str>),
}

/// What holds for machines of a template, and who may use it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    /// All accounts may.
    pub public: bool,
    /// It is shown first.
    pub featured: bool,
    /// It may be downloaded.
    pub extractable: bool,
    /// A password can be set for its machines.
    pub password: bool,
    /// A key can be set for its machines.
    pub ssh_key: bool,
    /// Its machines can get more memory while they run.
    pub dynamically_scalable: bool,
    /// The machines have what the OVA says.
    pub deploy_as_is: bool,
}

/// A template to make.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// Where the bytes come from.
    pub from: From<'a>,
    /// What they are.
    pub format: ImageFormat,
    /// What the template is to be called.
    pub name: &'a str,
    /// What people read of it; the name, if there is nothing.
    pub displaytext: Option<&'a str>,
    /// Zones, by name or identifier. A file goes to the first and is copied from there.
    pub zones: &'a [String],
    /// The hypervisor.
    pub hypervisor: Option<&'a str>,
    /// The type of system.
    pub os_type: Option<&'a str>,
    /// Whose it is, if it is a project's.
    pub project: Option<&'a str>,
    /// Flags.
    pub flags: Flags,
    /// Tags.
    pub tags: &'a [(String, String)],
    /// Settings of the machines: `rootDiskController=scsi`.
    pub details: &'a [(String, String)],
    /// Accounts that may use it.
    pub accounts: &'a [String],
    /// Projects that may use it.
    pub projects: &'a [String],
    /// It takes the place of what an earlier publish made.
    pub replace: bool,
    /// How long the cloud may take until it is ready.
    pub limit: Duration,
}

/// What was made, in one zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct InZone {
    /// The zone's identifier.
    pub id: String,
    /// The zone's name.
    pub name: String,
    /// The size of the disk in bytes, as the cloud tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The length of the file in bytes, as the cloud tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub physical_size: Option<u64>,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Published {
    /// The cloud.
    pub endpoint: String,
    /// The template's name.
    pub name: String,
    /// The template's identifier.
    pub id: String,
    /// What it is.
    pub format: ImageFormat,
    /// For which hypervisor.
    pub hypervisor: String,
    /// The type of system.
    pub os_type: String,
    /// Where it is.
    pub zones: Vec<InZone>,
    /// The length of the file that was uploaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_sent: Option<u64>,
    /// The address that was fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The SHA-256 of the file that was uploaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Whether the cloud told a checksum that could be compared.
    pub checksum_compared: bool,
    /// How often the upload was begun again.
    pub repeated: u32,
    /// Identifiers of older ones that were deleted.
    pub replaced: Vec<String>,
}

/// All that is known before anything is made.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) scope: Scope,
    pub(super) zones: Vec<Named>,
    pub(super) hypervisor: String,
    pub(super) os_type: Named,
    pub(super) projects: Vec<Named>,
    pub(super) old: Vec<Template>,
}

impl Job<'_> {
    /// Makes the template. What it made goes again if something fails.
    pub async fn publish(&self, cx: &Cx, cloud: &CloudStack) -> Result<Published, CloudStackError> {
        let ready = stage(
            cx,
            "check",
            Box::pin(async {
                // It only reads.
                cx.stop().unless_cancelled(self.prepare(cx, cloud)).await?
            }),
        )
        .await?;
        let made = stage(cx, self.bringing(), Box::pin(self.bring(cx, cloud, &ready))).await?;
        let arriving = Box::pin(self.arrive(cx, cloud, &ready, &made));
        let arriving = Box::pin(super::serve::fetched(cx, made.served.as_ref(), arriving));
        let there = stage(cx, "ready", arriving).await?;
        let replaced = stage(cx, "finish", Box::pin(self.finish(cx, cloud, &ready, &made, &there))).await?;
        let (url, bytes_sent) = match self.from {
            From::File(_, image) | From::Served(_, image, _) => (None, Some(image.file_bytes)),
            From::Url(url, _) => (Some(without_login(url)), None),
        };
        let checksum_compared = made
            .sha256
            .as_ref()
            .is_some_and(|ours| there.iter().any(|one| super::ready::compared(ours, one)));
        Ok(Published {
            endpoint: cloud.place().endpoint.to_string(),
            name: self.name.to_owned(),
            id: made.id,
            format: self.format,
            hypervisor: ready.hypervisor,
            os_type: ready.os_type.name,
            zones: ready
                .zones
                .into_iter()
                .zip(&there)
                .map(|(zone, template)| InZone {
                    id: zone.id,
                    name: zone.name,
                    size: template.size,
                    physical_size: template.physical_size,
                })
                .collect(),
            bytes_sent,
            url,
            checksum_compared,
            sha256: made.sha256,
            repeated: made.repeated,
            replaced,
        })
    }

    fn bringing(&self) -> &'static str {
        match self.from {
            From::File(..) => "upload",
            From::Served(..) | From::Url(..) => "register",
        }
    }

    /// Looks at everything; makes nothing.
    async fn prepare(&self, cx: &Cx, cloud: &CloudStack) -> Result<Ready, CloudStackError> {
        self.check()?;
        let zones = cloud.zones_named(self.zones).await?;
        let Some(first) = zones.first() else {
            return Err(CloudStackError::new(CloudStackErrorKind::NotFound, "find a zone")
                .because("the cloud has none that its user may use"));
        };
        let there = cloud.hypervisors(first).await?;
        let hypervisor = self.format.hypervisor(first, &there, self.hypervisor)?;
        for zone in &zones[1..] {
            let there = cloud.hypervisors(zone).await?;
            self.format.hypervisor(zone, &there, Some(&hypervisor))?;
        }
        let os_type = cloud.os_type(self.os_type.unwrap_or(OS_TYPE)).await?;
        if self.os_type.is_none() {
            cx.events().notice(format!("the type of system is `{}`; `--os-type` says another", os_type.name));
        }
        let project = match self.project {
            Some(said) => Some(cloud.project(said).await?.id),
            None => None,
        };
        let mut projects = Vec::new();
        for said in self.projects {
            projects.push(cloud.project(said).await?);
        }
        let scope = Scope { project };
        let old = cloud.in_the_way(&scope, self.name, self.replace, "`--replace` takes its place").await?;
        Ok(Ready { scope, zones, hypervisor, os_type, projects, old })
    }

    /// What can be wrong without a look at the cloud.
    fn check(&self) -> Result<(), CloudStackError> {
        let wrong = |what: String, why: String| {
            Err(CloudStackError::new(CloudStackErrorKind::Usage, what).because(why))
        };
        let length = self.name.chars().count();
        if length == 0 || length > LONGEST.0 || self.name.trim() != self.name {
            return wrong(
                format!("call the template `{}`", self.name),
                format!("a name has 1 to {} characters, and no spaces around them", LONGEST.0),
            );
        }
        if self.displaytext.is_some_and(|text| text.chars().count() > LONGEST.1) {
            return wrong(
                "describe the template".to_owned(),
                format!("its description has more than {} characters", LONGEST.1),
            );
        }
        if self.tags.iter().any(|(key, _)| key == TAG) {
            return wrong(format!("set the tag `{TAG}`"), "by it, we know what is ours".to_owned());
        }
        if self.flags.deploy_as_is && self.format != ImageFormat::Ova {
            return wrong(
                "deploy the template as it is".to_owned(),
                format!("it is no OVA, but a {}", self.format.name()),
            );
        }
        if let Some(name) = self.accounts.iter().find(|name| name.contains(',')) {
            return wrong(format!("share with the account `{name}`"), "its name has a comma".to_owned());
        }
        Ok(())
    }
}

/// An address as it may be shown.
fn without_login(url: &url::Url) -> String {
    let mut url = url.clone();
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.set_query(None);
    url.into()
}
