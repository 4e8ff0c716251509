//! From the disk of the machine that was built to the files that are delivered: one pass, all formats.
use super::{
    BuildError, BuildErrorKind,
    dirs::make_private,
    login::Keys,
    world::{Upload, World},
};
use crate::{
    cx::{Cx, Event, Undo, Unit},
    disk::{
        self, BlockSink,
        ova::{GuestOs, OvaSpec, Property},
    },
    driver::{DiskFormat, ExportedDisk},
    guest::Facts,
    plan::{self, Compression, Firmware, OutputFormat, OvaPlan, Plan, StepKind},
    provision::{self, Secrets},
    value::Size,
};
use futures_util::future::try_join_all;
use std::{
    io,
    path::{Path, PathBuf},
};

/// The files, still in their staging folders.
pub(super) struct Converted {
    pub(super) outputs: Vec<Staged>,
    /// What is proved when there is no file: the disk as it was sent.
    pub(super) sent: Option<Staged>,
}

impl Converted {
    /// All that is to be proved.
    pub(super) fn to_prove(&self) -> impl Iterator<Item = &Staged> {
        self.outputs.iter().chain(&self.sent)
    }
}

/// One file that is complete but not yet proved, beside the place where it will be delivered.
pub(super) struct Staged {
    pub(super) format: OutputFormat,
    pub(super) path: PathBuf,
    pub(super) destination: PathBuf,
    pub(super) file_bytes: Size,
    pub(super) allocated_bytes: Size,
    pub(super) virtual_bytes: Size,
    pub(super) sha256: String,
}

impl Staged {
    /// Renames the file and its digest file into place.
    pub(super) async fn deliver(&self) -> io::Result<()> {
        let digest = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(".sha256");
            PathBuf::from(name)
        };
        // The digest first: a file without its digest would look delivered to whoever watches the folder.
        tokio::fs::rename(digest(&self.path), digest(&self.destination)).await?;
        tokio::fs::rename(&self.path, &self.destination).await
    }
}

/// Converts the exported disk into every output of the plan, and sends it to where its AMIs are made: all from one pass.
#[allow(clippy::too_many_arguments, reason = "each is one thing that conversion is about")]
pub(super) async fn outputs(
    cx: &Cx,
    world: &dyn World,
    plan: &Plan,
    exported: &ExportedDisk,
    backing: &[PathBuf],
    facts: &serde_json::Value,
    keys: &Keys,
    secrets: &Secrets,
) -> Result<(Converted, Vec<Box<dyn Upload>>), BuildError> {
    let because = |error: Box<dyn std::error::Error + Send + Sync>| {
        BuildError::because("could not convert the disk", error)
    };
    let mut staged = Vec::new();
    for output in &plan.outputs {
        staged.push(stage_path(cx, output)?);
    }
    let mut targets: Vec<disk::Target> =
        plan.outputs.iter().zip(&staged).map(|(output, path)| target(plan, output, facts, path)).collect();
    if targets.is_empty() {
        // AMIs only: what is sent must be proved, and nobody can boot it from there.
        targets.push(disk::Target::new(disk::OutputFormat::Qcow2, cx.work().join("sent.qcow2")));
    }
    let mut needles = keys.needles();
    needles.extend(secret_needles(cx, plan, facts, secrets).await?);
    let (source, backing) = (exported.clone(), backing.to_vec());
    let disk = tokio::task::spawn_blocking(move || {
        let format = match source.format {
            DiskFormat::Raw => disk::Format::Raw,
            DiskFormat::Qcow2 => disk::Format::Qcow2,
            DiskFormat::Vmdk => disk::Format::Vmdk,
        };
        disk::open(&source.path, Some(format), &open_options(&source.path, &backing))
    });
    let disk = disk.await.map_err(|error| because(error.into()))?.map_err(|error| because(error.into()))?;
    let mut uploads = Vec::new();
    for ami in &plan.amis {
        uploads.push(world.upload(cx, plan, ami, disk.size()).await?);
    }
    let feeds: Vec<Box<dyn BlockSink>> = uploads.iter_mut().map(|upload| upload.feed()).collect();
    let (progress, cancelled) = (cx.clone(), cx.stop().clone());
    let converting = tokio::task::spawn_blocking(move || {
        let report = |step: disk::Progress| {
            progress.emit(Event::Progress {
                what: "convert".to_owned(),
                done: step.done,
                total: Some(step.total),
                unit: Unit::Bytes,
            });
        };
        let options = disk::ConvertOptions {
            threads: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            needles: &needles,
            progress: &report,
            cancelled: &|| cancelled.is_cancelled(),
        };
        let feeds: Vec<&dyn BlockSink> = feeds.iter().map(|feed| &**feed).collect();
        disk::convert_and_feed(&*disk, &targets, &feeds, &options)
    });
    let sending = try_join_all(uploads.iter_mut().map(|upload| upload.send(cx)));
    let (converted, sent) = tokio::join!(converting, sending);
    cx.emit(Event::ProgressFinished { what: "convert".to_owned() });
    cx.check()?;
    let converted = converted.map_err(|error| because(error.into()))?;
    // A conversion whose blocks nobody takes any more fails because of that, and is not the cause.
    if !matches!(&converted, Err(error) if error.kind() != disk::DiskErrorKind::Closed) {
        sent?;
    }
    let converted = converted.map_err(|error| because(error.into()))?;

    if let Some(hit) = converted.found.first() {
        return Err(BuildError::new(
            BuildErrorKind::Unproven,
            format!("the image holds a secret of this build: {} at byte {}", hit.name, hit.offset),
        )
        .hint("the seal removes what goldsmith put into the guest; if a step copied it, remove the copy in a last step")
        .hint("blocks are only given back when trim is on: `[seal] trim = true`"));
    }
    for upload in &mut uploads {
        upload.complete(cx).await?;
    }
    let mut written = converted.outputs.into_iter();
    let outputs = plan
        .outputs
        .iter()
        .zip(written.by_ref())
        .map(|(output, written)| staged_file(output.format, written, output.path.clone()))
        .collect();
    let sent = written.next().map(|written| {
        let path = written.path.clone();
        staged_file(OutputFormat::Qcow2, written, path)
    });
    Ok((Converted { outputs, sent }, uploads))
}

fn staged_file(format: OutputFormat, written: disk::Written, destination: PathBuf) -> Staged {
    Staged {
        format,
        path: written.path,
        destination,
        file_bytes: Size::bytes(written.file_bytes),
        allocated_bytes: Size::bytes(written.allocated_bytes),
        virtual_bytes: Size::bytes(written.virtual_bytes),
        sha256: written.sha256,
    }
}

/// A hidden folder beside the destination, so that delivery is a rename and never a copy.
fn stage_path(cx: &Cx, output: &plan::OutputPlan) -> Result<PathBuf, BuildError> {
    let because = |error: Box<dyn std::error::Error + Send + Sync>| {
        BuildError::because(format!("could not prepare the folder of `{}`", output.path.display()), error)
    };
    let (Some(folder), Some(name)) = (output.path.parent(), output.path.file_name()) else {
        return Err(because("it names no file".into()));
    };
    std::fs::create_dir_all(folder).map_err(|error| because(error.into()))?;
    let staging = folder.join(format!(".goldsmith-{}", cx.id()));
    if !staging.exists() {
        let _ = cx.undo().plan(Undo::Path { path: staging.clone() })?;
        make_private(&staging).map_err(|error| because(error.into()))?;
    }
    Ok(staging.join(name))
}

/// The source put the chain together, from the work folder, the cache and the user's own image: only those are opened.
fn open_options(source: &Path, backing: &[PathBuf]) -> disk::OpenOptions {
    let folders = std::iter::once(source).chain(backing.iter().map(PathBuf::as_path));
    let within = folders.filter_map(Path::parent).map(Path::to_owned).collect();
    disk::OpenOptions { backing: disk::BackingPolicy::Within(within), ..disk::OpenOptions::default() }
}

/// Secrets that no step but a script was given, which would put them into the image on purpose, and that are long enough not
/// to be there by chance.
async fn secret_needles(
    cx: &Cx,
    plan: &Plan,
    facts: &serde_json::Value,
    secrets: &Secrets,
) -> Result<Vec<disk::Needle>, BuildError> {
    const SHORTEST: usize = 12;
    let mut needles = Vec::new();
    let facts: Option<Facts> = serde_json::from_value(facts.clone()).ok();
    let resolved = facts.and_then(|facts| provision::resolve(plan, &facts).ok());
    let steps = resolved.as_deref().unwrap_or(&plan.provision);
    let contents: Vec<String> = steps
        .iter()
        .filter(|step| !matches!(step.kind, StepKind::Shell(_)))
        .filter_map(|step| serde_json::to_string(&step.kind).ok())
        .collect();
    for name in plan.secrets.keys() {
        let placeholder = format!("${{secret.{name}}}");
        let on_purpose = contents.iter().any(|content| content.contains(&placeholder));
        let secret = secrets
            .get(cx, name)
            .await
            .map_err(|error| BuildError::because("a secret of the definition cannot be had", error))?;
        if !on_purpose && secret.expose().len() >= SHORTEST {
            let bytes = secret.expose().as_bytes().to_vec();
            needles.push(disk::Needle { name: format!("the secret `{name}`"), bytes });
        }
    }
    Ok(needles)
}

fn target(plan: &Plan, output: &plan::OutputPlan, facts: &serde_json::Value, path: &Path) -> disk::Target {
    let mut target = disk::Target::new(disk_format(output.format), path);
    target.level = output.level;
    target.qcow2 = match output.compression {
        None => disk::Qcow2Compression::None,
        Some(Compression::Zlib) => disk::Qcow2Compression::Zlib,
        Some(Compression::Zstd) => disk::Qcow2Compression::Zstd,
    };
    target.ova = output.ova.as_ref().map(|ova| Box::new(ova_spec(plan, ova, facts)));
    target
}

/// The machine that was built, as an OVA describes it.
fn ova_spec(plan: &Plan, ova: &OvaPlan, facts: &serde_json::Value) -> OvaSpec {
    let fact = |key: &str| facts.get(key).and_then(|value| value.as_str()).unwrap_or_default();
    let mut guest = GuestOs::from_os_release(fact("os-id"), fact("os-version"));
    if let Some(name) = &ova.guest_os {
        guest.vmware.clone_from(name);
    }
    OvaSpec {
        guest,
        cpus: plan.machine.cpus,
        memory_bytes: plan.machine.memory.as_mib_ceil() << 20,
        hardware_version: ova.hardware_version,
        firmware: match plan.machine.firmware {
            Firmware::Bios => disk::ova::Firmware::Bios,
            Firmware::Efi => disk::ova::Firmware::Efi,
        },
        secure_boot: ova.secure_boot,
        networks: ova.networks.clone(),
        product: ova.product.as_ref().map(|name| disk::ova::Product {
            name: name.clone(),
            vendor: ova.vendor.clone(),
            version: ova.version.clone(),
            ..disk::ova::Product::default()
        }),
        annotation: ova.annotation.clone(),
        properties: ova.properties.iter().map(|(key, value)| Property::fact(key, value)).collect(),
        ..OvaSpec::new(&plan.name)
    }
}

pub(super) const fn disk_format(format: OutputFormat) -> disk::OutputFormat {
    match format {
        OutputFormat::Raw => disk::OutputFormat::Raw,
        OutputFormat::RawGz => disk::OutputFormat::RawGz,
        OutputFormat::RawZst => disk::OutputFormat::RawZst,
        OutputFormat::RawXz => disk::OutputFormat::RawXz,
        OutputFormat::RawLz4 => disk::OutputFormat::RawLz4,
        OutputFormat::Qcow2 => disk::OutputFormat::Qcow2,
        OutputFormat::Vmdk => disk::OutputFormat::Vmdk,
        OutputFormat::Ova => disk::OutputFormat::Ova,
        OutputFormat::Vhd => disk::OutputFormat::Vhd,
    }
}
