//! Reads the input's partition table. Run with `cargo +nightly fuzz run gpt`.
#![no_main]

use goldsmith::disk::{DiskError, DiskErrorKind, DiskRead, Extent, ExtentKind, gpt};
use libfuzzer_sys::fuzz_target;

#[derive(Debug)]
struct Memory(Vec<u8>);

impl DiskRead for Memory {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<(), DiskError> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        match start.checked_add(buf.len()).and_then(|end| self.0.get(start..end)) {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(DiskError::new(DiskErrorKind::Corrupt, "read beyond the end")),
        }
    }

    fn extent_at(&self, offset: u64) -> Result<Extent, DiskError> {
        Ok(Extent { len: self.size() - offset, kind: ExtentKind::Data })
    }
}

fuzz_target!(|data: &[u8]| {
    let disk = Memory(data[..data.len() / 512 * 512].to_vec());
    if let Ok(partitions) = gpt::read(&disk) {
        assert!(partitions.iter().all(|partition| partition.offset() + partition.len() <= disk.size()));
    }
});
