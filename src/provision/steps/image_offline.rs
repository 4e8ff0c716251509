//! Images of an offline build: this host has their parts, and sends them as an OCI layout, which containerd imports under their names.
use crate::{
    cx::Cx,
    fetch::{Fetcher, ImagePart},
    guest::{TreeTarget, quote},
    provision::runner::{StepError, Worker},
    value::Arch,
};
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// What of a manifest is looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Top {
    media_type: Option<String>,
    manifests: Option<serde_json::Value>,
}

/// Brings the image `name` into the guest; the folder there that holds its layout.
pub(super) async fn bring(worker: &Worker<'_>, name: &str, arch: Arch) -> Result<String, StepError> {
    let cx = worker.cx;
    let here = cx.work().join(format!("image-{}", uuid::Uuid::new_v4().simple()));
    let made = layout(cx, worker.fetcher, (name, arch), &here).await;
    let there = format!("/var/tmp/goldsmith-{}", uuid::Uuid::new_v4().simple());
    let sent = match made {
        Ok(()) => {
            let target = TreeTarget { timeout: worker.timeout.get(), ..TreeTarget::new(&there) };
            worker.guest.upload_tree(cx, &here, &target).await.map(drop).map_err(StepError::from)
        }
        Err(error) => Err(error),
    };
    // The work folder goes with the build; this is large, and has served.
    let _ = fs::remove_dir_all(&here);
    sent.map(|()| there)
}

/// The script that imports what is in `folder` and removes it.
pub(super) fn import(folder: &str, unpack: bool) -> String {
    let unpack = if unpack { "" } else { " --no-unpack" };
    format!(
        "d={}\ntar -C \"$d\" -cf \"$d.tar\" .\nrm -rf -- \"$d\"\n\
         c images import{unpack} \"$d.tar\" || {{ rm -f -- \"$d.tar\"; exit 1; }}\nrm -f -- \"$d.tar\"\n",
        quote(folder)
    )
}

/// Lays the parts of an image out in `folder`, as the OCI's image layout has it.
async fn layout(
    cx: &Cx,
    fetcher: &Fetcher,
    (name, arch): (&str, Arch),
    folder: &Path,
) -> Result<(), StepError> {
    let parts = fetcher.image(cx, name, arch).await.map_err(|error| StepError::Image(Box::new(error)))?;
    let local = |path: &Path| {
        let path = path.to_owned();
        move |source| StepError::Local { path, source }
    };
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(local(&blobs))?;
    let mut there = BTreeSet::new();
    for ImagePart { url, digest, .. } in &parts {
        if there.insert(digest.hex()) {
            let found = fetcher.get(cx, std::slice::from_ref(url), Some(digest)).await?;
            let blob = blobs.join(digest.hex());
            link(&found.path, &blob).map_err(local(&blob))?;
        }
    }
    let Some(top) = parts.first() else { return Ok(()) };
    let file = blobs.join(top.digest.hex());
    let bytes = fs::read(&file).map_err(local(&file))?;
    let read: Top =
        serde_json::from_slice(&bytes).map_err(|error| local(&file)(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    write(folder, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    write(folder, "index.json", index(name, &read, top).to_string().as_bytes())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), StepError> {
    let path: PathBuf = folder.join(name);
    fs::write(&path, bytes).map_err(|source| StepError::Local { path, source })
}

/// The index of the layout: one image, under the name that containerd gives it.
fn index(name: &str, read: &Top, top: &ImagePart) -> serde_json::Value {
    let kind = read.media_type.clone().unwrap_or_else(|| {
        let kind = if read.manifests.is_some() { "index" } else { "manifest" };
        format!("application/vnd.oci.image.{kind}.v1+json")
    });
    serde_json::json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": kind,
            "digest": top.digest.to_string(),
            "size": top.bytes,
            "annotations": { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name },
        }],
    })
}

/// The same file at another place: linked, or copied to another file system.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))
}
