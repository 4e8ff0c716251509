//! The files that make a heap of packages a bootable system on exactly this disk.
use super::{
    archive::Archive,
    layout::{FileSystem, Layout},
};
use crate::plan::BootstrapPlan;

/// A file to put into the new system: path without a leading slash, content. Owned by root, mode 0644.
pub(super) type File = (String, String);

/// Files for every part of the new system.
pub(super) fn overlay(plan: &BootstrapPlan, archive: &Archive, layout: &Layout) -> Vec<File> {
    let file = |path: &str, content: String| (path.to_owned(), content);
    let mut files = vec![
        file("etc/fstab", fstab(layout)),
        file("etc/hostname", "localhost\n".to_owned()),
        file("etc/hosts", HOSTS.to_owned()),
        file("etc/default/grub", default_grub(plan)),
        file("etc/systemd/network/90-dhcp.network", NETWORK.to_owned()),
        file("etc/systemd/system/systemd-networkd-wait-online.service.d/any.conf", WAIT_ONLINE.to_owned()),
        file("etc/systemd/system/sshd-keygen.service", KEYGEN.to_owned()),
    ];
    if plan.cloud_init {
        files.push(file("etc/cloud/cloud.cfg.d/10_image.cfg", CLOUD.to_owned()));
    }
    if !archive.config.validity.is_empty() {
        let lines = archive.config.validity.join("\n");
        files.push(file(
            "etc/apt/apt.conf.d/90release-validity",
            format!("// The archive in the sources has expired Release files.\n{lines}\n"),
        ));
    }
    files
}

const HOSTS: &str = "\
127.0.0.1\tlocalhost
::1\t\tlocalhost ip6-localhost ip6-loopback
ff02::1\t\tip6-allnodes
ff02::2\t\tip6-allrouters
";

/// cloud-init's own files are called 10-…, so any datasource goes before this.
const NETWORK: &str = "\
# Every Ethernet port asks for an address, unless something more specific is configured.
[Match]
Name=en* eth*

[Network]
DHCP=yes
";

const WAIT_ONLINE: &str = "\
# A server has ports without a cable; one that works is enough.
[Service]
ExecStart=
ExecStart=/lib/systemd/systemd-networkd-wait-online --any --timeout=60
";

/// cloud-init orders itself before a unit of this name, and makes the keys when it has a datasource.
const KEYGEN: &str = "\
# An image must not carry host keys, and cloud-init makes none without a datasource.
[Unit]
Description=Make SSH host keys if there are none
ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key
Before=ssh.service
After=cloud-init.service

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=ssh.service
";

const CLOUD: &str = "\
# The locale stays as the image has it: generating one takes long, and fails where `locales` is not installed.
locale: false
";

fn fstab(layout: &Layout) -> String {
    let mut text = String::from("# <file system> <mount point> <type> <options> <dump> <pass>\n");
    for file_system in layout.by_depth() {
        let (options, pass) =
            if file_system.mount == "/" { ("defaults,errors=remount-ro", 1) } else { ("defaults", 2) };
        text.push_str(&format!("UUID={} {} ext4 {options} 0 {pass}\n", file_system.uuid, file_system.mount));
    }
    // The firmware reads it, the running system hardly: its absence must not stop a boot.
    text.push_str(&format!("UUID={} /boot/efi vfat umask=0077,nofail 0 0\n", layout.esp_uuid()));
    text
}

/// Unit and speed of a serial console on the kernel's command line.
fn serial(cmdline: &str) -> Option<(String, String)> {
    let console = cmdline.split_whitespace().rev().find_map(|word| word.strip_prefix("console=ttyS"))?;
    let (unit, options) = console.split_once(',').unwrap_or((console, "115200"));
    let speed: String = options.chars().take_while(char::is_ascii_digit).collect();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (digits(unit) && digits(&speed)).then(|| (unit.to_owned(), speed))
}

/// One word for a shell and for GRUB, whose quoting rules agree on single quotes.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "=,._:/@%+-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn default_grub(plan: &BootstrapPlan) -> String {
    let mut text = format!(
        "# Read by update-grub.\n\
         GRUB_DEFAULT=0\n\
         GRUB_TIMEOUT=1\n\
         GRUB_DISTRIBUTOR=`. /etc/os-release; echo ${{NAME%% *}}`\n\
         GRUB_CMDLINE_LINUX_DEFAULT=\n\
         GRUB_CMDLINE_LINUX={}\n\
         GRUB_DISABLE_OS_PROBER=true\n",
        quoted(plan.cmdline.trim())
    );
    match serial(&plan.cmdline) {
        Some((unit, speed)) => text.push_str(&format!(
            "GRUB_TERMINAL=\"console serial\"\nGRUB_SERIAL_COMMAND=\"serial --unit={unit} --speed={speed}\"\n"
        )),
        None => text.push_str("GRUB_TERMINAL=console\n"),
    }
    text
}

/// The first `grub.cfg`; the kernel's name is filled in when it is installed.
pub(super) fn grub_cfg(plan: &BootstrapPlan, layout: &Layout) -> String {
    let (boot, folder) = layout.boot();
    let mut text =
        String::from("# Made with the image; update-grub replaces it.\nset default=0\nset timeout=1\n");
    if let Some((unit, speed)) = serial(&plan.cmdline) {
        text.push_str(&format!(
            "serial --unit={unit} --speed={speed}\nterminal_input console serial\nterminal_output console serial\n"
        ));
    }
    let words: Vec<String> = plan.cmdline.split_whitespace().map(quoted).collect();
    text.push_str(&format!(
        "search --no-floppy --fs-uuid --set=root {}\n\
         menuentry \"GNU/Linux\" {{\n  \
         linux {folder}/@KERNEL@ root=UUID={} ro {}\n  \
         initrd {folder}/@INITRD@\n\
         }}\n",
        boot.uuid,
        layout.root().uuid,
        words.join(" ")
    ));
    text
}

/// Where GRUB keeps its files, as a path on the file system that holds `/boot`.
pub(super) fn grub_folder(layout: &Layout) -> String {
    format!("{}/grub", layout.boot().1)
}

/// What the GRUB on the boot partitions runs: find the file system, go on with its configuration.
pub(super) fn early_cfg(layout: &Layout) -> String {
    let folder = grub_folder(layout);
    format!(
        "search.fs_uuid {} root\nset prefix=($root){folder}\nconfigfile ($root){folder}/grub.cfg\n",
        layout.boot().0.uuid
    )
}

/// What the new system's initramfs holds, when the plan names modules: files that must be there before the kernel is
/// installed. Not `etc/initramfs-tools/modules`, which belongs to a package.
pub(super) fn initramfs(plan: &BootstrapPlan) -> Vec<File> {
    let mut settings = String::from(
        "# No swap to resume from; the root file system cannot be asked while the image is made.\nRESUME=none\nFSTYPE=ext4\n",
    );
    let mut files = Vec::new();
    if !plan.initramfs_modules.is_empty() {
        settings.push_str("MODULES=list\n");
        let mut modules = plan.initramfs_modules.join("\n");
        modules.push('\n');
        files.push(("usr/share/initramfs-tools/modules.d/image".to_owned(), modules));
    }
    files.push(("etc/initramfs-tools/conf.d/image".to_owned(), settings));
    files
}

/// Lines for `build.sh`: offset, KiB, UUID, label, mount point; the deepest mount point first.
pub(super) fn file_system_lines(layout: &Layout) -> String {
    let line = |fs: &&FileSystem| {
        let label = fs.label.as_deref().unwrap_or("-");
        format!("{}\t{}\t{}\t{label}\t{}\n", fs.offset, fs.bytes / 1024, fs.uuid, fs.mount)
    };
    layout.by_depth().iter().rev().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::layout::tests::plan, *};
    use crate::{cx::BuildId, plan::PartitionSize, value::Size};

    fn layout(partitions: &[(&str, PartitionSize)]) -> (BootstrapPlan, Layout) {
        let plan = plan(partitions);
        let layout = Layout::new(&plan, Size::gib(4), &BuildId::random()).unwrap();
        (plan, layout)
    }

    #[test]
    fn a_separate_boot_partition_changes_every_path_that_grub_sees() {
        let small = PartitionSize::Fixed(Size::mib(256));
        let (definition, split) = layout(&[("/boot", small), ("/", PartitionSize::Rest)]);
        assert!(grub_cfg(&definition, &split).contains("linux /@KERNEL@ root=UUID="));
        assert!(early_cfg(&split).contains("($root)/grub/grub.cfg"));
        assert!(early_cfg(&split).contains(&split.boot().0.uuid.to_string()));
        let (definition, whole) = layout(&[("/", PartitionSize::Rest)]);
        assert!(grub_cfg(&definition, &whole).contains("linux /boot/@KERNEL@ root=UUID="));
        assert!(early_cfg(&whole).contains("($root)/boot/grub/grub.cfg"));
    }

    #[test]
    fn fstab_mounts_from_the_root_downwards() {
        let small = PartitionSize::Fixed(Size::mib(256));
        let (_, layout) = layout(&[("/var/log", small), ("/var", small), ("/", PartitionSize::Rest)]);
        let mounts: Vec<String> =
            fstab(&layout).lines().skip(1).map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
        assert_eq!(mounts, ["/", "/var", "/var/log", "/boot/efi"]);
        assert!(file_system_lines(&layout).lines().next().unwrap().ends_with("\t/var/log"));
    }

    #[test]
    fn a_command_line_cannot_leave_its_quotes() {
        let (mut plan, layout) = layout(&[("/", PartitionSize::Rest)]);
        plan.cmdline = "quiet x='$(reboot)';a".into();
        assert!(grub_cfg(&plan, &layout).contains(r"ro quiet 'x='\''$(reboot)'\'';a'"));
        assert!(default_grub(&plan).contains(r"GRUB_CMDLINE_LINUX='quiet x='\''$(reboot)'\'';a'"));
        assert_eq!(serial("console=tty0 console=ttyS1,9600n8"), Some(("1".into(), "9600".into())));
        assert_eq!(serial("quiet"), None);
    }
}
