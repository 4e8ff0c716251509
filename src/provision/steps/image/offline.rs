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
    let read: Top = serde_json::from_slice(&bytes)
        .map_err(|error| local(&file)(io::Error::new(io::ErrorKind::InvalidData, error)))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cx::tests_support::cx,
        fetch::{
            Gate,
            tests_stock::{Shelf, digest_of},
        },
    };
    use std::sync::Arc;

    #[tokio::test]
    async fn the_parts_of_an_image_become_a_layout() {
        let (config, layer) = (br#"{"architecture":"amd64"}"#, b"layer");
        let part = |bytes: &[u8]| format!(r#"{{"digest":"{}","size":{}}}"#, digest_of(bytes), bytes.len());
        let manifest =
            format!(r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#, part(config), part(layer));
        let index = format!(
            r#"{{"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[{{"digest":"{}","size":{},"platform":{{"os":"linux","architecture":"amd64"}}}}]}}"#,
            digest_of(manifest.as_bytes()),
            manifest.len()
        );
        let base = "https://registry.example.com/v2/a/pause";
        let blob = |bytes: &[u8]| format!("{base}/blobs/{}", digest_of(bytes));
        let inner = format!("{base}/manifests/{}", digest_of(manifest.as_bytes()));
        let files: [(&str, &[u8]); 4] = [
            (&format!("{base}/manifests/3.10"), index.as_bytes()),
            (&inner, manifest.as_bytes()),
            (&blob(config), config),
            (&blob(layer), layer),
        ];
        let cx = cx();
        let gate = Gate::closed(vec![Arc::new(Shelf::of(&files))], Vec::new());
        let fetcher = Fetcher::new(cx.work().join("cache")).behind(gate);
        let folder = cx.work().join("layout");
        let name = "registry.example.com/a/pause:3.10";
        layout(&cx, &fetcher, (name, Arch::X86_64), &folder).await.unwrap();
        let read = |path: &str| std::fs::read(folder.join(path)).unwrap();
        let said: serde_json::Value = serde_json::from_slice(&read("index.json")).unwrap();
        let top = &said["manifests"][0];
        assert_eq!(top["mediaType"], "application/vnd.docker.distribution.manifest.list.v2+json");
        assert_eq!(top["digest"], digest_of(index.as_bytes()).to_string());
        assert_eq!(top["size"], index.len());
        assert_eq!(top["annotations"]["io.containerd.image.name"], name);
        assert_eq!(read("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#);
        for bytes in [index.as_bytes(), manifest.as_bytes(), config, layer] {
            assert_eq!(read(&format!("blobs/sha256/{}", digest_of(bytes).hex())), bytes);
        }
        let other = layout(&cx, &fetcher, ("registry.example.com/a/other:1", Arch::X86_64), &folder).await;
        assert!(matches!(other, Err(StepError::Image(_))));
    }
}
