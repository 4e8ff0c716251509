//! When the template is there: waiting, zones, comparing, permissions, tags, and what it takes the place of.
use super::{
    job::{From, Job, Ready},
    make::Made,
};
use crate::{
    cloudstack::{CloudStack, CloudStackError, CloudStackErrorKind, Finish, Template},
    cx::Cx,
    publish::cloudstack::ImageFormat,
};

impl Job<'_> {
    /// Waits until it is ready in all zones. Returns what the cloud tells of each.
    pub(super) async fn arrive(
        &self,
        cx: &Cx,
        cloud: &CloudStack,
        ready: &Ready,
        made: &Made,
    ) -> Result<Vec<Template>, CloudStackError> {
        let (scope, zones) = (&ready.scope, ready.zones.as_slice());
        // The cloud fetches an address in all zones at once; a file is in the first.
        let begun = match self.from {
            From::File(..) => &zones[..1],
            From::Served(..) | From::Url(..) => zones,
        };
        let mut there = cloud.template_ready(cx, scope, &made.id, begun, self.limit).await?;
        self.compare(cx, made, &there)?;
        let rest = &zones[begun.len()..];
        if !rest.is_empty() {
            cloud.copy_template(cx, &made.id, &zones[0], rest, self.limit).await?;
            there = cloud.template_ready(cx, scope, &made.id, zones, self.limit).await?;
            self.compare(cx, made, &there)?;
        }
        Ok(there)
    }

    /// What the cloud tells of it must be what was sent.
    fn compare(&self, cx: &Cx, made: &Made, there: &[Template]) -> Result<(), CloudStackError> {
        let (From::File(_, image) | From::Served(_, image, _)) = self.from else { return Ok(()) };
        for one in there {
            let zone = one.zone.as_ref().map_or("all zones", |zone| zone.name.as_str());
            let wrong = |why: String| {
                let attempt = format!("prove that the template {} in {zone} has what was sent", one.id);
                Err(CloudStackError::new(CloudStackErrorKind::Other, attempt).because(why))
            };
            if let (Some(ours), Some(theirs)) = (image.disk_bytes, one.size)
                && ours != theirs
            {
                let why = format!("its disk has {theirs} bytes there, and {ours} here");
                // Of an OVA, the cloud reads a description, and rounds in its own way.
                if image.format != ImageFormat::Ova {
                    return wrong(why);
                }
                cx.events().warn(format!("the template {} in {zone}: {why}", one.id), None);
            }
            if let Some(ours) = made.sha256.as_deref()
                && let Some(theirs) = one.checksum.as_deref().filter(|sum| sum.len() == ours.len())
                && !theirs.eq_ignore_ascii_case(ours)
            {
                return wrong(format!("its SHA-256 is {theirs} there, and {ours} here"));
            }
            if one.physical_size.is_some_and(|theirs| theirs != image.file_bytes) {
                let theirs = one.physical_size.unwrap_or_default();
                // Some storages rewrite files.
                cx.events().warn(
                    format!("the file has {theirs} bytes in {zone}, and {} here", image.file_bytes),
                    None,
                );
            }
        }
        Ok(())
    }

    /// Shares and tags it, makes it a result, and deletes what it takes the place of. Returns the identifiers of what was deleted.
    pub(super) async fn finish(
        &self,
        cx: &Cx,
        cloud: &CloudStack,
        ready: &Ready,
        made: &Made,
        there: &[Template],
    ) -> Result<Vec<String>, CloudStackError> {
        let id = &made.id;
        for (flag, asked, told) in [
            ("public", self.flags.public, there.iter().all(|one| one.public)),
            ("featured", self.flags.featured, there.iter().all(|one| one.featured)),
            ("extractable", self.flags.extractable, there.iter().all(|one| one.extractable)),
        ] {
            if asked && !told {
                let hint = "clouds may let administrators alone set it".to_owned();
                cx.events()
                    .warn(format!("the template is not {flag}, although that was asked for"), Some(hint));
            }
        }
        let finish = Finish {
            text: self.text(),
            tags: self.tags,
            accounts: self.accounts,
            projects: &ready.projects,
            old: &ready.old,
        };
        cloud.finish_template(cx, id, made.undo, &finish).await
    }
}

/// Whether the cloud tells a checksum that is of the same kind as ours.
pub(super) fn compared(ours: &str, template: &Template) -> bool {
    template.checksum.as_ref().is_some_and(|sum| sum.len() == ours.len())
}
