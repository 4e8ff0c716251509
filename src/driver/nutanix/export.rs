//! A machine's disk on this host: an image is made of it, which is fetched.
use super::{
    image::{check_off, disk_image},
    machine::Built,
};
use crate::{
    cx::Cx,
    driver::{DiskFormat, DriverError, DriverErrorKind, ExportedDisk},
    nutanix::Expected,
};
use std::path::Path;
use tokio::io::AsyncReadExt as _;

/// How a qcow2 begins.
const QCOW2: [u8; 4] = *b"QFI\xfb";

/// Brings the first disk of a machine, which is off. The image that is made for that is the result, if one is wanted.
pub(super) async fn disk(built: &Built, cx: &Cx, index: usize) -> Result<ExportedDisk, DriverError> {
    if index > 0 {
        let attempt = format!("bring the disk {} of `{}` here", index + 1, built.name);
        return Err(DriverError::new(DriverErrorKind::Unsupported, attempt)
            .because("files are made of the first disk of a machine"));
    }
    check_off(built).await?;
    let image = disk_image(built, cx).await?;
    let path = cx.work().join(format!("exported-{index}.disk"));
    let _ = cx.plan_path(&path)?;
    let sha256 = image.sha256.as_ref().and_then(|hex| format!("sha256:{hex}").parse().ok());
    let expected = Expected { bytes: None, sha256: sha256.as_ref() };
    built.driver.prism.download_image(cx, &image.uuid, &path, expected).await?;
    let format = format_of(&path).await.map_err(|error| {
        DriverError::new(DriverErrorKind::Other, format!("read `{}`", path.display())).because(error)
    })?;
    cx.events().notice(format!(
        "the disk of `{}` is here, as {}",
        built.name,
        match format {
            DiskFormat::Qcow2 => "qcow2",
            _ => "raw bytes",
        }
    ));
    Ok(ExportedDisk { path, format })
}

/// A server gives it as it keeps it.
async fn format_of(path: &Path) -> std::io::Result<DiskFormat> {
    let mut first = [0; 4];
    let read = tokio::fs::File::open(path).await?.read(&mut first).await?;
    Ok(if first[..read] == QCOW2 { DiskFormat::Qcow2 } else { DiskFormat::Raw })
}
