//! A disk in a container image, as KubeVirt boots it: an archive in the OCI layout with one layer, in which the disk is the only file.
//!
//! ```text
//!   blobs/sha256/<layer>     tar: disk/ and disk/image.qcow2, which belong to KubeVirt's user
//!   blobs/sha256/<config>    architecture, and the layer's digest again
//!   blobs/sha256/<manifest>  digests and sizes of both
//!   oci-layout, index.json   where to begin
//! ```
//!
//! The layer is written in one pass: the name of a blob is the digest of its bytes, so room is kept for its header, which is filled in at the end.
use super::{DiskError, ova::tar};
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

/// The user that KubeVirt's QEMU runs as.
const OWNER: u32 = 107;
/// So many bytes are read at once.
const PIECE: usize = 1 << 20;

/// What a container image is called and for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerImage {
    /// As container engines name architectures: `amd64`.
    pub arch: String,
    /// Its name, such as `ubuntu-2404-container-disk`.
    pub name: String,
    /// Its tag.
    pub tag: String,
    /// The disk's name in it, in the folder `disk`.
    pub file: String,
}

/// Writes `image` of the file `disk` to `to`, which must not be there. The same disk gives the same bytes.
///
/// # Errors
/// When a file cannot be read or written; then `to` may be half written.
pub fn write_container(disk: &Path, to: &Path, image: &ContainerImage) -> Result<(), DiskError> {
    let read = |error| DiskError::io(format!("read `{}`", disk.display()), error);
    let wrote = |error| DiskError::io(format!("write `{}`", to.display()), error);
    let mut source = File::open(disk).map_err(read)?;
    let len = source.metadata().map_err(read)?.len();
    let mut out = File::create_new(to).map_err(wrote)?;
    let head = tar::BLOCK + tar::BLOCK;
    let size = head + padded(len) + tar::END.len() as u64;
    // The layer's own header comes when its digest is known.
    out.seek(SeekFrom::Start(tar::BLOCK)).map_err(wrote)?;
    let mut layer = Hashing { out: &mut out, sum: Sha256::new() };
    layer.write_all(&owned("disk/", 0, true)?).map_err(wrote)?;
    layer.write_all(&owned(&format!("disk/{}", image.file), len, false)?).map_err(wrote)?;
    let mut piece = vec![0; PIECE];
    let mut left = len;
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        source.read_exact(&mut piece[..want]).map_err(read)?;
        layer.write_all(&piece[..want]).map_err(wrote)?;
        left -= want as u64;
    }
    layer.write_all(&vec![0; (padded(len) - len) as usize]).map_err(wrote)?;
    layer.write_all(&tar::END).map_err(wrote)?;
    let layer = hex::encode(layer.sum.finalize());
    // It is a whole number of blocks, so the next header follows at once.
    let end = out.stream_position().map_err(wrote)?;
    out.seek(SeekFrom::Start(0)).map_err(wrote)?;
    out.write_all(&tar::header(&format!("blobs/sha256/{layer}"), size)?).map_err(wrote)?;
    out.seek(SeekFrom::Start(end)).map_err(wrote)?;
    let mut add = |name: &str, bytes: &[u8]| -> Result<(), DiskError> {
        out.write_all(&tar::header(name, bytes.len() as u64)?).map_err(wrote)?;
        out.write_all(bytes).map_err(wrote)?;
        let gap = padded(bytes.len() as u64) as usize - bytes.len();
        out.write_all(&vec![0; gap]).map_err(wrote)
    };
    let config = serde_json::json!({
        "architecture": image.arch, "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] },
    });
    let config = config.to_string();
    let config_sum = hex::encode(Sha256::digest(config.as_bytes()));
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": format!("sha256:{config_sum}"), "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": format!("sha256:{layer}"), "size": size,
        }],
    });
    let manifest = manifest.to_string();
    let manifest_sum = hex::encode(Sha256::digest(manifest.as_bytes()));
    let index = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": format!("sha256:{manifest_sum}"), "size": manifest.len(),
            "platform": { "architecture": image.arch, "os": "linux" },
            "annotations": {
                "io.containerd.image.name": format!("docker.io/library/{}:{}", image.name, image.tag),
                "org.opencontainers.image.ref.name": image.tag,
            },
        }],
    });
    add(&format!("blobs/sha256/{config_sum}"), config.as_bytes())?;
    add(&format!("blobs/sha256/{manifest_sum}"), manifest.as_bytes())?;
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    add("index.json", index.to_string().as_bytes())?;
    out.write_all(&tar::END).map_err(wrote)?;
    out.sync_all().map_err(wrote)
}

/// `len` with what fills the last block.
fn padded(len: u64) -> u64 {
    len.next_multiple_of(tar::BLOCK)
}

/// The header of a file or a folder of KubeVirt's user.
fn owned(name: &str, len: u64, folder: bool) -> Result<[u8; tar::BLOCK as usize], DiskError> {
    let mut header = tar::header(name, len)?;
    let owner = format!("{OWNER:07o}\0");
    header[108..116].copy_from_slice(owner.as_bytes());
    header[116..124].copy_from_slice(owner.as_bytes());
    // Names of users would win over the numbers.
    header[265..329].fill(0);
    if folder {
        header[100..108].copy_from_slice(b"0000755\0");
        header[156] = b'5';
    }
    tar::seal(&mut header);
    Ok(header)
}

/// Everything that goes through is hashed.
struct Hashing<'a> {
    out: &'a mut File,
    sum: Sha256,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
