//! What a build starts from: an image that is there, or one that the cluster fetches for it.
use super::Nutanix;
use crate::{
    cx::Cx,
    driver::{DriverError, DriverErrorKind, KeptImage, KeptKind, machine_name::machine_name},
    nutanix::{Image, ImageSource, ImageState, ImageType, NewImage, choose},
    plan::{NutanixSourcePlan, SourcePlan},
    value::{Digest, Size},
};
use url::Url;

/// Looks whether an image that is named is there and fits. Makes nothing.
pub(super) async fn check(driver: &Nutanix) -> Result<(), DriverError> {
    match &driver.job.source {
        NutanixSourcePlan::Image(said) => named(driver, said).await.map(drop),
        NutanixSourcePlan::Url { .. } => Ok(()),
        NutanixSourcePlan::Config => Err(unsaid()),
    }
}

fn unsaid() -> DriverError {
    DriverError::new(DriverErrorKind::Unsupported, "find an image to start from")
        .because("nothing names one")
        .hint("`image` or `url` in `[source.nutanix]`, or `source_image_name` or `image_url` in the file of `config` in `[nutanix]`")
}

/// Finds it, or has it made.
pub(super) async fn image(driver: &Nutanix, cx: &Cx, source: &SourcePlan) -> Result<KeptImage, DriverError> {
    if !matches!(source, SourcePlan::Nutanix(_)) {
        return Err(DriverError::new(DriverErrorKind::Unsupported, "find an image to start from")
            .because("a Prism Central keeps images"));
    }
    match &driver.job.source {
        NutanixSourcePlan::Image(said) => {
            let image = cx.stop().unless_cancelled(named(driver, said)).await??;
            Ok(kept(driver, image, "image"))
        }
        NutanixSourcePlan::Url { url, digest } => fetched(driver, cx, url, digest.as_ref()).await,
        NutanixSourcePlan::Config => Err(unsaid()),
    }
}

/// The image of this name or UUID.
async fn named(driver: &Nutanix, said: &str) -> Result<Image, DriverError> {
    let all = driver.prism.images().await?;
    let image = choose("image", said, &all)?;
    let refused = |why: String| {
        DriverError::new(DriverErrorKind::Unsupported, format!("start from the image `{said}`")).because(why)
    };
    if image.is_iso {
        return Err(refused("it is an ISO, and no disk".to_owned()));
    }
    match &image.state {
        ImageState::Ready => {}
        ImageState::Pending(state) => return Err(refused(format!("it is not ready: {state}"))),
        ImageState::Failed(why) => return Err(refused(why.clone())),
    }
    check_size(driver, image)?;
    Ok(image.clone())
}

/// Disks grow only.
fn check_size(driver: &Nutanix, image: &Image) -> Result<(), DriverError> {
    let (Some(disk), Some(bytes)) = (driver.job.machine.disk, image.bytes) else { return Ok(()) };
    if bytes <= disk.as_bytes() {
        return Ok(());
    }
    let attempt = format!("make a disk of {disk} of the image `{}`", image.name);
    Err(DriverError::new(DriverErrorKind::Unsupported, attempt)
        .because(format!("the image has {}", Size::bytes(bytes)))
        .hint("raise `machine.disk`, or leave it out"))
}

/// An image of what is at `url`: one that has its digest already, or a new one that goes with the build.
async fn fetched(
    driver: &Nutanix,
    cx: &Cx,
    url: &Url,
    digest: Option<&Digest>,
) -> Result<KeptImage, DriverError> {
    let (prism, spot) = (&driver.prism, driver.spot().await?);
    if let Some(digest) = digest {
        let same = |image: &&Image| {
            image.sha256.as_deref() == Some(digest.hex())
                && image.state == ImageState::Ready
                && !image.is_iso
                && image.clusters.contains(&spot.cluster.uuid)
        };
        let all = cx.stop().unless_cancelled(prism.images()).await??;
        if let Some(image) = all.iter().find(same) {
            return Ok(kept(driver, image.clone(), "image, which has the digest already,"));
        }
    }
    let name = machine_name(cx.id(), "source", "build");
    let clusters = [spot.cluster.clone()];
    let new = NewImage {
        name: &name,
        description: &format!("fetched from {url} for a build; it goes with that"),
        image_type: ImageType::Disk,
        sha256: digest,
        clusters: &clusters,
        categories: &Vec::new(),
        source: ImageSource::Url(url.clone()),
    };
    let (uuid, _) = prism.make_image(cx, &new).await?;
    let image = prism.ready_image(cx, &name, &uuid).await?;
    check_size(driver, &image)?;
    Ok(kept(driver, image, "image, fetched from there,"))
}

fn kept(driver: &Nutanix, image: Image, what: &str) -> KeptImage {
    let mut description =
        format!("the {what} `{}` ({}) of {}", image.name, image.uuid, driver.prism.place().server);
    if let Some(bytes) = image.bytes {
        description.push_str(&format!(", {}", Size::bytes(bytes)));
    }
    KeptImage {
        kind: KeptKind::Image,
        id: image.uuid,
        place: driver.prism.place().server.to_string(),
        name: image.name,
        disks: Vec::new(),
        description,
    }
}
