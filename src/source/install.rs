//! A system that its installer puts on the disk: what the installer's machine needs, and what becomes of its disk.
//!
//! ```text
//!   <cache>/installed/<digest>.qcow2   a disk as an installer left it, by everything that it depends on
//! ```
//!
//! The installer knows no key of a build: what it made is seeded afterwards like any image, so it can be kept and started from
//! again.
use super::{Media, Needs, Prepared, SourceError, blocking, image, iso, origin};
use crate::{
    cx::Cx,
    disk,
    fetch::{self, Fetched, Fetcher},
    plan::{AnswerPlace, Answers, InstallerBoot, IsoDigest, IsoPlan, Origin, Plan},
    seed,
    value::{Digest, Size},
};
use sha2::{Digest as _, Sha256};
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// A disk that an installer fills holds about this much; a guess, on the safe side for servers.
const INSTALLED: Size = Size::gib(4);

/// All that the machine of an installer needs.
#[derive(Debug)]
pub struct Installer {
    /// The empty disk that it is to fill: qcow2, of the machine's size.
    pub disk: PathBuf,
    /// Its medium.
    pub iso: PathBuf,
    /// Its answers, as a volume; none when they are in the initial RAM disk.
    pub answers: Option<PathBuf>,
    /// What is started directly; the medium itself without.
    pub kernel: Option<Kernel>,
    /// For people: where the medium came from.
    pub description: String,
    digest: Digest,
    store: PathBuf,
}

#[cfg(test)]
impl Installer {
    /// One for a world without media.
    pub(crate) fn of_disk(disk: PathBuf) -> Self {
        let digest = Digest::from_bytes(crate::value::DigestAlgorithm::Sha256, &[0; 32]).expect("32 bytes");
        let description = "a test".to_owned();
        let (iso, store) = (disk.clone(), disk.with_extension("store"));
        Self { disk, iso, answers: None, kernel: None, description, digest, store }
    }
}

/// A kernel that is started directly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Its file, taken out of the medium.
    pub kernel: PathBuf,
    /// The initial RAM disk, taken out of the medium, perhaps with answers.
    pub initrd: PathBuf,
    /// The command line.
    pub cmdline: String,
}

/// Looks whether the medium can be had, and how much room it and what it installs take.
pub(super) async fn preflight(plan: &Plan, source: &IsoPlan, cache: &Path) -> Result<Needs, SourceError> {
    let mut tried = Vec::new();
    let digest = match &source.digest {
        IsoDigest::Known(digest) => Some(digest),
        IsoDigest::Listed(_) | IsoDigest::Trusted => None,
    };
    for place in &source.origins {
        match origin::probe(place, cache, digest).await {
            Ok((name, bytes)) => {
                if let (Origin::Path(path), InstallerBoot::Direct { .. }) = (place, &source.boot) {
                    let path = path.clone();
                    // One that was cut off, or is none, is told before anything waits for it. What is started by its own boot
                    // loader need not be readable here.
                    blocking(move || Ok(iso::Iso::open(&path).map(drop)?)).await?;
                }
                let bytes_cache = Size::bytes(download(source, place, cache, bytes.unwrap_or(0)));
                let known = digest.is_some_and(|digest| stored(cache, plan, source, digest).exists());
                // What is kept from an earlier build takes no room again; a disk holds no more than its size.
                let known = known || plan.machine.keeps_its_disks();
                let bytes_work = if known { Size::bytes(0) } else { INSTALLED.min(plan.machine.disk) };
                return Ok(Needs { bytes_work, bytes_cache, tools: Vec::new(), reads: vec![name] });
            }
            Err(error) => tried.push(error),
        }
    }
    Err(origin::nowhere(tried))
}

/// How much of the medium is yet to be downloaded.
fn download(source: &IsoPlan, place: &Origin, cache: &Path, bytes: u64) -> u64 {
    match (place, &source.digest) {
        (Origin::Path(_), _) => 0,
        (Origin::Url(_), IsoDigest::Listed(_)) if fetch::has_as_long(cache, bytes) => 0,
        (Origin::Url(url), IsoDigest::Known(digest)) => origin::download(url, cache, Some(digest), bytes),
        (Origin::Url(url), IsoDigest::Listed(_) | IsoDigest::Trusted) => {
            origin::download(url, cache, None, bytes)
        }
    }
}

/// Where the disk is kept that an installer made of `medium`.
pub(super) fn stored(cache: &Path, plan: &Plan, source: &IsoPlan, medium: &Digest) -> PathBuf {
    cache.join("installed").join(format!("{}.qcow2", key(plan, source, medium)))
}

/// Gets the medium. When an earlier build installed from it, with the same answers on the same machine, its disk is taken.
pub(super) async fn prepare(
    cx: &Cx,
    plan: &Plan,
    source: &IsoPlan,
    fetcher: &Fetcher,
) -> Result<Prepared, SourceError> {
    for remark in &source.remarks {
        cx.events().warn(remark.clone(), None);
    }
    let digest = match &source.digest {
        IsoDigest::Known(digest) => Some(digest.clone()),
        IsoDigest::Listed(url) => Some(origin::listed(cx, &source.origins, url, fetcher).await?),
        IsoDigest::Trusted => None,
    };
    let (medium, description) = origin::obtain(cx, &source.origins, digest.as_ref(), fetcher).await?;
    if plan.machine.keeps_its_disks() {
        return media(cx, source, medium, description).await.map(Prepared::Media);
    }
    let store = stored(fetcher.folder(), plan, source, &medium.digest);
    if store.exists() {
        cx.events()
            .notice(format!("{description} was installed before with the same answers: its disk is taken"));
        let digest = Some(medium.digest);
        return image::overlay(cx, plan, store, disk::Format::Qcow2, description, digest)
            .await
            .map(Prepared::Disk);
    }
    let target = cx.work().join("installed.qcow2");
    let _ = cx.plan_path(&target)?;
    let (path, size) = (target.clone(), plan.machine.disk.as_bytes());
    blocking(move || {
        disk::qcow2::create_empty(&path, size).map_err(|source| SourceError::Disk {
            attempt: "make an empty disk for the installer".to_owned(),
            source,
        })
    })
    .await?;
    let kernel = take_kernel(cx, source, &medium).await?;
    let answers = match &source.answers {
        Answers { place: AnswerPlace::Volume(label), files } if !files.is_empty() => {
            let path = cx.work().join("answers.img");
            let _ = cx.plan_path(&path)?;
            seed::write_answers(&path, label, files)?;
            Some(path)
        }
        _ => None,
    };
    Ok(Prepared::Installer(Installer {
        disk: target,
        iso: medium.path,
        answers,
        kernel,
        description,
        digest: medium.digest,
        store,
    }))
}

/// What goes into the drives of a machine that is elsewhere.
async fn media(
    cx: &Cx,
    source: &IsoPlan,
    medium: Fetched,
    description: String,
) -> Result<Media, SourceError> {
    take_kernel(cx, source, &medium).await?;
    let answers = match &source.answers {
        Answers { place: AnswerPlace::Volume(label), files } if !files.is_empty() => {
            let path = cx.work().join("answers.iso");
            let _ = cx.plan_path(&path)?;
            let files: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.text.as_bytes())).collect();
            seed::write_iso(&path, label, &files)?;
            Some(path)
        }
        _ => None,
    };
    Ok(Media { iso: medium.path, digest: medium.digest, answers, description })
}

/// Kernel and initial RAM disk, with answers in it when they belong there.
async fn take_kernel(cx: &Cx, source: &IsoPlan, medium: &Fetched) -> Result<Option<Kernel>, SourceError> {
    let InstallerBoot::Direct { kernel, initrd, arguments, keep_menu } = source.boot.clone() else {
        // Its own boot loader need not be readable here, but a medium that is cut off may begin to install.
        let path = medium.path.clone();
        return blocking(move || match iso::Iso::open(&path) {
            Err(error @ iso::IsoError::Truncated { .. }) => Err(error.into()),
            _ => Ok(None),
        })
        .await;
    };
    let taken = Kernel {
        kernel: cx.work().join("installer.kernel"),
        initrd: cx.work().join("installer.initrd"),
        cmdline: String::new(),
    };
    let _ = (cx.plan_path(&taken.kernel)?, cx.plan_path(&taken.initrd)?);
    let (path, answers) = (medium.path.clone(), source.answers.clone());
    blocking(move || {
        let iso = iso::Iso::open(&path)?;
        // A definition that says all of it need not wait for a menu to be understood.
        let mut entry = match (&kernel, &initrd, keep_menu) {
            (Some(_), Some(_), false) => iso::BootEntry::default(),
            _ => iso::direct(&iso::Medium::read(&iso)?)?,
        };
        if !keep_menu {
            entry.arguments.clear();
        }
        take(&iso, &[kernel.unwrap_or_else(|| entry.kernel.clone())], &taken.kernel)?;
        take(&iso, &initrd.map_or_else(|| entry.initrd.clone(), |path| vec![path]), &taken.initrd)?;
        if answers.place == AnswerPlace::Initrd && !answers.files.is_empty() {
            seed::append_answers(&taken.initrd, &answers.files)?;
        }
        Ok(Some(Kernel { cmdline: entry.command_line(&arguments), ..taken }))
    })
    .await
}

/// Copies files of the medium to `to`, one after the other: a kernel unpacks several initial RAM disks like one, when each begins
/// at a multiple of four bytes.
fn take(iso: &iso::Iso, paths: &[String], to: &Path) -> Result<(), SourceError> {
    let why = |source| SourceError::io("write", to, source);
    let mut out = std::fs::File::create(to).map_err(why)?;
    for path in paths {
        let length = out.metadata().map_err(why)?.len();
        out.write_all(&[0; 3][..(length.wrapping_neg() % 4) as usize]).map_err(why)?;
        let Some(entry) = iso.entry(path)? else {
            let top = iso.list("/")?.unwrap_or_default();
            let there = top.into_iter().map(|entry| entry.name).collect();
            return Err(SourceError::NotOnMedium { file: path.clone(), there });
        };
        iso.copy(&entry, &mut out)?;
    }
    Ok(())
}

/// Everything that the installed disk depends on, as one name: the medium, how it is started, its answers, and what of the machine
/// the installer sees. How fast the machine is does not matter to what it installs.
fn key(plan: &Plan, source: &IsoPlan, medium: &Digest) -> String {
    /// Another number makes all disks that are kept useless; for changes in how installers are run.
    const VERSION: u32 = 1;
    let machine = (plan.arch, plan.machine.firmware, plan.machine.disk);
    let all = (VERSION, medium, &source.boot, &source.answers, machine);
    let text = serde_json::to_vec(&all).unwrap_or_default();
    hex::encode(Sha256::digest(&text))
}

/// Takes the disk that `installer` made.
pub(super) async fn adopt(
    cx: &Cx,
    plan: &Plan,
    installer: Installer,
) -> Result<super::BaseDisk, SourceError> {
    let Installer { disk: made, description, digest, store, .. } = installer;
    let (from, to) = (made.clone(), store.clone());
    let part = to.with_extension(format!("{}.part", cx.id()));
    let _ = cx.plan_path(&part)?;
    blocking(move || {
        check(&from)?;
        keep(&from, &part, &to)
    })
    .await?;
    image::overlay(cx, plan, store, disk::Format::Qcow2, description, Some(digest)).await
}

/// An installer that came to its end left partitions. One that failed and restarted its machine left none, or so it should be.
fn check(disk: &Path) -> Result<(), SourceError> {
    let wrong = |source| SourceError::Disk { attempt: "look at what the installer made".to_owned(), source };
    let opened = disk::open(disk, Some(disk::Format::Qcow2), &disk::OpenOptions::default()).map_err(wrong)?;
    if disk::gpt::read(&*opened).map_err(wrong)?.is_empty() {
        return Err(SourceError::NotInstalled);
    }
    Ok(())
}

/// Moves the disk to where later builds find it; from one file system to another by way of `part`.
fn keep(from: &Path, part: &Path, to: &Path) -> Result<(), SourceError> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|source| SourceError::io("make the folder", folder, source))?;
    }
    let moved = match std::fs::rename(from, to) {
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {
            std::fs::copy(from, part).and_then(|_| std::fs::rename(part, to))
        }
        other => other,
    };
    moved.map_err(|source| SourceError::io("keep the installed disk as", to, source))?;
    // Nothing may write to what others start from.
    let read_only = std::os::unix::fs::PermissionsExt::from_mode(0o444);
    std::fs::set_permissions(to, read_only).map_err(|source| SourceError::io("protect", to, source))
}
