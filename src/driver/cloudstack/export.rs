//! A machine's disk on this host: the cloud puts it where it can be fetched (`extractVolume`), as what it is there: a qcow2 on KVM.
use super::machine::Built;
use crate::{
    cloudstack::CloudStackErrorKind,
    cx::Cx,
    driver::{DiskFormat, DriverError, DriverErrorKind, ExportedDisk},
};
use std::path::Path;
use tokio::io::AsyncReadExt as _;

/// Brings the root disk of a machine, which is off.
pub(super) async fn disk(built: &Built, cx: &Cx, index: usize) -> Result<ExportedDisk, DriverError> {
    let attempt = format!("bring the disk of `{}` here", built.vm.name);
    if index > 0 {
        return Err(DriverError::new(DriverErrorKind::Unsupported, attempt)
            .because("files are made of the root disk of a machine"));
    }
    built.must_be_off(&attempt).await?;
    let driver = &built.driver;
    let spot = driver.spot().await?;
    let volume = driver.cloud.root_volume(&spot.scope, &built.vm).await?;
    let extracted = driver.cloud.extract_volume(cx, &volume, &spot.zone, driver.pace.template).await;
    let url = extracted.map_err(|error| {
        let refused = error.fault().is_some_and(|fault| fault.says("not allowed to be extracted"))
            || error.kind() == CloudStackErrorKind::Permission;
        let error = DriverError::from(error);
        if refused {
            error.hint(
                "clouds give out disks of machines whose template is extractable, and others to their administrators only: have the \
                 source made extractable, or leave the files out of the definition's outputs",
            )
        } else {
            error
        }
    })?;
    let path = cx.work().join(format!("exported-{index}.disk"));
    let _ = cx.plan_path(&path)?;
    let arrived = driver.cloud.fetch_file(cx, &url, &format!("`{}`", volume.name), &path, None).await?;
    cx.events().notice(format!("the disk of `{}` is here: {}", built.vm.name, arrived.sha256));
    let format = format_of(&path).await?;
    Ok(ExportedDisk { path, format })
}

/// What a file is, by how it begins.
async fn format_of(path: &Path) -> Result<DiskFormat, DriverError> {
    let attempt = || format!("see what `{}` is", path.display());
    let unread = |error: std::io::Error| DriverError::new(DriverErrorKind::Other, attempt()).because(error);
    let mut file = tokio::fs::File::open(path).await.map_err(unread)?;
    let length = file.metadata().await.map_err(unread)?.len();
    let mut head = Vec::with_capacity(512);
    (&mut file).take(512).read_to_end(&mut head).await.map_err(unread)?;
    judge(&head, length).map_err(|why| {
        DriverError::new(DriverErrorKind::Unsupported, attempt())
            .because(why)
            .hint("download the disk in the user interface, and have `goldsmith convert` make files of it")
    })
}

fn judge(head: &[u8], length: u64) -> Result<DiskFormat, String> {
    let there = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    if there(0, b"QFI\xfb") {
        return Ok(DiskFormat::Qcow2);
    }
    if there(0, b"KDMV") {
        return Ok(DiskFormat::Vmdk);
    }
    let known = [
        (0, &b"conectix"[..], "a VHD"),
        (257, b"ustar", "an OVA"),
        (0, b"\x1f\x8b", "packed with gzip"),
        (0, b"BZh", "packed with bzip2"),
    ];
    if let Some((.., what)) = known.iter().find(|(at, magic, _)| there(*at, magic)) {
        return Err(format!("it is {what}, which no output can be made of here"));
    }
    if length == 0 || !length.is_multiple_of(512) {
        return Err("it is no image of a disk".to_owned());
    }
    Ok(DiskFormat::Raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_how_they_begin() {
        assert_eq!(judge(b"QFI\xfb\0\0\0\x03", 7), Ok(DiskFormat::Qcow2));
        assert_eq!(judge(b"KDMV\x03", 7), Ok(DiskFormat::Vmdk));
        assert_eq!(judge(&[0; 512], 1024), Ok(DiskFormat::Raw));
        let mut tar = vec![b'a'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert!(judge(&tar, 1024).unwrap_err().contains("OVA"));
        assert!(judge(b"conectix", 1024).is_err() && judge(b"<html>", 6).is_err() && judge(b"", 0).is_err());
    }
}
