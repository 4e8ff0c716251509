//! The boot partitions: GRUB for BIOS by its sector numbers, shim and GRUB for UEFI on a FAT file system.
use super::{
    super::SourceError,
    archive::Distribution,
    esp::{self, Window},
    files,
    layout::Layout,
};
use crate::disk::gpt;
use std::{fs::File, os::unix::fs::FileExt, path::Path};

/// Modules of the core image: enough to find the file system and to run its `grub.cfg`.
pub(super) const BIOS_MODULES: &str =
    "biosdisk part_gpt ext2 normal linux search search_fs_uuid serial terminal configfile echo test gzio";

/// Writes partition table, BIOS boot code and EFI system partition onto `disk`, whose file systems are there already.
/// `parts` holds what the new system delivered: `boot.img`, `core.img`, `shim.efi`, `grub.efi`, perhaps `mm.efi`.
pub(super) fn write(
    disk: &Path,
    parts: &Path,
    layout: &Layout,
    distribution: Distribution,
) -> Result<(), SourceError> {
    let read = |name: &str| {
        let path = parts.join(name);
        std::fs::read(&path).map_err(|source| SourceError::io("read", &path, source))
    };
    let io = |source| SourceError::io("write", disk, source);
    let mut file = File::options().read(true).write(true).open(disk).map_err(io)?;
    gpt::write(&mut file, layout.disk_bytes, layout.disk_guid, &layout.table(), gpt::BootCode::Clear)
        .map_err(|source| SourceError::Disk { attempt: "write the partition table".to_owned(), source })?;

    let (boot, core) = bios_code(read("boot.img")?, read("core.img")?, layout)?;
    file.write_all_at(&boot[..BOOT_CODE], 0).map_err(io)?;
    file.write_all_at(&core, layout.bios_offset).map_err(io)?;

    let mut programs = vec![
        ("EFI/BOOT/BOOTX64.EFI".to_owned(), read("shim.efi")?),
        ("EFI/BOOT/grubx64.efi".to_owned(), read("grub.efi")?),
        ("EFI/BOOT/grub.cfg".to_owned(), files::early_cfg(layout).into_bytes()),
    ];
    if parts.join("mm.efi").exists() {
        programs.push(("EFI/BOOT/mmx64.efi".to_owned(), read("mm.efi")?));
    }
    // The signed GRUB looks for its configuration where its distribution would have installed it, and the firmware's boot
    // menu for the programs.
    let installed: Vec<(String, Vec<u8>)> = programs
        .iter()
        .map(|(path, content)| {
            let name = match path.rsplit('/').next() {
                Some("BOOTX64.EFI") | None => "shimx64.efi",
                Some(name) => name,
            };
            (format!("EFI/{}/{name}", distribution.name()), content.clone())
        })
        .collect();
    programs.extend(installed);
    let window = Window::new(&file, layout.esp_offset, layout.esp_bytes);
    esp::write(window, layout.esp_id, &programs).map_err(io)?;
    file.sync_all().map_err(io)
}

/// Bytes of the first sector that hold code; the partition table follows.
const BOOT_CODE: usize = 440;
/// Where `boot.img` has the sector number of the core image: GRUB_BOOT_MACHINE_KERNEL_SECTOR of include/grub/i386/pc/boot.h.
const KERNEL_SECTOR: usize = 0x5c;
/// GRUB_BOOT_MACHINE_BOOT_DRIVE; 0xff is the drive that the BIOS booted from.
const BOOT_DRIVE: usize = 0x64;
/// GRUB_BOOT_MACHINE_DRIVE_CHECK: a jump that grub-install replaces by two NOPs on hard disks.
const DRIVE_CHECK: usize = 0x66;
/// The first block list of the core image's first sector: start, length in sectors, segment.
const BLOCK_LIST: usize = 0x200 - 12;
/// GRUB_BOOT_MACHINE_KERNEL_SEG plus the first sector: where the rest of the core image is loaded.
const REST_SEGMENT: u16 = 0x820;

/// `boot.img` and `core.img` with the places filled in that grub-install would fill in.
fn bios_code(
    mut boot: Vec<u8>,
    mut core: Vec<u8>,
    layout: &Layout,
) -> Result<(Vec<u8>, Vec<u8>), SourceError> {
    let wrong = |reason: &str| SourceError::Boot { reason: reason.to_owned() };
    if boot.len() != 512 || boot[510..] != [0x55, 0xaa] {
        return Err(wrong("GRUB's `boot.img` is not a boot sector"));
    }
    core.resize(core.len().next_multiple_of(512), 0);
    if core.len() < 1024 || core.len() as u64 > layout.bios_bytes {
        return Err(wrong("GRUB's core image does not fit into its partition"));
    }
    let first = layout.bios_offset / 512;
    let sectors = u16::try_from(core.len() / 512 - 1).map_err(|_| wrong("GRUB's core image is too long"))?;
    boot[KERNEL_SECTOR..KERNEL_SECTOR + 8].copy_from_slice(&first.to_le_bytes());
    boot[BOOT_DRIVE] = 0xff;
    boot[DRIVE_CHECK..DRIVE_CHECK + 2].copy_from_slice(&[0x90, 0x90]);
    core[BLOCK_LIST..BLOCK_LIST + 8].copy_from_slice(&(first + 1).to_le_bytes());
    core[BLOCK_LIST + 8..BLOCK_LIST + 10].copy_from_slice(&sectors.to_le_bytes());
    core[BLOCK_LIST + 10..BLOCK_LIST + 12].copy_from_slice(&REST_SEGMENT.to_le_bytes());
    Ok((boot, core))
}

#[cfg(test)]
mod tests {
    use super::{super::layout::tests::plan, *};
    use crate::{cx::BuildId, plan::PartitionSize, value::Size};
    use fatfs::{FatType, FileSystem, FsOptions};
    use std::process::Command;

    fn layout() -> Layout {
        Layout::new(&plan(&[("/", PartitionSize::Rest)]), Size::gib(1), &BuildId::random()).unwrap()
    }

    #[test]
    fn the_boot_sector_points_at_the_core_image_and_that_at_its_rest() {
        let mut boot = vec![0; 512];
        boot[510..].copy_from_slice(&[0x55, 0xaa]);
        let (boot, core) = bios_code(boot, vec![7; 30_000], &layout()).unwrap();
        assert_eq!(u64::from_le_bytes(boot[0x5c..0x64].try_into().unwrap()), 2048);
        assert_eq!(boot[0x64..0x68], [0xff, 0, 0x90, 0x90]);
        assert_eq!(core.len(), 59 * 512);
        assert_eq!(u64::from_le_bytes(core[0x1f4..0x1fc].try_into().unwrap()), 2049);
        assert_eq!(core[0x1fc..0x200], [58, 0, 0x20, 0x08]);
    }

    #[test]
    fn a_boot_sector_that_is_none_is_refused() {
        assert!(bios_code(vec![0; 512], vec![7; 30_000], &layout()).is_err());
        let mut boot = vec![0; 512];
        boot[510..].copy_from_slice(&[0x55, 0xaa]);
        assert!(bios_code(boot, vec![7; (1 << 20) + 1], &layout()).is_err());
    }

    #[test]
    fn the_boot_partitions_hold_what_firmware_looks_for() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, parts) = (folder.path().join("disk.raw"), folder.path().join("parts"));
        std::fs::create_dir(&parts).unwrap();
        let mut boot = vec![1; 512];
        boot[510..].copy_from_slice(&[0x55, 0xaa]);
        for (name, content) in [
            ("boot.img", boot),
            ("core.img", vec![2; 5000]),
            ("shim.efi", vec![3; 9000]),
            ("grub.efi", vec![4; 1 << 20]),
        ] {
            std::fs::write(parts.join(name), content).unwrap();
        }
        let layout = layout();
        File::create(&disk).unwrap().set_len(layout.disk_bytes).unwrap();
        write(&disk, &parts, &layout, Distribution::Debian).unwrap();

        let file = File::options().read(true).write(true).open(&disk).unwrap();
        let window = Window::new(&file, layout.esp_offset, layout.esp_bytes);
        let volume = FileSystem::new(window, FsOptions::new()).unwrap();
        assert_eq!(volume.fat_type(), FatType::Fat32);
        assert_eq!(volume.volume_id(), layout.esp_id);
        for path in
            ["EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/grubx64.efi", "EFI/debian/shimx64.efi", "EFI/debian/grub.cfg"]
        {
            assert!(volume.root_dir().open_file(path).is_ok(), "{path}");
        }
        drop(volume);
        // A second opinion, where the tool is there.
        let esp = folder.path().join("esp.img");
        let mut bytes = vec![0; layout.esp_bytes as usize];
        file.read_exact_at(&mut bytes, layout.esp_offset).unwrap();
        std::fs::write(&esp, bytes).unwrap();
        if let Ok(output) = Command::new("fsck.fat").arg("-n").arg(&esp).output() {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
        let mut start = [0; 512];
        file.read_exact_at(&mut start, 0).unwrap();
        assert_eq!((start[0], start[510], start[450]), (1, 0x55, 0xee));
    }
}
