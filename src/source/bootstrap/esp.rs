//! The EFI system partition: FAT32 with fixed times.
use fatfs::{Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
};

/// Below 65525 clusters of one sector, with the tables that go with them, it would not be FAT32.
pub(super) const SMALLEST: u64 = 36 << 20;

const SECTOR: u64 = 512;
/// Bytes of a directory entry.
const ENTRY: usize = 32;
/// Attributes of a directory …
const DIRECTORY: u8 = 0x10;
/// … and of an entry that holds a part of a long name.
const LONG_NAME: u8 = 0x0f;
/// First byte of an entry that is free again.
const DELETED: u8 = 0xe5;

/// The same for every build, so that equal contents give equal partitions.
#[derive(Debug)]
struct Epoch;

impl TimeProvider for Epoch {
    fn get_current_date(&self) -> Date {
        Date { year: 1980, month: 1, day: 1 }
    }
    fn get_current_date_time(&self) -> DateTime {
        DateTime { date: self.get_current_date(), time: Time { hour: 0, min: 0, sec: 0, millis: 0 } }
    }
}

/// Formats `disk`, of [`SMALLEST`] bytes or more, and puts `files` on it, by path and content.
pub(super) fn write<T: Read + Write + Seek>(
    mut disk: T,
    id: u32,
    files: &[(String, Vec<u8>)],
) -> io::Result<()> {
    let sectors = u32::try_from(disk.seek(SeekFrom::End(0))? / SECTOR).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, "an EFI system partition is at most 2 TiB")
    })?;
    disk.rewind()?;
    let mut options = FormatVolumeOptions::new()
        .volume_id(id)
        .volume_label(*b"ESP        ")
        .total_sectors(sectors)
        .fat_type(FatType::Fat32);
    // Larger clusters only where there are enough of them.
    if sectors < 8 * 70_000 {
        options = options.bytes_per_cluster(SECTOR as u32);
    }
    fatfs::format_volume(&mut disk, options)?;
    disk.rewind()?;
    let volume =
        FileSystem::new(&mut disk, FsOptions::new().time_provider(&Epoch).update_accessed_date(false))?;
    for (path, content) in files {
        let mut folder = volume.root_dir();
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        for part in parents.split('/').filter(|part| !part.is_empty()) {
            folder = folder.create_dir(part)?;
        }
        let mut file = folder.create_file(name)?;
        file.write_all(content)?;
        file.flush()?;
    }
    volume.unmount()?;
    mend_dots(&mut disk)
}

/// fatfs 0.3 gives `.` and `..` long names, and a number to the root folder; fsck takes both for damage, as the two must be
/// the first entries of their folder.
fn mend_dots<T: Read + Write + Seek>(disk: &mut T) -> io::Result<()> {
    let mut boot = [0; SECTOR as usize];
    disk.rewind()?;
    disk.read_exact(&mut boot)?;
    let short = |at: usize| u64::from(u16::from_le_bytes([boot[at], boot[at + 1]]));
    let long =
        |at: usize| u64::from(u32::from_le_bytes([boot[at], boot[at + 1], boot[at + 2], boot[at + 3]]));
    // BPB of FAT32: Microsoft's "FAT32 File System Specification" 1.03.
    let cluster_bytes = u64::from(boot[13]) * SECTOR;
    let (reserved, tables, table_sectors) = (short(14), u64::from(boot[16]), long(36));
    let data = (reserved + tables * table_sectors) * SECTOR;
    let place = |cluster: u64| data + (cluster - 2) * cluster_bytes;
    let root = long(44);
    let mut folders = vec![(root, root)];
    while let Some((start, parent)) = folders.pop() {
        let mut cluster = start;
        while (2..0x0fff_fff8).contains(&cluster) {
            let mut entries = vec![0; cluster_bytes as usize];
            disk.seek(SeekFrom::Start(place(cluster)))?;
            disk.read_exact(&mut entries)?;
            if cluster == start && start != root && entries[11] == LONG_NAME {
                entries.copy_within(ENTRY..2 * ENTRY, 0);
                entries.copy_within(3 * ENTRY..4 * ENTRY, ENTRY);
                if parent == root {
                    // The root folder's number is never written out.
                    entries[ENTRY + 20..ENTRY + 22].fill(0);
                    entries[ENTRY + 26..ENTRY + 28].fill(0);
                }
                entries[2 * ENTRY] = DELETED;
                entries[3 * ENTRY] = DELETED;
                disk.seek(SeekFrom::Start(place(cluster)))?;
                disk.write_all(&entries)?;
            }
            for entry in entries.chunks_exact(ENTRY) {
                let used = !matches!(entry[0], 0 | DELETED | b'.');
                if used && entry[11] != LONG_NAME && entry[11] & DIRECTORY != 0 {
                    let cluster = u64::from(u32::from_le_bytes([entry[26], entry[27], entry[20], entry[21]]));
                    folders.push((cluster, start));
                }
            }
            let mut next = [0; 4];
            disk.seek(SeekFrom::Start(reserved * SECTOR + cluster * 4))?;
            disk.read_exact(&mut next)?;
            cluster = u64::from(u32::from_le_bytes(next) & 0x0fff_ffff);
        }
    }
    disk.flush()
}

/// A part of a file that reads and writes like a whole one.
pub(super) struct Window<'a> {
    file: &'a File,
    start: u64,
    len: u64,
    at: u64,
}

impl<'a> Window<'a> {
    /// The `len` bytes of `file` from `start` on.
    pub(super) fn new(file: &'a File, start: u64, len: u64) -> Self {
        Self { file, start, len, at: 0 }
    }

    fn fitting(&self, wanted: usize) -> usize {
        usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX).min(wanted)
    }
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.fitting(buffer.len());
        let n = self.file.read_at(&mut buffer[..n], self.start + self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Write for Window<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let n = self.fitting(buffer.len());
        let n = self.file.write_at(&buffer[..n], self.start + self.at)?;
        self.at += n as u64;
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "before the start"))?;
        Ok(self.at)
    }
}
