//! From an image of a Prism Central to a file on this host.
use crate::{
    cx::Cx,
    nutanix::{Expected, Image, ImageState, Prism, PrismError, PrismErrorKind},
    publish::stage::stage,
    value::Digest,
};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// An image to download.
#[derive(Debug, Clone)]
pub struct Download<'a> {
    /// By name or UUID.
    pub image: &'a str,
    /// Absolute.
    pub to: &'a Path,
    /// The SHA-256 that it must have.
    pub sha256: Option<&'a Digest>,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Downloaded {
    /// The Prism Central.
    pub server: String,
    /// The image's name.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// Whether that is the one that was asked for, or that Prism Central tells.
    pub checksum_compared: bool,
    /// How often the connection was cut.
    pub repeated: u32,
}

impl Download<'_> {
    /// Fetches it. The file has its name when it is whole.
    pub async fn run(&self, cx: &Cx, prism: &Prism) -> Result<Downloaded, PrismError> {
        let image =
            stage(cx, "check", Box::pin(async { cx.stop().unless_cancelled(self.find(prism)).await? }))
                .await?;
        let expected = Expected { bytes: None, sha256: self.sha256 };
        let fetch = prism.download_image(cx, &image.uuid, self.to, expected);
        let arrived = stage(cx, "download", Box::pin(fetch)).await?;
        let told = image.sha256.as_deref();
        let same = told.is_some_and(|told| told.eq_ignore_ascii_case(arrived.sha256.hex()));
        if let Some(told) = told.filter(|_| !same && self.sha256.is_none()) {
            // A cluster may keep the disk in another form than the file that was sent, whose digest it tells.
            cx.events().warn(
                format!(
                    "what came has the SHA-256 {}, and Prism Central tells {told} of `{}`",
                    arrived.sha256.hex(),
                    image.name
                ),
                Some("see what it is: `goldsmith inspect`; `--sha256` refuses any other".to_owned()),
            );
        }
        Ok(Downloaded {
            server: prism.place().server.to_string(),
            checksum_compared: same || self.sha256.is_some(),
            name: image.name,
            uuid: image.uuid,
            path: self.to.to_owned(),
            bytes: arrived.bytes,
            sha256: arrived.sha256.hex().to_owned(),
            repeated: arrived.repeated,
        })
    }

    /// The one that is meant: a UUID counts more than a name.
    async fn find(&self, prism: &Prism) -> Result<Image, PrismError> {
        let attempt = || format!("choose the image `{}`", self.image);
        if uuid::Uuid::try_parse(self.image).is_ok() {
            match prism.image(self.image).await {
                Err(error) if error.kind() == PrismErrorKind::NotFound => {}
                found => return ready(found?),
            }
        }
        let mut found = prism.images_named(self.image).await?;
        match found.len() {
            0 => Err(PrismError::new(PrismErrorKind::NotFound, attempt())
                .because("there is none of that name or UUID")
                .hint("names are told apart by capitals; it must be one that the user may see")),
            1 => ready(found.remove(0)),
            several => {
                let list: Vec<String> = found
                    .iter()
                    .map(|image| match image.bytes {
                        Some(bytes) => format!("{} ({bytes} bytes)", image.uuid),
                        None => image.uuid.clone(),
                    })
                    .collect();
                Err(PrismError::new(PrismErrorKind::Usage, attempt())
                    .because(format!("{several} have that name: {}", list.join(", ")))
                    .hint("name it by its UUID"))
            }
        }
    }
}

fn ready(image: Image) -> Result<Image, PrismError> {
    let why = match &image.state {
        ImageState::Ready => return Ok(image),
        ImageState::Pending(state) => format!("it is not ready: {}", state.to_lowercase()),
        ImageState::Failed(why) => format!("it will never be ready: {why}"),
    };
    Err(PrismError::new(PrismErrorKind::Usage, format!("download the image `{}`", image.name)).because(why))
}
