//! The proof alone: an image that exists already is looked into, booted and checked against a definition.
use super::{
    Artifact, BuildError, BuildErrorKind, BuildResult, LocalUndoer,
    convert::{Converted, Staged},
    login, preflight,
    recipe::Live,
    stage::Stages,
    verify,
    world::World,
};
use crate::{
    cx::{Cx, Event, Unit},
    disk::{self, Detected, Format, Packing},
    plan::{OutputFormat, Plan},
    value::Size,
};
use sha2::{Digest, Sha256};
use std::{fs::File, io::Read, os::unix::fs::MetadataExt, path::Path};

/// The stages of a proof alone, in order.
pub(super) const PROOF_STAGES: [&str; 3] = ["preflight", "source", "verify"];

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// Proves the image at `path` against `plan`. Nothing is written but into the build's own work folder.
pub(super) async fn image(
    cx: &Cx,
    world: &dyn World,
    plan: &Plan,
    path: &Path,
    undoer: &LocalUndoer<'_>,
    stages: &mut Stages<'_>,
    live: &mut Live,
) -> Result<BuildResult, BuildError> {
    let ready = stages.run("preflight", None, preflight::machine(cx, world, plan)).await?;
    let staged = stages.run("source", None, look(cx, path)).await?;
    let keys = login::write_seed(cx, plan, &ready.secrets, "proof").await?;
    // Facts of the machine it was built in are not known any more.
    let facts = serde_json::Value::Null;
    let built = verify::Built { facts: &facts, login: &keys.login(plan) };
    let staged = Converted { outputs: vec![staged], sent: None };
    let proofs = stages
        .run("verify", None, verify::all(cx, world, plan, &ready, &staged, &built, undoer, live))
        .await?;
    let artifacts = staged
        .outputs
        .into_iter()
        .zip(proofs)
        .map(|(output, verified)| Artifact {
            path: output.path,
            format: output.format,
            file_bytes: output.file_bytes,
            allocated_bytes: output.allocated_bytes,
            virtual_bytes: output.virtual_bytes,
            sha256: output.sha256,
            verified,
        })
        .collect();
    let source = format!("`{}`, as it was", path.display());
    Ok(BuildResult {
        artifacts,
        amis: Vec::new(),
        kept: Vec::new(),
        machine: ready.readiness,
        guest: facts,
        source,
    })
}

/// What the file is.
async fn look(cx: &Cx, path: &Path) -> Result<Staged, BuildError> {
    let because = |error: Box<dyn std::error::Error + Send + Sync>| {
        BuildError::because(format!("could not look at the image `{}`", path.display()), error)
            .kind_unless_interrupted(BuildErrorKind::Preflight)
    };
    let (source, work) = (path.to_owned(), cx.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let format = match disk::detect(&source)? {
            Detected::Image(format) => of_image(format),
            Detected::Foreign(name) => {
                return Err(disk::DiskError::unsupported(format!("a {name} is not proved here")));
            }
            Detected::Packed(packing) => of_packed(packing).ok_or_else(|| {
                disk::DiskError::unsupported(format!("an image inside {packing} is not proved here"))
            })?,
        };
        let virtual_bytes = if format.is_packed() {
            0
        } else {
            disk::open(&source, None, &disk::OpenOptions::default())?.size()
        };
        let hashed =
            digest(&work, &source).map_err(|error| disk::DiskError::io("could not read it", error))?;
        Ok::<_, disk::DiskError>((format, virtual_bytes, hashed))
    })
    .await
    .map_err(|error| because(error.into()))?;
    cx.emit(Event::ProgressFinished { what: "read the image".to_owned() });
    cx.check()?;
    let (format, virtual_bytes, (sha256, file_bytes, allocated_bytes)) =
        looked.map_err(|error| because(error.into()))?;
    Ok(Staged {
        format,
        path: path.to_owned(),
        destination: path.to_owned(),
        file_bytes: Size::bytes(file_bytes),
        allocated_bytes: Size::bytes(allocated_bytes),
        virtual_bytes: Size::bytes(virtual_bytes),
        sha256,
    })
}

fn of_image(format: Format) -> OutputFormat {
    match format {
        Format::Raw => OutputFormat::Raw,
        Format::Qcow2 => OutputFormat::Qcow2,
        Format::Vmdk => OutputFormat::Vmdk,
        Format::Ova => OutputFormat::Ova,
        Format::Vhd => OutputFormat::Vhd,
    }
}

fn of_packed(packing: Packing) -> Option<OutputFormat> {
    match packing {
        Packing::Gzip => Some(OutputFormat::RawGz),
        Packing::Xz => Some(OutputFormat::RawXz),
        Packing::Zstd => Some(OutputFormat::RawZst),
        Packing::Lz4 => Some(OutputFormat::RawLz4),
        Packing::Bzip2 => None,
    }
}

/// SHA-256, size and allocated bytes of a file.
fn digest(cx: &Cx, path: &Path) -> std::io::Result<(String, u64, u64)> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let (mut hash, mut buffer, mut done) = (Sha256::new(), vec![0; CHUNK], 0);
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 || cx.stop().is_cancelled() {
            return Ok((hex::encode(hash.finalize()), metadata.len(), metadata.blocks() * 512));
        }
        hash.update(&buffer[..n]);
        done += n as u64;
        cx.emit(Event::Progress {
            what: "read the image".to_owned(),
            done,
            total: Some(metadata.len()),
            unit: Unit::Bytes,
        });
    }
}
