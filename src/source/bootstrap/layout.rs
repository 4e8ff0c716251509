//! Where everything lies on a bootstrapped disk, and by which identifiers it is found again.
use super::{super::SourceError, esp};
use crate::{
    cx::BuildId,
    disk::gpt,
    plan::{BootstrapPlan, PartitionSize},
    value::Size,
};
use uuid::Uuid;

/// Partitions begin at multiples of this many bytes.
const ALIGN: u64 = gpt::ALIGNMENT * 512;

/// The smallest ext4 that is worth making.
const SMALLEST: u64 = 16 << 20;

/// One ext4 file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileSystem {
    /// Mount point, without a slash at the end unless it is `/`.
    pub(super) mount: String,
    pub(super) label: Option<String>,
    pub(super) uuid: Uuid,
    /// First byte on the disk.
    pub(super) offset: u64,
    /// Length in bytes, whole MiB.
    pub(super) bytes: u64,
}

impl FileSystem {
    /// Deeper mount points come later; `/` is the first.
    fn depth(&self) -> usize {
        self.mount.split('/').filter(|part| !part.is_empty()).count()
    }
}

/// The whole disk: a BIOS boot partition, the EFI system partition, file systems.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) disk_bytes: u64,
    pub(super) disk_guid: Uuid,
    pub(super) bios_offset: u64,
    pub(super) bios_bytes: u64,
    pub(super) esp_offset: u64,
    pub(super) esp_bytes: u64,
    /// FAT volume id of the ESP.
    pub(super) esp_id: u32,
    /// In the order on the disk.
    pub(super) file_systems: Vec<FileSystem>,
    build: BuildId,
}

impl Layout {
    /// Places the partitions of `plan` on a disk of `disk`. Identifiers derive from the build's id.
    pub(super) fn new(plan: &BootstrapPlan, disk: Size, build: &BuildId) -> Result<Self, SourceError> {
        let layout = |reason: String| SourceError::Layout { reason };
        let disk_bytes = disk.as_bytes() / ALIGN * ALIGN;
        // The backup table wants the end; a whole unit keeps the arithmetic simple.
        let end = disk_bytes.saturating_sub(ALIGN);
        let (bios_offset, bios_bytes) = (ALIGN, ALIGN);
        let (esp_offset, esp_bytes) = (bios_offset + bios_bytes, plan.esp.as_bytes().next_multiple_of(ALIGN));
        if esp_bytes < esp::SMALLEST {
            return Err(layout(format!(
                "an EFI system partition has at least {}",
                Size::bytes(esp::SMALLEST)
            )));
        }
        let mut at = esp_offset + esp_bytes;
        let mut file_systems = Vec::new();
        for (index, partition) in plan.partitions.iter().enumerate() {
            let bytes = match partition.size {
                PartitionSize::Fixed(size) => size.as_bytes().next_multiple_of(ALIGN),
                PartitionSize::Rest if index + 1 == plan.partitions.len() => end.saturating_sub(at),
                PartitionSize::Rest => {
                    return Err(layout(format!(
                        "only the last partition can take the rest, not `{}`",
                        partition.mount
                    )));
                }
            };
            if bytes < SMALLEST || at.checked_add(bytes).is_none_or(|next| next > end) {
                return Err(layout(format!(
                    "the partition for `{}` does not fit onto a disk of {disk}",
                    partition.mount
                )));
            }
            let mount = match partition.mount.trim_end_matches('/') {
                "" => "/".to_owned(),
                mount => mount.to_owned(),
            };
            if mount == "/boot/efi" || file_systems.iter().any(|other: &FileSystem| other.mount == mount) {
                return Err(layout(format!("`{mount}` is taken already")));
            }
            file_systems.push(FileSystem {
                uuid: build.uuid(&format!("file system {mount}")),
                label: partition.label.clone(),
                offset: at,
                bytes,
                mount,
            });
            at += bytes;
        }
        let layout = Self {
            disk_bytes,
            disk_guid: build.uuid("disk"),
            bios_offset,
            bios_bytes,
            esp_offset,
            esp_bytes,
            esp_id: build.uuid("esp").as_fields().0,
            file_systems,
            build: build.clone(),
        };
        layout
            .by_mount("/")
            .ok_or_else(|| SourceError::Layout { reason: "no partition is mounted at `/`".to_owned() })?;
        Ok(layout)
    }

    fn by_mount(&self, mount: &str) -> Option<&FileSystem> {
        self.file_systems.iter().find(|file_system| file_system.mount == mount)
    }

    /// The file system mounted at `/`.
    pub(super) fn root(&self) -> &FileSystem {
        self.by_mount("/").expect("`new` refuses layouts without `/`")
    }

    /// The file system that holds the kernel, and the path of `/boot` on it.
    pub(super) fn boot(&self) -> (&FileSystem, &'static str) {
        match self.by_mount("/boot") {
            Some(boot) => (boot, ""),
            None => (self.root(), "/boot"),
        }
    }

    /// From `/` downwards, as they must be mounted.
    pub(super) fn by_depth(&self) -> Vec<&FileSystem> {
        let mut sorted: Vec<&FileSystem> = self.file_systems.iter().collect();
        sorted.sort_by_key(|file_system| file_system.depth());
        sorted
    }

    /// The ESP's identifier as Linux prints it.
    pub(super) fn esp_uuid(&self) -> String {
        format!("{:04X}-{:04X}", self.esp_id >> 16, self.esp_id & 0xffff)
    }

    /// The partition table.
    pub(super) fn table(&self) -> Vec<gpt::Partition> {
        let entry = |name: &str, type_guid, offset: u64, bytes: u64| gpt::Partition {
            name: name.to_owned(),
            type_guid,
            guid: self.build.uuid(&format!("partition {name}")),
            first_lba: offset / 512,
            last_lba: (offset + bytes) / 512 - 1,
            attributes: 0,
        };
        let mut table = vec![
            entry("bios", gpt::BIOS_BOOT, self.bios_offset, self.bios_bytes),
            entry("esp", gpt::EFI_SYSTEM, self.esp_offset, self.esp_bytes),
        ];
        for file_system in &self.file_systems {
            let name = match file_system.mount.as_str() {
                "/" => "root".to_owned(),
                // The table holds at most 36 characters.
                mount => mount.trim_start_matches('/').replace('/', "-").chars().take(36).collect(),
            };
            table.push(entry(&name, gpt::LINUX_FILESYSTEM, file_system.offset, file_system.bytes));
        }
        table
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::plan::{Mirror, Partition};

    pub(in super::super) fn plan(partitions: &[(&str, PartitionSize)]) -> BootstrapPlan {
        BootstrapPlan {
            cloud_init: true,
            suite: "bookworm".into(),
            mirror: Mirror::Host,
            components: vec!["main".into()],
            packages: vec![],
            kernel: "linux-image-cloud-amd64".into(),
            cmdline: "console=tty0 console=ttyS0,115200".into(),
            initramfs_modules: vec![],
            partitions: partitions
                .iter()
                .map(|(mount, size)| Partition { mount: (*mount).into(), size: *size, label: None })
                .collect(),
            esp: Size::mib(64),
        }
    }

    #[test]
    fn partitions_follow_each_other_and_leave_the_ends_free() {
        let boot = PartitionSize::Fixed(Size::mib(200));
        let layout = Layout::new(
            &plan(&[("/boot/", boot), ("/", PartitionSize::Rest)]),
            Size::gib(2),
            &BuildId::random(),
        )
        .unwrap();
        let table = layout.table();
        assert_eq!(
            table.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(),
            ["bios", "esp", "boot", "root"]
        );
        assert!(table.windows(2).all(|pair| pair[0].last_lba + 1 == pair[1].first_lba));
        assert_eq!(table[3].offset() + table[3].len(), (2 << 30) - (1 << 20));
        assert_eq!(layout.boot().0.mount, "/boot");
        assert_eq!(layout.by_depth()[0].mount, "/");
    }

    #[test]
    fn what_does_not_fit_is_an_error_that_names_it() {
        let big = PartitionSize::Fixed(Size::gib(3));
        let error = Layout::new(&plan(&[("/", big)]), Size::gib(2), &BuildId::random()).unwrap_err();
        assert!(error.to_string().contains("`/` does not fit"), "{error}");
        let error = Layout::new(&plan(&[("/srv", PartitionSize::Rest)]), Size::gib(2), &BuildId::random())
            .unwrap_err();
        assert!(error.to_string().contains("no partition is mounted at `/`"), "{error}");
    }
}
