//! How an installer is started with its answers, as it is on the medium of each system.
//!
//! The paths are those of the publishers' media: Ubuntu's live server and legacy server, Debian's netinst and DVD, the DVD, boot and
//! minimal media of RHEL and its rebuilds, and Photon's. The arguments of the medium's own boot menu are not used, so that a plan says
//! all of them without the medium: Anaconda looks for its second stage on all optical drives when nothing names it
//! ([parse-anaconda-repo](https://github.com/rhinstaller/anaconda/blob/main/dracut/parse-anaconda-repo.sh)).
use super::{AnswersPlan, InstallSystem, Installer};
use crate::{
    plan::{AnswerPlace, InstallerBoot},
    value::Arch,
};

/// What installers print is followed on the last console.
const CONSOLES: &[&str] = &["console=tty0", "console=ttyS0,115200n8"];
/// There is no `ttyS0` on ARM's machines.
const CONSOLES_ARM: &[&str] = &["console=tty0", "console=ttyAMA0,115200n8"];

impl AnswersPlan {
    /// Where the installer finds its answers. A volume is gone when the installed system boots for the first time: cloud-init in it
    /// would take `CIDATA` for its own.
    pub fn place(&self) -> AnswerPlace {
        match self.installer {
            // cloud-init of the live system reads it.
            Installer::Subiquity => AnswerPlace::Volume("CIDATA".to_owned()),
            // Anaconda looks for it by itself.
            Installer::Anaconda | Installer::Photon => AnswerPlace::Volume("OEMDRV".to_owned()),
            // It reads a `preseed.cfg` there before its first question.
            Installer::DebianInstaller => AnswerPlace::Initrd,
        }
    }

    /// Kernel and initial RAM disk on the medium, and all arguments of the kernel: the installer finds its answers, asks nothing, and can
    /// be followed on the serial line.
    pub fn boot(&self) -> InstallerBoot {
        let (kernel, initrd) = self.kernel_and_initrd();
        let consoles = match self.arch {
            Arch::X86_64 => CONSOLES,
            Arch::Aarch64 => CONSOLES_ARM,
        };
        InstallerBoot::Direct {
            kernel: Some(kernel.to_owned()),
            initrd: Some(initrd.to_owned()),
            arguments: self.arguments().iter().chain(consoles).map(|&word| word.to_owned()).collect(),
            keep_menu: false,
        }
    }

    fn kernel_and_initrd(&self) -> (&'static str, &'static str) {
        match (self.installer, self.arch) {
            (Installer::Subiquity, _) => ("/casper/vmlinuz", "/casper/initrd"),
            (Installer::Anaconda, _) => ("/images/pxeboot/vmlinuz", "/images/pxeboot/initrd.img"),
            (Installer::Photon, _) => ("/isolinux/vmlinuz", "/isolinux/initrd.img"),
            (Installer::DebianInstaller, _) if self.system == InstallSystem::Ubuntu => {
                ("/install/vmlinuz", "/install/initrd.gz")
            }
            (Installer::DebianInstaller, Arch::X86_64) => ("/install.amd/vmlinuz", "/install.amd/initrd.gz"),
            (Installer::DebianInstaller, Arch::Aarch64) => ("/install.a64/vmlinuz", "/install.a64/initrd.gz"),
        }
    }

    fn arguments(&self) -> &'static [&'static str] {
        match self.installer {
            // `autoinstall` answers the one question that is asked before the answers are believed.
            Installer::Subiquity => &["autoinstall", "ds=nocloud"],
            Installer::Anaconda => &["inst.ks=hd:LABEL=OEMDRV:/ks.cfg", "inst.cmdline"],
            // The preseed file in the initrd needs no word; named here it would be read twice, and its early commands run twice.
            // The text frontend writes lines where the usual one paints windows.
            Installer::DebianInstaller => &["auto=true", "priority=critical", "DEBIAN_FRONTEND=text"],
            Installer::Photon => &[
                "root=/dev/ram0",
                "loglevel=3",
                "ks=/dev/disk/by-label/OEMDRV:/ks.json",
                "photon.media=cdrom",
            ],
        }
    }
}
