//! The machine as libvirt's domain XML. Pure: the same input gives the same text.
use super::firmware::UefiFirmware;
use crate::{
    driver::{Boot, Credential, DiskFormat, KernelBoot},
    value::Arch,
};
use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

/// Everything that the XML depends on.
#[derive(Debug, Clone)]
pub(super) struct DomainXml {
    /// Name of the domain.
    pub(super) name: String,
    /// Its UUID.
    pub(super) uuid: uuid::Uuid,
    /// The build's id, for the tag.
    pub(super) build: String,
    /// For people.
    pub(super) title: String,
    /// Architecture.
    pub(super) arch: Arch,
    /// KVM instead of TCG.
    pub(super) kvm: bool,
    /// Emulate one CPU without AVX: this QEMU gets more wrong.
    pub(super) distrusted: bool,
    /// Virtual CPUs.
    pub(super) cpus: u32,
    /// Memory in MiB.
    pub(super) memory_mib: u64,
    /// UEFI code and this machine's own variable store; BIOS without.
    pub(super) uefi: Option<(UefiFirmware, PathBuf)>,
    /// Disks in boot order.
    pub(super) disks: Vec<DiskXml>,
    /// For the guest's systemd.
    pub(super) credentials: Vec<Credential>,
    /// What it starts from.
    pub(super) boot: Boot,
    /// Files in its CD-ROM drives.
    pub(super) optical: Vec<PathBuf>,
    /// A restart ends it.
    pub(super) ends_at_restart: bool,
    /// The network has no way out.
    pub(super) isolated: bool,
    /// File for the serial console; a terminal for whoever opens it without.
    pub(super) serial: Option<PathBuf>,
    /// Socket of the guest agent's channel; libvirt chooses one without.
    pub(super) agent: Option<PathBuf>,
}

/// One disk.
#[derive(Debug, Clone)]
pub(super) struct DiskXml {
    /// The file.
    pub(super) path: PathBuf,
    /// Its format.
    pub(super) format: DiskFormat,
    /// The guest cannot write.
    pub(super) read_only: bool,
    /// Whether the image is an overlay. Then libvirt follows the chain by the formats that the overlays state (it refuses
    /// to guess); otherwise it is told that there is nothing below.
    pub(super) has_backing: bool,
    /// What lies below, nearest first, where the names that the overlays state do not hold.
    pub(super) below: Vec<BelowXml>,
}

/// One file below a disk.
#[derive(Debug, Clone)]
pub(super) struct BelowXml {
    /// The file.
    pub(super) path: PathBuf,
    /// QEMU's name of its format.
    pub(super) format: String,
}

/// What libvirt calls the network of a first interface, too.
const NETDEV: &str = "hostnet0";

/// XML namespace of arguments for QEMU.
const QEMU_NAMESPACE: &str = "http://libvirt.org/schemas/domain/qemu/1.0";

/// XML namespace of the tag that marks domains of a build.
const TAG_NAMESPACE: &str = "urn:goldsmith:build:1";

impl DomainXml {
    /// The text for `virDomainCreateXML`.
    pub(super) fn render(&self) -> String {
        let mut out = String::with_capacity(4096);
        // Writing to a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let x86 = self.arch == Arch::X86_64;
        let namespace = if self.isolated { format!(" xmlns:qemu='{QEMU_NAMESPACE}'") } else { String::new() };
        writeln!(out, "<domain type='{}'{namespace}>", if self.kvm { "kvm" } else { "qemu" })?;
        writeln!(out, "  <name>{}</name>", escape(&self.name))?;
        writeln!(out, "  <uuid>{}</uuid>", self.uuid)?;
        writeln!(out, "  <metadata>")?;
        writeln!(out, "    <g:build xmlns:g='{TAG_NAMESPACE}' id='{}'/>", escape(&self.build))?;
        writeln!(out, "  </metadata>")?;
        writeln!(out, "  <title>{}</title>", escape(&self.title))?;
        writeln!(out, "  <description>made by goldsmith, build {}</description>", escape(&self.build))?;
        writeln!(out, "  <memory unit='MiB'>{}</memory>", self.memory_mib)?;
        writeln!(out, "  <vcpu>{}</vcpu>", self.cpus())?;
        self.write_os(out)?;
        self.write_credentials(out)?;
        writeln!(out, "  <features>\n    <acpi/>")?;
        if x86 {
            writeln!(out, "    <apic/>")?;
        }
        writeln!(out, "  </features>")?;
        self.write_cpu(out)?;
        writeln!(out, "  <clock offset='utc'/>")?;
        writeln!(out, "  <on_poweroff>destroy</on_poweroff>")?;
        writeln!(
            out,
            "  <on_reboot>{}</on_reboot>",
            if self.ends_at_restart { "destroy" } else { "restart" }
        )?;
        writeln!(out, "  <on_crash>destroy</on_crash>")?;
        writeln!(out, "  <devices>")?;
        for (index, disk) in self.disks.iter().enumerate() {
            write_disk(out, index, disk)?;
        }
        for (index, path) in self.optical.iter().enumerate() {
            self.write_optical(out, index, path)?;
        }
        if x86 {
            // The PS/2 keyboard that every PC has is the one that boot loaders listen to.
            writeln!(out, "    <controller type='usb' model='none'/>")?;
        } else {
            writeln!(out, "    <controller type='usb' model='qemu-xhci'/>")?;
            writeln!(out, "    <input type='keyboard' bus='usb'/>")?;
        }
        if !self.isolated {
            writeln!(out, "    <interface type='user'>")?;
            writeln!(out, "      <mac address='{}'/>", self.mac())?;
            writeln!(out, "      <model type='virtio'/>")?;
            // No network boot, and no option ROM that would look for one.
            writeln!(out, "      <rom enabled='no'/>")?;
            writeln!(out, "    </interface>")?;
        }
        match &self.serial {
            Some(file) => {
                writeln!(out, "    <serial type='file'>")?;
                writeln!(out, "      <source path='{}'/>", escape_path(file))?;
            }
            None => writeln!(out, "    <serial type='pty'>")?,
        }
        writeln!(out, "      <target port='0'/>")?;
        writeln!(out, "    </serial>")?;
        writeln!(out, "    <channel type='unix'>")?;
        if let Some(agent) = &self.agent {
            writeln!(out, "      <source mode='bind' path='{}'/>", escape_path(agent))?;
        }
        writeln!(out, "      <target type='virtio' name='org.qemu.guest_agent.0'/>")?;
        writeln!(out, "    </channel>")?;
        writeln!(out, "    <audio id='1' type='none'/>")?;
        // A screen that nobody can connect to: screenshots come through the monitor.
        let video = if x86 { "type='vga' vram='16384'" } else { "type='virtio'" };
        writeln!(out, "    <video>\n      <model {video} heads='1'/>\n    </video>")?;
        writeln!(out, "    <memballoon model='none'/>")?;
        writeln!(out, "    <rng model='virtio'>")?;
        writeln!(out, "      <backend model='random'>/dev/urandom</backend>")?;
        writeln!(out, "    </rng>")?;
        if x86 {
            writeln!(out, "    <panic model='isa'/>")?;
        }
        writeln!(out, "  </devices>")?;
        if self.isolated {
            self.write_isolated_network(out)?;
        }
        writeln!(out, "</domain>")
    }

    /// A user network without a way out, which the XML has no word for. Forwarded ports still lead in.
    fn write_isolated_network(&self, out: &mut String) -> std::fmt::Result {
        // QEMU finds it a slot before it looks at those that libvirt chose, which are the first ones.
        let device =
            format!("virtio-net-pci,netdev={NETDEV},mac={},romfile=,bus=pcie.0,addr=0x10", self.mac());
        writeln!(out, "  <qemu:commandline>")?;
        for argument in ["-netdev", &format!("user,id={NETDEV},restrict=on"), "-device", &device] {
            writeln!(out, "    <qemu:arg value='{argument}'/>")?;
        }
        writeln!(out, "  </qemu:commandline>")
    }

    fn write_os(&self, out: &mut String) -> std::fmt::Result {
        let machine = match self.arch {
            Arch::X86_64 => "q35",
            Arch::Aarch64 => "virt",
        };
        writeln!(out, "  <os>")?;
        writeln!(out, "    <type arch='{}' machine='{machine}'>hvm</type>", self.arch)?;
        if let Some((firmware, variables)) = &self.uefi {
            let code = escape_path(&firmware.code);
            writeln!(out, "    <loader readonly='yes' secure='no' type='pflash'>{code}</loader>")?;
            let template =
                firmware.variables.as_deref().map(|path| format!(" template='{}'", escape_path(path)));
            let template = template.unwrap_or_default();
            writeln!(out, "    <nvram{template}>{}</nvram>", escape_path(variables))?;
        }
        if let Boot::Kernel(KernelBoot { kernel, initrd, cmdline }) = &self.boot {
            writeln!(out, "    <kernel>{}</kernel>", escape_path(kernel))?;
            writeln!(out, "    <initrd>{}</initrd>", escape_path(initrd))?;
            writeln!(out, "    <cmdline>{}</cmdline>", escape(cmdline))?;
        }
        writeln!(out, "  </os>")
    }

    /// A CD-ROM drive. Every kernel of an installer has drivers for these two buses.
    fn write_optical(&self, out: &mut String, index: usize, path: &Path) -> std::fmt::Result {
        let bus = if self.arch == Arch::X86_64 { "sata" } else { "scsi" };
        writeln!(out, "    <disk type='file' device='cdrom'>")?;
        writeln!(out, "      <driver name='qemu' type='raw' cache='unsafe'/>")?;
        writeln!(out, "      <source file='{}'/>", escape_path(path))?;
        writeln!(out, "      <target dev='{}' bus='{bus}'/>", device_name("sd", index))?;
        if index == 0 && self.boot == Boot::Optical {
            writeln!(out, "      <boot order='2'/>")?;
        }
        writeln!(out, "      <readonly/>")?;
        writeln!(out, "    </disk>")
    }

    /// By the firmware configuration device, from files: the guest's systemd looks there at its start
    /// (systemd.exec(5), "opt/io.systemd.credentials/"), and nothing of it is on QEMU's command line.
    fn write_credentials(&self, out: &mut String) -> std::fmt::Result {
        if self.credentials.is_empty() {
            return Ok(());
        }
        writeln!(out, "  <sysinfo type='fwcfg'>")?;
        for Credential { name, path } in &self.credentials {
            let (name, path) = (escape(name), escape_path(path));
            writeln!(out, "    <entry name='opt/io.systemd.credentials/{name}' file='{path}'/>")?;
        }
        writeln!(out, "  </sysinfo>")
    }

    fn is_distrusted(&self) -> bool {
        self.distrusted && !self.kvm && self.arch == Arch::X86_64
    }

    fn cpus(&self) -> u32 {
        if self.is_distrusted() { 1 } else { self.cpus }
    }

    fn write_cpu(&self, out: &mut String) -> std::fmt::Result {
        if self.is_distrusted() {
            // The newest named model without AVX; it has all that x86-64-v2 asks for.
            writeln!(out, "  <cpu mode='custom' match='exact' check='none'>")?;
            writeln!(out, "    <model fallback='forbid'>Nehalem</model>")?;
            writeln!(out, "    <topology sockets='1' cores='{}' threads='1'/>", self.cpus())?;
            return writeln!(out, "  </cpu>");
        }
        let mode = if self.kvm { "host-passthrough" } else { "maximum" };
        writeln!(out, "  <cpu mode='{mode}' check='none'>")?;
        writeln!(out, "    <topology sockets='1' cores='{}' threads='1'/>", self.cpus())?;
        if !self.kvm && self.arch == Arch::X86_64 {
            // With it, guests load kvm_amd for four seconds.
            writeln!(out, "    <feature policy='disable' name='svm'/>")?;
        }
        writeln!(out, "  </cpu>")
    }

    /// In QEMU's range, different for each machine, the same each time.
    fn mac(&self) -> String {
        let bytes = self.uuid.as_bytes();
        format!("52:54:00:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2])
    }
}

fn write_disk(out: &mut String, index: usize, disk: &DiskXml) -> std::fmt::Result {
    let format = match disk.format {
        DiskFormat::Raw => "raw",
        DiskFormat::Qcow2 => "qcow2",
        DiskFormat::Vmdk => "vmdk",
    };
    writeln!(out, "    <disk type='file' device='disk'>")?;
    // Nothing needs to survive a power cut of this host, hence no flushes. Holes must stay what the guest freed, hence no
    // detection of zeroes. A full disk pauses the machine instead of showing the guest errors that would end in the image.
    writeln!(
        out,
        "      <driver name='qemu' type='{format}' cache='unsafe' error_policy='stop' rerror_policy='stop' discard='unmap' detect_zeroes='off'/>"
    )?;
    writeln!(out, "      <source file='{}'/>", escape_path(&disk.path))?;
    for below in &disk.below {
        writeln!(out, "      <backingStore type='file'>")?;
        writeln!(out, "      <format type='{}'/>", escape(&below.format))?;
        writeln!(out, "      <source file='{}'/>", escape_path(&below.path))?;
    }
    if !disk.has_backing || !disk.below.is_empty() {
        writeln!(out, "      <backingStore/>")?;
    }
    for _ in &disk.below {
        writeln!(out, "      </backingStore>")?;
    }
    writeln!(out, "      <target dev='{}' bus='virtio'/>", device_name("vd", index))?;
    if index == 0 {
        writeln!(out, "      <boot order='1'/>")?;
    }
    if disk.read_only {
        writeln!(out, "      <readonly/>")?;
    }
    writeln!(out, "    </disk>")
}

/// With the prefix `vd`: `vda`, `vdb`, …, `vdz`, `vdaa`, …
fn device_name(prefix: &str, index: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = index + 1;
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'a' + (rest % 26) as u8));
        rest /= 26;
    }
    letters.iter().rev().fold(prefix.to_owned(), |name, letter| name + &letter.to_string())
}

/// Text for element content and attributes. Control characters cannot be in XML 1.0 at all and are dropped.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

fn escape_path(path: &Path) -> String {
    escape(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn domain(kvm: bool, efi: bool) -> DomainXml {
        DomainXml {
            name: "goldsmith-0123456789ab-build".into(),
            uuid: uuid::Uuid::from_u128(0x6f1b_5c6a_1111_5222_8333_4444_5555_6666),
            build: "0123456789ab".into(),
            title: "debian-12 (build)".into(),
            arch: Arch::X86_64,
            kvm,
            distrusted: false,
            cpus: 2,
            memory_mib: 1024,
            uefi: efi.then(|| {
                let firmware = UefiFirmware {
                    code: "/usr/share/OVMF/OVMF_CODE_4M.fd".into(),
                    variables: Some("/usr/share/OVMF/OVMF_VARS_4M.fd".into()),
                };
                (firmware, PathBuf::from("/work/build.nvram"))
            }),
            disks: vec![
                DiskXml {
                    path: "/work/disk.qcow2".into(),
                    format: DiskFormat::Qcow2,
                    read_only: false,
                    has_backing: true,
                    below: vec![],
                },
                DiskXml {
                    path: "/work/seed.img".into(),
                    format: DiskFormat::Raw,
                    read_only: true,
                    has_backing: false,
                    below: vec![],
                },
            ],
            credentials: vec![],
            boot: Boot::Disk,
            optical: vec![],
            ends_at_restart: false,
            isolated: false,
            serial: Some("/logs/serial-build.log".into()),
            agent: Some("/run/g/6f1b5c6a.agent".into()),
        }
    }

    #[test]
    fn an_emulator_that_gets_much_wrong_emulates_one_cpu_without_vectors() {
        let xml = DomainXml { distrusted: true, ..domain(false, false) }.render();
        assert!(
            xml.contains("<model fallback='forbid'>Nehalem</model>")
                && xml.contains("<vcpu>1</vcpu>")
                && xml.contains("cores='1'")
                && !xml.contains("maximum"),
            "{xml}"
        );
        let kvm = DomainXml { distrusted: true, ..domain(true, false) }.render();
        assert!(kvm.contains("host-passthrough") && kvm.contains("<vcpu>2</vcpu>"), "{kvm}");
    }

    #[test_case("bios-tcg", false, false)]
    #[test_case("bios-kvm", true, false)]
    #[test_case("efi-tcg", false, true)]
    #[test_case("efi-kvm", true, true)]
    fn the_xml_of_a_pc_is(name: &str, kvm: bool, efi: bool) {
        insta::assert_snapshot!(name, domain(kvm, efi).render());
    }

    #[test]
    fn credentials_come_from_files_that_only_the_guest_reads() {
        let mut domain = domain(false, false);
        domain.credentials =
            vec![Credential { name: "tmpfiles.extra".into(), path: "/work/it's.cred".into() }];
        let xml = domain.render();
        let entry = "<entry name='opt/io.systemd.credentials/tmpfiles.extra' file='/work/it&apos;s.cred'/>";
        assert!(xml.contains("<sysinfo type='fwcfg'>") && xml.contains(entry), "{xml}");
    }

    #[test]
    fn an_isolated_machine_has_a_network_that_ends_at_its_host() {
        let xml = DomainXml { isolated: true, ..domain(false, true) }.render();
        assert!(!xml.contains("<interface"), "{xml}");
        insta::assert_snapshot!("isolated", xml);
    }

    #[test_case(false)]
    #[test_case(true)]
    fn an_installer_starts_by_its_kernel_and_ends_with_a_restart(efi: bool) {
        let mut domain = domain(false, efi);
        domain.boot = Boot::Kernel(KernelBoot {
            kernel: "/work/vmlinuz".into(),
            initrd: "/work/initrd".into(),
            cmdline: "auto=true --- console=ttyS0 & 'more'".into(),
        });
        domain.optical = vec!["/cache/debian.iso".into()];
        domain.ends_at_restart = true;
        insta::assert_snapshot!(if efi { "installer-efi" } else { "installer-bios" }, domain.render());
    }

    #[test]
    fn an_empty_disk_leads_to_the_cdrom() {
        let mut domain = domain(false, false);
        domain.boot = Boot::Optical;
        domain.optical = vec!["/cache/one.iso".into(), "/work/two.iso".into()];
        let xml = domain.render();
        let at = |text: &str| xml.find(text).unwrap_or_else(|| panic!("no {text} in {xml}"));
        assert!(at("<boot order='1'/>") < at("<target dev='sda' bus='sata'/>"));
        assert!(at("<target dev='sda' bus='sata'/>") < at("<boot order='2'/>"));
        assert!(at("<boot order='2'/>") < at("<target dev='sdb' bus='sata'/>"));
        assert!(!xml.contains("order='3'"), "{xml}");
    }

    #[test]
    fn the_xml_of_an_arm_server_is() {
        let mut domain = domain(false, true);
        domain.arch = Arch::Aarch64;
        domain.agent = None;
        insta::assert_snapshot!("arm-efi-tcg", domain.render());
    }

    #[test]
    fn on_another_host_the_chain_is_spelt_out_and_the_console_is_a_terminal() {
        let mut domain = domain(false, true);
        domain.serial = None;
        if let Some((firmware, _)) = &mut domain.uefi {
            firmware.variables = None;
        }
        let below = |path: &str, format: &str| BelowXml { path: path.into(), format: format.into() };
        domain.disks[0].below = vec![below("/there/one", "qcow2"), below("/there/two", "raw")];
        insta::assert_snapshot!("another-host", domain.render());
    }

    #[test]
    fn names_and_paths_cannot_break_out_of_their_places() {
        let mut domain = domain(false, false);
        domain.title = "a & b <c> \u{1b}".into();
        domain.disks[0].path = "/tmp/it's \"here\"/<x>.qcow2".into();
        let xml = domain.render();
        assert!(xml.contains("<title>a &amp; b &lt;c&gt; </title>"), "{xml}");
        assert!(xml.contains("file='/tmp/it&apos;s &quot;here&quot;/&lt;x&gt;.qcow2'"), "{xml}");
    }

    #[test_case(0, "vda")]
    #[test_case(25, "vdz")]
    #[test_case(26, "vdaa")]
    #[test_case(701, "vdzz")]
    #[test_case(702, "vdaaa")]
    fn the_disk_with_index_is_called(index: usize, name: &str) {
        assert_eq!(device_name("vd", index), name);
    }

    #[test]
    fn machines_listen_on_no_network_port() {
        let xml = domain(false, true).render();
        assert!(
            !xml.contains("<graphics") && !xml.contains("listen") && !xml.contains("type='tcp'"),
            "{xml}"
        );
    }
}
