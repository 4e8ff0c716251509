//! Container images of disks, as readers that are not ours see them.
use goldsmith::disk::{ContainerImage, write_container};
use std::{path::Path, process::Command};

fn image() -> ContainerImage {
    ContainerImage {
        arch: "amd64".into(),
        name: "ubuntu-2404-container-disk".into(),
        tag: "latest".into(),
        file: "image.qcow2".into(),
    }
}

fn written(folder: &Path, bytes: usize) -> (Vec<u8>, std::path::PathBuf) {
    let disk: Vec<u8> = (0..bytes).map(|at| (at * 7 % 251) as u8).collect();
    let path = folder.join("disk.qcow2");
    std::fs::write(&path, &disk).unwrap();
    let to = folder.join("image.tar");
    write_container(&path, &to, &image()).unwrap();
    (disk, to)
}

/// Follows the digests from `index.json` down, and prints what is in the layer.
const READ: &str = r#"
import hashlib, io, json, sys, tarfile
outer = tarfile.open(sys.argv[1])
get = lambda name: outer.extractfile(name).read()
def blob(said):
    name = said["digest"].replace("sha256:", "blobs/sha256/")
    data = get(name)
    assert len(data) == said["size"], said
    assert "sha256:" + hashlib.sha256(data).hexdigest() == said["digest"], said
    return data
assert json.loads(get("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
index = json.loads(get("index.json"))
[entry] = index["manifests"]
manifest = json.loads(blob(entry))
config = json.loads(blob(manifest["config"]))
[layer] = manifest["layers"]
assert config["rootfs"] == {"type": "layers", "diff_ids": [layer["digest"]]}
assert (config["architecture"], config["os"]) == ("amd64", "linux")
inner = tarfile.open(fileobj=io.BytesIO(blob(layer)))
for member in inner:
    data = inner.extractfile(member).read() if member.isfile() else b""
    print(member.name, member.isdir(), member.uid, member.gid, oct(member.mode), hashlib.sha256(data).hexdigest())
"#;

#[test]
fn pythons_tarfile_finds_the_disk_by_digests() {
    for bytes in [0, 1, 512, (1 << 20) + 513] {
        let folder = tempfile::tempdir().unwrap();
        let (disk, to) = written(folder.path(), bytes);
        let output = Command::new("python3").args(["-c", READ]).arg(&to).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let sum = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&disk));
        let empty = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(b""));
        let expected =
            format!("disk True 107 107 0o755 {empty}\ndisk/image.qcow2 False 107 107 0o644 {sum}\n");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }
}

#[test]
fn the_same_disk_gives_the_same_bytes_and_nothing_is_overwritten() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_, first) = written(one.path(), 70_000);
    let (_, second) = written(two.path(), 70_000);
    assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(second).unwrap());
    let error = write_container(&one.path().join("disk.qcow2"), &first, &image()).unwrap_err();
    assert_eq!(error.kind(), goldsmith::disk::DiskErrorKind::Exists);
}

/// What container engines use to copy images, where it is installed.
#[test]
fn skopeo_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let (_, to) = written(folder.path(), 70_000);
    let output = Command::new("skopeo").args(["inspect", &format!("oci-archive:{}", to.display())]).output();
    let Ok(output) = output else {
        eprintln!("skopeo is not installed: not looked at");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["Architecture"], "amd64");
    assert_eq!(said["Layers"].as_array().unwrap().len(), 1);
}
