//! An installer of ours, as small as it can be: Debian's kernel and initial RAM disk, with a script in place of the one that
//! boots the system. It stands in for installers whose media cannot be had, to show what only a whole installation shows: the
//! second medium found by its label, the restart into what was installed, the disk that is kept.
use super::iso;
use crate::support::{Home, base, beside, tool};
use goldsmith::disk::{self, DiskRead, ExtentKind};
use std::{
    fmt::Write as _,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// Data of a disk is copied in blocks of this size.
const BLOCK: u64 = 1 << 20;

/// The medium: it installs the demo's system.
pub(super) fn medium() -> &'static Path {
    static MEDIUM: OnceLock<PathBuf> = OnceLock::new();
    MEDIUM.get_or_init(|| {
        let tree = Home::new("stand-in").root.join("medium");
        let _ = std::fs::remove_dir_all(&tree);
        std::fs::create_dir_all(tree.join("boot/grub")).unwrap();
        let image = base().qcow2();
        let disk: Arc<dyn DiskRead> =
            Arc::from(disk::open(&image, None, &disk::OpenOptions::default()).unwrap());
        write_system(&*disk, &tree);
        write_boot(&disk, &tree);
        let path = iso(&tree, "STAND_IN", &[]);
        std::fs::remove_dir_all(&tree).unwrap();
        path
    })
}

/// The blocks of `disk` that hold data, and a list of where they belong.
fn write_system(disk: &dyn DiskRead, tree: &Path) {
    let mut wanted = vec![false; disk.size().div_ceil(BLOCK) as usize];
    let mut at = 0;
    while at < disk.size() {
        let extent = disk.extent_at(at).unwrap();
        if extent.kind == ExtentKind::Data {
            wanted[(at / BLOCK) as usize..=((at + extent.len - 1) / BLOCK) as usize].fill(true);
        }
        at += extent.len;
    }
    let (mut blocks, mut map, mut written) =
        (File::create(tree.join("system.blocks")).unwrap(), String::new(), 0);
    let mut run: Option<(usize, usize)> = None;
    for (index, wanted) in wanted.iter().copied().chain([false]).enumerate() {
        match (&mut run, wanted) {
            (None, true) => run = Some((index, 1)),
            (Some((_, count)), true) => *count += 1,
            (Some((seek, count)), false) => {
                writeln!(map, "{seek} {count} {written}").unwrap();
                written += *count;
                run = None;
            }
            (None, false) => {}
        }
        if wanted {
            let at = index as u64 * BLOCK;
            let mut block = vec![0; BLOCK as usize];
            let length = BLOCK.min(disk.size() - at) as usize;
            disk.read_at(&mut block[..length], at).unwrap();
            blocks.write_all(&block).unwrap();
        }
    }
    std::fs::write(tree.join("system.map"), map).unwrap();
}

/// What the script loads, in this order, from Debian's kernel for real machines: the demo's own has no driver for CD-ROM drives.
const MODULES: &str = "drivers/scsi/scsi_common drivers/scsi/scsi_mod drivers/ata/libata drivers/ata/libahci drivers/ata/ahci \
    drivers/cdrom/cdrom drivers/scsi/sr_mod fs/isofs/isofs drivers/virtio/virtio_ring drivers/virtio/virtio \
    drivers/virtio/virtio_pci_legacy_dev drivers/virtio/virtio_pci_modern_dev drivers/virtio/virtio_pci drivers/block/virtio_blk \
    lib/crc16 crypto/crc32c_generic fs/mbcache fs/jbd2/jbd2 fs/ext4/ext4 fs/nls/nls_cp437 fs/nls/nls_ascii fs/fat/fat fs/fat/vfat";

/// Debian's kernel with the demo's initial RAM disk and what the script needs, and a boot menu.
fn write_boot(disk: &Arc<dyn DiskRead>, tree: &Path) {
    let root = disk::look::open_root(Arc::clone(disk)).unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(tree.join("boot").join(name), bytes).unwrap();
    put("initrd.img", &root.read("/initrd.img").unwrap());
    let kernel = tree.with_extension("kernel");
    let (modules, image) = fetch(&kernel);
    put("vmlinuz", &std::fs::read(image).unwrap());
    let more = tree.join("more");
    std::fs::create_dir_all(more.join("stand-in")).unwrap();
    let mut order = String::new();
    for module in MODULES.split_whitespace() {
        let name = format!("{}.ko", module.rsplit('/').next().unwrap());
        let from = modules.join("kernel").join(module).with_extension("ko");
        // What is built into a kernel has no file.
        if from.exists() {
            std::fs::copy(from, more.join("stand-in").join(&name)).unwrap();
            writeln!(order, "{name}").unwrap();
        }
    }
    std::fs::write(more.join("stand-in/order"), order).unwrap();
    std::fs::copy(kernel.join("bin/busybox"), more.join("stand-in/busybox")).unwrap();
    std::fs::write(more.join("init"), include_str!("init.sh")).unwrap();
    tool("chmod", &["755", "init"], &more);
    tool("sh", &["-c", "find . | cpio -o -H newc --quiet > ../boot/more.img"], &more);
    std::fs::remove_dir_all(&more).unwrap();
    std::fs::remove_dir_all(&kernel).unwrap();
    let menu = "set timeout=5\nmenuentry 'Install the stand-in' {\n  linux /boot/vmlinuz kept=yes quiet\n  \
                initrd /boot/initrd.img /boot/more.img\n}\n";
    std::fs::write(tree.join("boot/grub/grub.cfg"), menu).unwrap();
}

/// Unpacks Debian's kernel and a shell's tools into `folder`: the kernel's modules and its image.
fn fetch(folder: &Path) -> (PathBuf, PathBuf) {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).unwrap();
    let depends = tool("apt-cache", &["depends", "--important", "linux-image-amd64"], folder);
    let package = depends
        .split_whitespace()
        .find(|word| word.starts_with("linux-image-") && *word != "linux-image-amd64")
        .expect("linux-image-amd64 depends on a kernel");
    tool("apt-get", &["download", "-q", package, "busybox-static"], folder);
    tool("sh", &["-c", "for deb in *.deb; do dpkg-deb -x $deb . && rm $deb; done"], folder);
    let modules = std::fs::read_dir(folder.join("lib/modules")).unwrap().next().unwrap().unwrap().path();
    let version = modules.file_name().unwrap().to_str().unwrap().to_owned();
    (modules, folder.join(format!("boot/vmlinuz-{version}")))
}

fn definition(home: &Home, name: &str, conf: &str, rest: &str) -> PathBuf {
    let text = format!(
        "name = \"{name}\"\n[source.iso]\npath = \"{}\"\narguments = [\"console=ttyS0,115200\"]\ntimeout = \"5m\"\n\
         [[source.iso.answers.file]]\nname = \"install.conf\"\ncontent = \"{conf}\"\n\
         [machine]\nfirmware = \"efi\"\nmemory = \"1GiB\"\ndisk = \"5GiB\"\n[guest]\nseed = \"credentials\"\n{rest}\n",
        medium().display()
    );
    home.definition(name, &text)
}

#[test]
fn an_installed_system_is_provisioned_proved_and_kept_for_the_next_build() {
    let _turn = beside();
    let home = Home::new("installed");
    let rest = |step: &str| {
        format!(
            "[[provision]]\nshell = \"test -d /sys/firmware/efi; grep -q second /etc/installed-by; echo {step} >/etc/step\"\n\
             [[output]]\nformat = \"raw.gz\"\n[verify]\nboot = true\n\
             commands = [\"test -d /sys/firmware/efi\", \"grep -q {step} /etc/step\"]\n"
        )
    };
    let conf = "marker='read from the second medium'\\n";
    let first = definition(&home, "installed", conf, &rest("one"));
    let ran = home.run(&["build", first.to_str().unwrap()]).expect_code(0);
    let told = ran.stderr();
    assert!(told.contains("stage install done"), "{told}");
    let logs = std::fs::read_dir(home.root.join("s/logs")).unwrap().next().unwrap().unwrap().path();
    let console = std::fs::read(logs.join("serial-install.log")).unwrap();
    assert!(String::from_utf8_lossy(&console).contains("stand-in: started by EFI"), "the installer, too");
    home.assert_clean("a build from an ISO");
    tool("gzip", &["-t", "installed.raw.gz"], &home.out());
    let kept = std::fs::read_dir(home.root.join("cache/installed")).unwrap().count();
    assert_eq!(kept, 1, "the installed disk is kept");
    // The next build with another step begins with the kept disk. That it does is told before anything slow happens.
    let second = definition(
        &home,
        "again",
        conf,
        "[[provision]]\nshell = \"grep -q second /etc/installed-by; false\"\n[[output]]\nformat = \"raw\"\n",
    );
    let again = home.run(&["build", second.to_str().unwrap()]).expect_code(1);
    let told = again.stderr();
    assert!(told.contains("was installed before with the same answers"), "{told}");
    assert!(!told.contains("stage install") && told.contains("stage provision"), "{told}");
    home.assert_clean("a failed build from a kept disk");
}
