//! Walks a stream from marker to marker, as ESXi does when it receives one, and compares what it finds with the tables.
use super::super::DiskError;
use super::super::section::Section;
use super::SECTOR;
use super::header::{Header, Marker, numbers};

/// What the walk found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamFacts {
    /// Size of the disk in bytes.
    pub(crate) virtual_bytes: u64,
    /// How many grains are in the stream.
    pub(crate) grains: u64,
}

/// Walks the stream in `section`. Besides what any reader needs, it must be of version 3, its grains must rise, each
/// table must list exactly the grains before it, and the end-of-stream marker must be the last sector of the file.
pub(crate) fn check_stream(
    section: &Section,
    cancelled: &dyn Fn() -> bool,
) -> Result<StreamFacts, DiskError> {
    let header = Header::read(section)?;
    if header.version != 3 || !header.compressed() || !header.markers() {
        return Err(section.unsupported("the VMDK is not streamOptimized of version 3"));
    }
    let mut walk = Walk {
        section,
        header,
        at: header.overhead.saturating_mul(SECTOR),
        table: vec![0; header.table_entries as usize],
        number: None,
        directory: vec![0; header.tables() as usize],
        next_grain: 0,
        grains: 0,
    };
    while walk.step()? {
        if cancelled() {
            return Err(DiskError::cancelled());
        }
    }
    Ok(StreamFacts { virtual_bytes: header.capacity * SECTOR, grains: walk.grains })
}

struct Walk<'a> {
    section: &'a Section,
    header: Header,
    at: u64,
    /// What the next grain table must be, and its number.
    table: Vec<u32>,
    number: Option<u64>,
    /// What the directory must be.
    directory: Vec<u32>,
    /// The first sector of the disk that the next grain may begin at.
    next_grain: u64,
    grains: u64,
}

impl Walk<'_> {
    fn wrong(&self, what: &str) -> DiskError {
        self.section.corrupt(format!("{what} in the stream of the VMDK"), self.at)
    }

    /// Deals with one marker and what follows it; `false` at the proper end.
    fn step(&mut self) -> Result<bool, DiskError> {
        let mut head = [0; 16];
        self.section.read(&mut head, self.at, "the next marker of the VMDK")?;
        let marker = Marker::parse(&head);
        if marker.size != 0 {
            self.grain(marker)?;
            return Ok(true);
        }
        let start = self.at + SECTOR;
        match marker.kind {
            Marker::TABLE => {
                let listed = self.entries(marker, u64::from(self.header.table_entries))?;
                let number = self.number.take().ok_or_else(|| self.wrong("a grain table without grains"))?;
                if listed != self.table {
                    return Err(self.wrong("a grain table that does not list the grains before it"));
                }
                self.table.fill(0);
                self.directory[number as usize] = (start / SECTOR) as u32;
            }
            Marker::DIRECTORY => {
                let listed = self.entries(marker, self.header.tables())?;
                if self.number.is_some()
                    || listed != self.directory
                    || self.header.directory() != start / SECTOR
                {
                    return Err(self.wrong("a directory that does not list the grain tables"));
                }
            }
            Marker::FOOTER if marker.value == 1 => {
                Header::read_at(self.section, start, "the footer")?;
            }
            Marker::END if marker.value == 0 => {
                return if start == self.section.len() {
                    Ok(false)
                } else {
                    Err(self.wrong("data behind the end-of-stream marker"))
                };
            }
            _ => return Err(self.wrong("an unknown marker")),
        }
        self.at = start + marker.value * SECTOR;
        Ok(true)
    }

    fn grain(&mut self, marker: Marker) -> Result<(), DiskError> {
        let header = &self.header;
        if marker.value % header.grain != 0
            || marker.value < self.next_grain
            || marker.value >= header.capacity
            || u64::from(marker.size) > 2 * header.grain * SECTOR
        {
            return Err(self.wrong("a grain that makes no sense"));
        }
        let index = marker.value / header.grain;
        let number = index / u64::from(header.table_entries);
        if *self.number.get_or_insert(number) != number {
            return Err(self.wrong("a grain that comes before the table of its predecessors"));
        }
        let sector = u32::try_from(self.at / SECTOR).map_err(|_| self.wrong("a grain beyond 2 TiB"))?;
        self.table[(index % u64::from(header.table_entries)) as usize] = sector;
        self.next_grain = marker.value + header.grain;
        self.grains += 1;
        self.at += (Marker::GRAIN_HEADER as u64 + u64::from(marker.size)).next_multiple_of(SECTOR);
        Ok(())
    }

    /// The numbers behind a marker, which must announce exactly their sectors.
    fn entries(&self, marker: Marker, count: u64) -> Result<Vec<u32>, DiskError> {
        if marker.value != (count * 4).div_ceil(SECTOR) {
            return Err(self.wrong("a marker that announces a table of another size"));
        }
        let mut bytes = vec![0; count as usize * 4];
        self.section.read(&mut bytes, self.at + SECTOR, "a table of the VMDK")?;
        Ok(numbers(&bytes))
    }
}
