//! How an installer is started with its answers, as it is on the medium of each system.
//!
//! The paths are those of the publishers' media: Ubuntu's live server and legacy server, Debian's netinst and DVD, the DVD, boot and
//! minimal media of RHEL and its rebuilds, and Photon's. The arguments of the medium's own boot menu are not used, so that a plan says
//! all of them without the medium: Anaconda looks for its second stage on all optical drives when nothing names it
//! ([parse-anaconda-repo](https://github.com/rhinstaller/anaconda/blob/main/dracut/parse-anaconda-repo.sh)).
use super::{AnswersPlan, InstallSystem, Installer};
use crate::{
    plan::{AnswerPlace, Firmware, InstallerBoot, TypedStep, TypedWait},
    value::{Arch, HumanDuration},
};

/// What installers print is followed on the last console.
const CONSOLES: &[&str] = &["console=tty0", "console=ttyS0,115200n8"];
/// There is no `ttyS0` on ARM's machines.
const CONSOLES_ARM: &[&str] = &["console=tty0", "console=ttyAMA0,115200n8"];

/// From power-on to GRUB's menu, which waits 30 s on Ubuntu's media and 60 s on Anaconda's. image-builder waits as long.
const TO_THE_MENU: HumanDuration = HumanDuration::seconds(10);
const TO_THE_PROMPT: HumanDuration = HumanDuration::seconds(2);
/// What is typed while GRUB reads a file may get lost.
const READS_KERNEL: HumanDuration = HumanDuration::seconds(5);
const READS_INITRD: HumanDuration = HumanDuration::seconds(15);

/// Why goldsmith knows no keys that start an installer with its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTyped {
    /// Answers are found in the initial RAM disk only.
    #[error(
        "the installer of {0} has its answers in its initial RAM disk, for which its kernel would have to be started directly"
    )]
    Initrd(InstallSystem),
    /// By BIOS the media start with a boot loader, or a kernel, that nothing is known about.
    #[error("by BIOS, goldsmith knows no keys for the boot menu of {0}")]
    Bios(InstallSystem),
}

impl NotTyped {
    /// What to do instead.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Initrd(_) => {
                "install it under KVM, where that is possible, make an `ova`, and `goldsmith publish vsphere`; or write answers and keys of your own:                  `[source.iso.answers]` and `[[source.iso.type]]`"
            }
            Self::Bios(_) => {
                "write `firmware = \"efi\"` in `[machine]`, or say what to type in `[[source.iso.type]]`"
            }
        }
    }
}

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

    /// The same as `direct` by keys, for machines whose kernel cannot be started directly: on the command line of GRUB. What is started by
    /// keys already stays.
    ///
    /// By EFI all media have GRUB, by BIOS only Ubuntu's: RHEL's up to 9 have isolinux, and so have Photon's and Debian's. The menu of isolinux is left for its
    /// prompt, where the label `linux` means the medium's own kernel with the menu's arguments, and more follow
    /// ([Red Hat](https://docs.redhat.com/en/documentation/red_hat_enterprise_linux/9/html/boot_options_for_rhel_installer/index)). GRUB's commands are
    /// `linux` and `initrd` everywhere: lorax writes `linuxefi` into the menus of Anaconda's media, but in Red Hat's GRUB for EFI that is
    /// the same function under its older name (`grub-core/loader/i386/efi/linux.c` registers both), and ARM's GRUB has `linux` alone.
    ///
    /// # Errors
    /// When there are no such keys.
    pub fn typed(&self, direct: &InstallerBoot) -> Result<InstallerBoot, NotTyped> {
        let InstallerBoot::Direct { kernel, initrd, arguments, .. } = direct else {
            return Ok(direct.clone());
        };
        if self.place() == AnswerPlace::Initrd {
            return Err(NotTyped::Initrd(self.system));
        }
        let step = |label: &str, after, keys: String| TypedStep {
            label: label.to_owned(),
            wait: TypedWait::Time(after),
            keys,
        };
        let (usual_kernel, usual_initrd) = self.kernel_and_initrd();
        if self.firmware == Firmware::Bios && self.installer != Installer::Subiquity {
            let is_usual = |path: &Option<String>, usual| path.as_deref().is_none_or(|path| path == usual);
            if !self.has_isolinux() || !is_usual(kernel, usual_kernel) || !is_usual(initrd, usual_initrd) {
                return Err(NotTyped::Bios(self.system));
            }
            let line = as_keys(&format!("linux {}", arguments.join(" ")));
            return Ok(InstallerBoot::Typed {
                steps: vec![
                    step("leave isolinux's menu", TO_THE_MENU, "<esc>".to_owned()),
                    step("start the installer", TO_THE_PROMPT, format!("{}<enter>", line.trim_end())),
                ],
            });
        }
        let kernel = grub_word(kernel.as_deref().unwrap_or(usual_kernel));
        let initrd = grub_word(initrd.as_deref().unwrap_or(usual_initrd));
        let words: Vec<String> = arguments.iter().map(|word| grub_word(word)).collect();
        let line = format!("linux {kernel} {}", words.join(" "));
        Ok(InstallerBoot::Typed {
            steps: vec![
                step("open GRUB's command line", TO_THE_MENU, "c".to_owned()),
                step("load the kernel", TO_THE_PROMPT, format!("{}<enter>", as_keys(line.trim_end()))),
                step(
                    "load the initial RAM disk",
                    READS_KERNEL,
                    format!("initrd {}<enter>", as_keys(&initrd)),
                ),
                step("start the installer", READS_INITRD, "boot<enter>".to_owned()),
            ],
        })
    }

    /// Whether the medium starts with isolinux by BIOS, and has the label `linux` there: lorax writes both up to version 9.
    fn has_isolinux(&self) -> bool {
        let major = self.version.split('.').next().and_then(|major| major.parse::<u8>().ok());
        self.installer == Installer::Anaconda && major.is_some_and(|major| major <= 9)
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

/// One word of GRUB's command line, which reads quotes as a shell does.
fn grub_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.,:/+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// In the notation of boot commands, in which `<` begins the name of a key.
fn as_keys(text: &str) -> String {
    text.replace('<', "<<On><<Off>")
}
