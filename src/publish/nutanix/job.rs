//! From a disk, here or at an address, to an image that can be used.
use super::{Local, verify::verify};
use crate::{
    cx::{Cx, UndoHandle},
    nutanix::{
        Categories, Cluster, Dialect, Image, ImageSource, ImageState, ImageType, Mark, NewImage, Prism,
        PrismError, PrismErrorKind, digest_of, is_category, is_ours,
    },
    publish::stage::stage,
    value::Digest,
};
use serde::Serialize;
use std::time::Duration;

/// The longest name of an image, in characters.
const LONGEST: usize = 256;
/// How often an upload is begun that cannot be gone on with.
const ATTEMPTS: u32 = 4;

/// Where the bytes come from.
#[derive(Debug, Clone, Copy)]
pub enum From<'a> {
    /// A file on this host.
    File(&'a Local),
    /// The cluster fetches them; with their SHA-256, if that is known.
    Url(&'a url::Url, Option<&'a Digest>),
}

/// An image to publish.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// Its bytes.
    pub from: From<'a>,
    /// What it is to be called.
    pub name: &'a str,
    /// What people read about it.
    pub description: &'a str,
    /// Clusters by name or UUID; none lets Prism Central choose.
    pub clusters: &'a [String],
    /// Categories that it is to bear.
    pub categories: &'a [(String, String)],
    /// It takes the place of what earlier publishes made.
    pub replace: bool,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Published {
    /// The Prism Central.
    pub server: String,
    /// The dialect of its interface that was spoken.
    pub api: Dialect,
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// Its size in bytes, as the server tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// SHA-256 of what was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Where it was to be put.
    pub clusters: Vec<Cluster>,
    /// Bytes that were sent.
    pub bytes_sent: u64,
    /// How often the upload, or a part of it, was begun again.
    pub repeated: u32,
    /// Whether it was there already, with the same bytes.
    pub reused: bool,
    /// UUIDs of images whose place it took.
    pub replaced: Vec<String>,
}

/// All that is known before anything is made.
struct Ready {
    sha256: Option<Digest>,
    clusters: Vec<Cluster>,
    /// It is there already.
    same: Option<Image>,
    /// It is in the way.
    old: Vec<Image>,
}

/// What was sent.
struct Sent {
    uuid: String,
    /// What is to be forgotten when it is a result.
    undo: Vec<UndoHandle>,
    bytes: u64,
    repeated: u32,
}

impl Job<'_> {
    /// Makes the image. What it made goes again if something fails.
    pub async fn publish(&self, cx: &Cx, prism: &Prism) -> Result<Published, PrismError> {
        let ready = stage(cx, "check", Box::pin(self.prepare(cx, prism))).await?;
        let published = |image: Image, sent: &Sent, reused: bool, replaced: Vec<String>| Published {
            server: prism.place().server.to_string(),
            api: prism.dialect(),
            name: self.name.to_owned(),
            uuid: image.uuid,
            bytes: image.bytes,
            sha256: ready.sha256.as_ref().map(|digest| digest.hex().to_owned()),
            clusters: ready.clusters.clone(),
            bytes_sent: sent.bytes,
            repeated: sent.repeated,
            reused,
            replaced,
        };
        if let Some(same) = &ready.same {
            cx.events().notice(format!(
                "the image `{}` is there already with the same bytes ({}): it is used as it is",
                self.name, same.uuid
            ));
            let nothing = Sent { uuid: same.uuid.clone(), undo: Vec::new(), bytes: 0, repeated: 0 };
            return Ok(published(same.clone(), &nothing, true, Vec::new()));
        }
        let sent = stage(cx, "upload", Box::pin(self.send(cx, prism, &ready))).await?;
        let image = stage(
            cx,
            "verify",
            Box::pin(async {
                let image = prism.ready_image(cx, self.name, &sent.uuid).await?;
                let file = match self.from {
                    From::File(file) => Some(file),
                    From::Url(..) => None,
                };
                verify(cx, &image, file, ready.sha256.as_ref())?;
                cx.check()?;
                Ok::<_, PrismError>(image)
            }),
        )
        .await?;
        // From here on it is a result. That of an older one's place nothing is left is another matter.
        for handle in &sent.undo {
            cx.undo().keep(*handle)?;
        }
        cx.undo().keep_where(is_category)?;
        let mut replaced = Vec::new();
        for old in &ready.old {
            match prism.remove_image(&old.uuid, cx.stop()).await {
                Ok(()) => replaced.push(old.uuid.clone()),
                Err(error) => cx.events().warn(
                    format!(
                        "the older image `{}` ({}) is still there: {}",
                        old.name,
                        old.uuid,
                        crate::cx::causes(&error).join(": ")
                    ),
                    Some("remove it in Prism Central, or names are ambiguous".to_owned()),
                ),
            }
        }
        Ok(published(image, &sent, false, replaced))
    }

    /// Looks at everything; makes nothing.
    async fn prepare(&self, cx: &Cx, prism: &Prism) -> Result<Ready, PrismError> {
        self.check(cx)?;
        let clusters = prism.named_clusters(self.clusters).await?;
        let there = prism.images_named(self.name).await?;
        // Names tell sooner than a digest of gigabytes whether it is in vain.
        if self.replace
            && let Some(foreign) = there.iter().find(|image| !is_ours(&image.description))
        {
            return Err(self
                .in_the_way(foreign)
                .because("it was not made by goldsmith, so it is not replaced"));
        }
        let sha256 = match self.from {
            From::File(file) => Some(digest_of(cx, &file.path, file.bytes).await?),
            From::Url(_, sha256) => sha256.cloned(),
        };
        let same = there.iter().find(|image| is_same(image, sha256.as_ref(), &clusters)).cloned();
        if same.is_none()
            && !self.replace
            && let Some(other) = there.first()
        {
            let ours = is_ours(&other.description);
            let hint =
                if ours { "`--replace` puts this one in its place" } else { "choose another `--name`" };
            return Err(self
                .in_the_way(other)
                .because(format!("an image of this name is there already ({}), with other bytes", other.uuid))
                .hint(hint));
        }
        Ok(Ready { sha256, clusters, same, old: there })
    }

    fn in_the_way(&self, image: &Image) -> PrismError {
        let attempt = format!("publish the image `{}` in place of {}", self.name, image.uuid);
        PrismError::new(PrismErrorKind::Exists, attempt).hint("choose another `--name`")
    }

    /// What can be wrong without a look at the server.
    fn check(&self, cx: &Cx) -> Result<(), PrismError> {
        let wrong =
            |what: String, why: String| Err(PrismError::new(PrismErrorKind::Usage, what).because(why));
        let length = self.name.chars().count();
        if length == 0 || length > LONGEST {
            return wrong(
                format!("call the image `{}`", self.name),
                format!("its name has {length} characters, and 1 to {LONGEST} are possible"),
            );
        }
        let (length, room) = (self.description.chars().count(), Mark::of(cx.id()).room());
        if length > room {
            return wrong(
                "describe the image".to_owned(),
                format!("the description has {length} characters, and {room} are possible"),
            );
        }
        for (key, value) in self.categories {
            if [key, value].iter().any(|text| text.is_empty() || text.chars().count() > 64) {
                return wrong(
                    format!("use the category `{key}={value}`"),
                    "key and value have 1 to 64 characters each".to_owned(),
                );
            }
        }
        Ok(())
    }

    /// Makes the image with its bytes.
    async fn send(&self, cx: &Cx, prism: &Prism, ready: &Ready) -> Result<Sent, PrismError> {
        let categories = prism.categories(cx, self.categories).await?;
        match (self.from, prism.dialect()) {
            (From::Url(url, _), _) => {
                let new = self.new_image(ready, &categories, ImageSource::Url(url.clone()));
                let (uuid, undo) = prism.make_image(cx, &new).await?;
                Ok(Sent { uuid, undo: vec![undo], bytes: 0, repeated: 0 })
            }
            (From::File(file), Dialect::V3) => {
                let new = self.new_image(ready, &categories, ImageSource::Sent);
                self.send_whole(cx, prism, file, &new).await
            }
            (From::File(file), Dialect::V4) => {
                let key = format!("goldsmith-{}", cx.id());
                let staged = prism.stage(cx, &key, (&file.path, file.bytes)).await?;
                let new = self.new_image(ready, &categories, ImageSource::Object(staged.key));
                let (uuid, undo) = prism.make_image(cx, &new).await?;
                // The object stays as other clients leave it: nothing tells whether the image still reads it.
                let undo = vec![undo, staged.undo];
                Ok(Sent { uuid, undo, bytes: file.bytes, repeated: staged.repeated })
            }
        }
    }

    /// One request has it all, and no way to go on: after a cut connection, the image is made anew.
    async fn send_whole(
        &self,
        cx: &Cx,
        prism: &Prism,
        file: &Local,
        new: &NewImage<'_>,
    ) -> Result<Sent, PrismError> {
        let sha256 = new.sha256.ok_or_else(|| {
            PrismError::new(PrismErrorKind::Other, "send the image").because("its digest is not known")
        })?;
        let mut repeated = 0;
        loop {
            let (uuid, undo) = prism.make_image(cx, new).await?;
            match prism.send_image(cx, &uuid, (&file.path, file.bytes, sha256)).await {
                Ok(()) => return Ok(Sent { uuid, undo: vec![undo], bytes: file.bytes, repeated }),
                Err(error) if error.kind() == PrismErrorKind::Unavailable && repeated + 1 < ATTEMPTS => {
                    repeated += 1;
                    cx.events().warn(
                        format!("{error}: {}; it begins again", crate::cx::causes(&error).join(": ")),
                        None,
                    );
                    prism.remove_image(&uuid, cx.stop()).await?;
                    cx.undo().keep(undo)?;
                    cx.stop()
                        .unless_cancelled(tokio::time::sleep(Duration::from_secs(1 << repeated)))
                        .await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn new_image<'a>(
        &'a self,
        ready: &'a Ready,
        categories: &'a Categories,
        source: ImageSource,
    ) -> NewImage<'a> {
        NewImage {
            name: self.name,
            description: self.description,
            image_type: ImageType::Disk,
            sha256: ready.sha256.as_ref(),
            clusters: &ready.clusters,
            categories,
            source,
        }
    }
}

/// Whether an image can be used instead of a new one.
fn is_same(image: &Image, sha256: Option<&Digest>, clusters: &[Cluster]) -> bool {
    let told = image.sha256.as_deref();
    image.state == ImageState::Ready
        && image.bytes.is_some_and(|bytes| bytes > 0)
        && sha256.is_some_and(|sha256| told == Some(sha256.hex()))
        && clusters.iter().all(|cluster| image.clusters.contains(&cluster.uuid))
}
