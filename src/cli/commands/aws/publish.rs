//! `goldsmith publish ami`: a disk on this host as an AMI.
use super::{super::work, dirs, run as run_task};
use crate::{
    aws::AwsError,
    cli::{
        args::PublishAmi,
        console::{Console, Verbosity},
        exit::Exit,
        problem::Problem,
        theme::{Theme, Tone},
    },
    disk::{DiskRead, Zeroes, gpt},
    plan::{AmiPlan, AmiVolume, BootMode},
    publish::ami::{DiskSource, FromDisk, Published},
    value::{Arch, HumanDuration, Size},
};
use serde::Serialize;
use std::{num::NonZero, path::Path, sync::Arc, time::Instant};

/// The last line of `publish ami --json`.
#[derive(Serialize)]
struct Line<'a> {
    /// `published`
    event: &'static str,
    #[serde(flatten)]
    published: &'a Published,
    seconds: HumanDuration,
}

pub(in crate::cli::commands) fn run(arguments: &PublishAmi, console: &Console) -> Result<Exit, Problem> {
    let begun = Instant::now();
    let path = &arguments.source.image;
    if work::is_dash(path) {
        return Err(Problem::usage(
            "a disk on stdin cannot be uploaded: an upload that is interrupted reads it again",
        )
        .hint("write it to a file first, or name the image"));
    }
    // What is wrong with the arguments is said before a large image is unpacked.
    checked(&ami(arguments, BootMode::UefiPreferred)?)?;
    let disk: Arc<dyn DiskRead> = opened(arguments, console)?.into();
    let ami = ami(arguments, boot_mode(&*disk))?;
    checked(&ami)?;
    let folder = dirs()?.make_uploads()?;
    let source = DiskSource { path: absolute(path)?, disk };
    let cores = || std::thread::available_parallelism().map_or(2, NonZero::get);
    let job = FromDisk {
        ami: &ami,
        folder: &folder,
        threads: arguments.threads.map_or_else(cores, usize::from),
        connections: arguments.connections.map(usize::from),
    };
    let kept = std::cell::Cell::new(false);
    let (published, exit) =
        run_task(console, &arguments.account, "publish-ami", &source.path, async |cx, aws| {
            Box::pin(job.publish(cx, aws, &source)).await.map_err(|stopped| {
                kept.set(stopped.kept);
                AwsError::from(stopped)
            })
        })?;
    let Some(published) = published else { return Ok(with_leftovers(exit, kept.get())) };
    let seconds: HumanDuration = begun.elapsed().into();
    if console.json() {
        let line = Line { event: "published", published: &published, seconds };
        let line = serde_json::to_string(&line).map_err(|error| Problem::Internal(error.to_string()))?;
        console.out(&line);
        return Ok(exit);
    }
    if console.verbosity() != Verbosity::Quiet {
        console.note(&summary(console.err_theme(), &published, &source.path, seconds));
    }
    if !console.out_is_terminal() {
        console.out(&published.ami.id);
    }
    Ok(exit)
}

/// An upload that goes on later is something that was left behind.
fn with_leftovers(exit: Exit, kept: bool) -> Exit {
    match (exit, kept) {
        (Exit::Interrupted, true) => Exit::InterruptedLeftovers,
        (Exit::Failed | Exit::Preflight | Exit::Usage, true) => Exit::Leftovers,
        (exit, _) => exit,
    }
}

fn absolute(path: &Path) -> Result<std::path::PathBuf, Problem> {
    std::path::absolute(path)
        .map_err(|error| Problem::host(format!("could not find `{}`", path.display()), error))
}

/// The disk, unpacked if need be.
fn opened(arguments: &PublishAmi, console: &Console) -> Result<Box<dyn DiskRead>, Problem> {
    let source = arguments.source.clone();
    let name = source.image.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let show = work::show(console, &name);
    work::run(console, show, &name, move |work| {
        let cancelled = || work.cancelled();
        let input = work::open(&source, Zeroes::Data, &cancelled)?;
        let attempt = |error| Problem::disk(format!("could not read `{}`", source.image.display()), error);
        match input {
            crate::disk::Input::Disk(disk) => Ok(disk),
            stream @ crate::disk::Input::Stream(_) => {
                let folder = work::temp_dir(&source, None);
                let limit = source.max_unpacked.as_bytes();
                work.stage("unpack", |progress| stream.into_disk(&folder, limit, progress)).map_err(attempt)
            }
        }
    })
}

fn ami(arguments: &PublishAmi, by_disk: BootMode) -> Result<AmiPlan, Problem> {
    let arch = match (arguments.arch, Arch::host()) {
        (Some(arch), _) => arch.into(),
        (None, Some(host)) => host,
        (None, None) => {
            return Err(
                Problem::usage("the architecture of the disk is not said").hint("`--arch ARCH` says it")
            );
        }
    };
    let usual = if arch == Arch::Aarch64 { BootMode::Uefi } else { by_disk };
    let uefi_data = arguments.uefi_data.as_deref().map(absolute).transpose()?;
    Ok(AmiPlan {
        description: arguments.description.clone(),
        ena: !arguments.no_ena,
        sriov: arguments.sriov,
        imds_v2: !arguments.no_imds_v2,
        tpm: arguments.tpm,
        uefi_data,
        root_device: arguments.root_device.clone(),
        volume: AmiVolume {
            size: arguments.volume_size,
            kind: arguments.volume_type.into(),
            iops: arguments.iops,
            throughput: arguments.throughput,
            keep: arguments.keep_volume,
            encrypted: arguments.encrypted || arguments.kms_key.is_some(),
            kms_key: arguments.kms_key.clone(),
        },
        parent: arguments.parent.clone(),
        tags: arguments.tags.iter().cloned().collect(),
        ..AmiPlan::new(&arguments.name, arch, arguments.boot_mode.map_or(usual, Into::into))
    })
}

fn checked(ami: &AmiPlan) -> Result<(), Problem> {
    match ami.faults().into_iter().next() {
        None => Ok(()),
        Some(fault) => {
            // Keys of a definition are called like the options, but for the list of tags.
            let option = if fault.key == "tags" { "tag" } else { fault.key };
            Err(Problem::usage(fault.why).hint(format!("this is about `--{option}`")))
        }
    }
}

/// What the disk can start by, as its partitions say: an EFI system partition, a place for a boot loader of BIOS.
fn boot_mode(disk: &dyn DiskRead) -> BootMode {
    let partitions = gpt::read(disk).unwrap_or_default();
    let has = |kind| partitions.iter().any(|partition| partition.type_guid == kind);
    match (has(gpt::EFI_SYSTEM), has(gpt::BIOS_BOOT)) {
        (true, true) => BootMode::UefiPreferred,
        (true, false) => BootMode::Uefi,
        (false, _) => BootMode::Bios,
    }
}

/// ```text
/// ✓ ami-0123 in 12 s
///
///   name      web-1
/// ```
fn summary(theme: &Theme, published: &Published, source: &Path, seconds: HumanDuration) -> String {
    let Published { ami, disk_bytes, .. } = published;
    let rows = [
        ("name", ami.name.clone()),
        ("region", ami.region.clone()),
        ("snapshot", ami.snapshot.clone()),
        (
            "disk",
            format!("{} ({} virtual, {})", theme.path(source), Size::bytes(*disk_bytes), traffic(published)),
        ),
        ("try it", format!("aws ec2 run-instances --region {} --image-id {}", ami.region, ami.id)),
    ];
    let mut text = format!(
        "{} {} in {}\n",
        theme.mark(true),
        theme.paint(Tone::Strong, &ami.id),
        theme.paint(Tone::Strong, seconds.to_string())
    );
    for (label, value) in rows {
        text.push_str(&format!("\n  {} {value}", theme.paint(Tone::Dim, format!("{label:<9}"))));
    }
    text
}

/// How much of the disk was sent, and where the rest is.
fn traffic(published: &Published) -> String {
    let Published { blocks_sent, blocks_known, blocks_unchanged, .. } = *published;
    let size = |blocks: u64| Size::bytes(blocks * crate::disk::FEED_BLOCK as u64);
    let sent = size(blocks_sent);
    match (blocks_known, blocks_unchanged) {
        (0, 0) => format!("{sent} sent"),
        (known, 0) => format!("{sent} sent, {} arrived before", size(known)),
        (0, unchanged) => {
            format!("{sent} of {} sent, the rest is the parent's", size(blocks_sent + unchanged))
        }
        (known, unchanged) => format!(
            "{sent} of {} sent, {} arrived before, the rest is the parent's",
            size(blocks_sent + known + unchanged),
            size(known)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::ami::Ami;
    use test_case::test_case;

    #[test_case(2, 0, 0 => "1 MiB sent")]
    #[test_case(2, 4, 0 => "1 MiB sent, 2 MiB arrived before")]
    #[test_case(2, 0, 18 => "1 MiB of 10 MiB sent, the rest is the parent's")]
    #[test_case(2, 4, 14 => "1 MiB of 10 MiB sent, 2 MiB arrived before, the rest is the parent's")]
    #[test_case(0, 0, 20 => "0 B of 10 MiB sent, the rest is the parent's")]
    fn what_was_not_sent_is_somewhere(sent: u64, known: u64, unchanged: u64) -> String {
        traffic(&Published {
            ami: Ami {
                id: "ami-1".into(),
                name: "web".into(),
                region: "r".into(),
                snapshot: "snap-1".into(),
            },
            disk_bytes: 1 << 30,
            blocks_sent: sent,
            blocks_known: known,
            blocks_unchanged: unchanged,
            blocks_repeated: 0,
        })
    }

    #[test]
    fn an_upload_that_is_kept_is_told_by_the_exit_code() {
        assert_eq!(with_leftovers(Exit::Interrupted, true), Exit::InterruptedLeftovers);
        assert_eq!(with_leftovers(Exit::Failed, true), Exit::Leftovers);
        assert_eq!(with_leftovers(Exit::Interrupted, false), Exit::Interrupted);
        assert_eq!(with_leftovers(Exit::Failed, false), Exit::Failed);
    }
}
