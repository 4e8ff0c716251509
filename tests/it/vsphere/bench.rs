//! What the tests of `publish vsphere` and `vsphere export` share: disks, OVAs, and the binary with a state of its own.
use super::vcsim::Vcsim;
use goldsmith::disk::{
    self, ConvertOptions, OpenOptions, OutputFormat, Target,
    ova::{ExtraDisk, Ova, OvaSpec},
};
use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

pub(crate) const MIB: u64 = 1 << 20;

pub(crate) struct Bench {
    root: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The binary in this folder, told about no vCenter.
    pub(crate) fn plain(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("goldsmith"));
        command.args(arguments).current_dir(self.root.path());
        for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "CI"]
        {
            command.env_remove(name);
        }
        for (name, _) in
            std::env::vars().filter(|(name, _)| name.starts_with("VSPHERE_") || name.starts_with("GOVC_"))
        {
            command.env_remove(name);
        }
        for (name, folder) in [
            ("GOLDSMITH_STATE_DIR", "state"),
            ("GOLDSMITH_CACHE_DIR", "cache"),
            ("GOLDSMITH_WORK_DIR", "work"),
        ] {
            command.env(name, self.path(folder));
        }
        command
    }

    /// The binary, told about this vCenter.
    pub(crate) fn command(&self, vcsim: &Vcsim, arguments: &[&str]) -> Command {
        let mut command = self.plain(arguments);
        command.args(["--thumbprint", vcsim.thumbprint_sha256()]);
        command
            .env("VSPHERE_SERVER", vcsim.host())
            .env("VSPHERE_USER", vcsim.user())
            .env("VSPHERE_PASSWORD", vcsim.password());
        command
    }

    /// `goldsmith publish vsphere IMAGE --cluster DC0_C0 …` to its end.
    pub(crate) fn publish(&self, vcsim: &Vcsim, image: &str, more: &[&str]) -> Output {
        self.command(vcsim, &["publish", "vsphere", image, "--cluster", "DC0_C0"])
            .args(more)
            .output()
            .unwrap()
    }

    /// `goldsmith gc`; what it says.
    pub(crate) fn gc(&self, vcsim: &Vcsim) -> String {
        let output =
            self.plain(&["gc", "--json"]).env("VSPHERE_PASSWORD", vcsim.password()).output().unwrap();
        said(&output)
    }

    /// A raw disk with data here and there.
    pub(crate) fn raw(&self, name: &str, mib: u64) -> PathBuf {
        let path = self.path(name);
        let file = fs::File::create(&path).unwrap();
        file.set_len(mib * MIB).unwrap();
        let mut state = mib | 1;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .take(3 * MIB as usize)
        .collect();
        file.write_all_at(&noise, MIB).unwrap();
        file.write_all_at(b"the end", mib * MIB - 7).unwrap();
        path
    }

    /// An OVA that our own `convert` makes of a disk of so many MiB.
    pub(crate) fn ova(&self, stem: &str, mib: u64) -> PathBuf {
        let raw = format!("{stem}.raw");
        self.raw(&raw, mib);
        let ova = format!("{stem}.ova");
        let output = self.plain(&["convert", &raw, "-o", &ova]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        self.path(&ova)
    }

    /// An OVA of two disks, of so many MiB.
    pub(crate) fn two(&self, stem: &str, one: u64, two: u64) -> PathBuf {
        self.raw("one.raw", one);
        self.raw("two.raw", two);
        let output = self.plain(&["convert", "two.raw", "-o", "two.vmdk"]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let disk = disk::open(&self.path("one.raw"), None, &OpenOptions::default()).unwrap();
        let mut target = Target::new(OutputFormat::Ova, self.path(&format!("{stem}.ova")));
        let mut spec = OvaSpec::new(stem);
        spec.disks = vec![ExtraDisk::Vmdk(self.path("two.vmdk"))];
        target.ova = Some(Box::new(spec));
        let options = ConvertOptions { threads: 1, needles: &[], progress: &|_| {}, cancelled: &|| false };
        disk::convert(&*disk, std::slice::from_ref(&target), &options).unwrap();
        target.path
    }

    /// The VMDK in an OVA.
    pub(crate) fn member(&self, ova: &Path) -> Vec<u8> {
        self.member_of(ova, None)
    }

    /// One of the VMDKs in an OVA.
    pub(crate) fn member_of(&self, ova: &Path, number: Option<usize>) -> Vec<u8> {
        let to = self.path("member.vmdk");
        let _ = fs::remove_file(&to);
        Ova::open_path(ova).unwrap().unpack_disk(number, &to, &|| false).unwrap();
        fs::read(to).unwrap()
    }

    /// Journals of tasks that owe something.
    pub(crate) fn journals(&self) -> usize {
        let folder = self.path("state/journal");
        fs::read_dir(folder).map_or(0, Iterator::count)
    }
}

pub(crate) fn said(output: &Output) -> String {
    format!(
        "{:?}\n{}\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The last line of `--json`.
pub(crate) fn result(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", said(output));
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap_or_default())
        .unwrap_or_else(|_| panic!("{}", said(output)))
}

/// What was uploaded to the fixture, in the order of names.
pub(crate) fn uploaded(vcsim: &Vcsim) -> Vec<Vec<u8>> {
    let folder = vcsim.trace_file().parent().unwrap().join("nfc");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}
