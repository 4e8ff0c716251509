//! Making the template: an upload, begun again when it was cut, or an address that the cloud fetches.
use super::job::{From, Job, Ready};
use crate::{
    cloudstack::{
        self, CloudStack, CloudStackError, CloudStackErrorKind, Mark, Params, Posted, Source, Ticket,
        digest_of,
    },
    cx::{Cx, Undo, UndoHandle},
    publish::cloudstack::Image,
    wire::Served,
};
use std::{path::Path, time::Duration};

/// How often a file is sent.
const ATTEMPTS: u32 = 3;

/// What was made, and is not ready yet.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) id: String,
    pub(super) undo: UndoHandle,
    pub(super) sha256: Option<String>,
    pub(super) repeated: u32,
    /// The file that the cloud fetches, if it does that from here.
    pub(super) served: Option<Served>,
}

impl Job<'_> {
    /// What people read of it in the end.
    pub(super) fn text(&self) -> &str {
        self.displaytext.unwrap_or(self.name)
    }

    pub(super) async fn bring(
        &self,
        cx: &Cx,
        cloud: &CloudStack,
        ready: &Ready,
    ) -> Result<Made, CloudStackError> {
        match self.from {
            From::File(path, image) => self.upload(cx, cloud, ready, path, image).await,
            From::Served(path, image, at) => self.serve(cx, cloud, ready, (path, image, at)).await,
            From::Url(url, checksum) => self.register(cx, cloud, ready, url.as_str(), checksum).await,
        }
    }

    /// Has the cloud fetch what is at an address.
    pub(super) async fn register(
        &self,
        cx: &Cx,
        cloud: &CloudStack,
        ready: &Ready,
        url: &str,
        checksum: Option<&str>,
    ) -> Result<Made, CloudStackError> {
        let mark = cloudstack::mark_of(cx.id(), 1);
        let undo = self.plan(cx, cloud, ready, &mark)?;
        let zones: Vec<&str> = ready.zones.iter().map(|zone| zone.id.as_str()).collect();
        let params = self.params(ready, &mark).with("url", url).maybe("checksum", checksum);
        let params = match zones.as_slice() {
            // The only one that older versions know.
            [one] => params.with("zoneid", one),
            several => params.with("zoneids", several.join(",")),
        };
        let id = cloud.register_template(self.name, &params).await?;
        self.known(cx, cloud, ready, undo, &id)?;
        Ok(Made { id, undo, sha256: None, repeated: 0, served: None })
    }

    /// What uploads and registrations have in common.
    fn params(&self, ready: &Ready, mark: &Mark) -> Params {
        let flags = self.flags;
        let params = Params::new()
            .with("name", self.name)
            .with("displaytext", mark.on(self.text()))
            .with("format", self.format.name())
            .with("hypervisor", &ready.hypervisor)
            .with("ostypeid", &ready.os_type.id)
            .with("requireshvm", true)
            // Some of these are true where nobody says anything.
            .with("ispublic", flags.public)
            .with("isfeatured", flags.featured)
            .with("isextractable", flags.extractable)
            .with("passwordenabled", flags.password)
            .with("sshkeyenabled", flags.ssh_key)
            .with("isdynamicallyscalable", flags.dynamically_scalable)
            .maybe("projectid", ready.scope.project.as_deref())
            .details("details", self.details);
        // Versions before 4.15.1 do not know it.
        if flags.deploy_as_is { params.with("deployasis", true) } else { params }
    }

    fn plan(
        &self,
        cx: &Cx,
        cloud: &CloudStack,
        ready: &Ready,
        mark: &Mark,
    ) -> Result<UndoHandle, CloudStackError> {
        let resource = cloudstack::resource(cloud, &ready.scope, self.name, cx.id(), Err(mark));
        Ok(cx.undo().plan(Undo::Resource(resource))?)
    }

    fn known(
        &self,
        cx: &Cx,
        cloud: &CloudStack,
        ready: &Ready,
        undo: UndoHandle,
        id: &str,
    ) -> Result<(), CloudStackError> {
        let resource = cloudstack::resource(cloud, &ready.scope, self.name, cx.id(), Ok(id));
        Ok(cx.undo().resolve(undo, Undo::Resource(resource))?)
    }

    async fn upload(
        &self,
        cx: &Cx,
        cloud: &CloudStack,
        ready: &Ready,
        path: &Path,
        image: &Image,
    ) -> Result<Made, CloudStackError> {
        // The cloud compares it with what arrives.
        let (size, sha256) = digest_of(cx, path).await?;
        if size != image.file_bytes {
            return Err(CloudStackError::new(
                CloudStackErrorKind::Usage,
                format!("read `{}`", path.display()),
            )
            .because("the file changes while it is read"));
        }
        let name = format!("{}.{}", plain(self.name), self.format.end());
        let mut number = 0;
        loop {
            number += 1;
            cx.check()?;
            let mark = cloudstack::mark_of(cx.id(), number);
            let undo = self.plan(cx, cloud, ready, &mark)?;
            let params = self
                .params(ready, &mark)
                .with("zoneid", &ready.zones[0].id)
                .with("checksum", format!("{{SHA-256}}{sha256}"));
            let ticket = cloud.upload_ticket(self.name, &params).await?;
            self.known(cx, cloud, ready, undo, &ticket.id)?;
            let source = Source { path, name: &name, size, sha256: &sha256 };
            match self.post(cx, cloud, &ticket, source).await {
                Ok(posted) => {
                    if let Posted::Unanswered(why) = posted {
                        cx.events().warn(
                            format!("all of it was sent, but the storage VM's answer did not come through ({why}); the template will tell"),
                            None,
                        );
                    }
                    let repeated = number - 1;
                    let sha256 = Some(sha256);
                    return Ok(Made { id: ticket.id, undo, sha256, repeated, served: None });
                }
                Err(error) if error.is_unsent() => {
                    let resource =
                        cloudstack::resource(cloud, &ready.scope, self.name, cx.id(), Ok(&ticket.id));
                    cx.undo().resolve(undo, Undo::Resource(cloudstack::unsent(resource)))?;
                    return Err(error);
                }
                Err(error) if error.kind() == CloudStackErrorKind::Unavailable && number < ATTEMPTS => {
                    let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    cx.events().warn(
                        format!("the upload was cut ({why}); it begins again, as another template"),
                        Some("the first one is removed at the end, when the cloud has noticed".to_owned()),
                    );
                    let wait = Duration::from_secs(1 << number);
                    cx.stop().unless_cancelled(tokio::time::sleep(wait)).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Job<'_> {
    /// Sends it; again to the same place while nobody there hears of it.
    async fn post(
        &self,
        cx: &Cx,
        cloud: &CloudStack,
        ticket: &Ticket,
        source: Source<'_>,
    ) -> Result<Posted, CloudStackError> {
        let mut number = 0;
        loop {
            number += 1;
            match cloud.post_file(cx, ticket, source).await {
                Err(error)
                    if error.is_unsent()
                        && error.kind() == CloudStackErrorKind::Unavailable
                        && number < ATTEMPTS =>
                {
                    let wait = Duration::from_secs(1 << number);
                    cx.stop().unless_cancelled(tokio::time::sleep(wait)).await?;
                }
                posted => return posted,
            }
        }
    }
}

/// A name of a file that no shell of a storage VM minds.
pub(super) fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' }).collect()
}
