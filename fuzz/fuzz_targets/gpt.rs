//! Reads the input's partition table. Its checksums are made right first, or hardly any change would get past them; the
//! table at the end of the disk keeps what it has. Run with `cargo +nightly fuzz run gpt`.
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

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

/// Puts the right checksums into the header in sector 1, for the array that it names; at most 64 KiB of it.
fn repair(disk: &mut [u8]) -> Option<()> {
    let number =
        |at: usize, disk: &[u8]| Some(u32::from_le_bytes(disk.get(at..at + 4)?.try_into().ok()?) as usize);
    let start = number(512 + 72, disk)?.checked_mul(512)?;
    let len = number(512 + 80, disk)?.checked_mul(number(512 + 84, disk)?)?;
    if let Some(array) = disk.get(start..start.checked_add(len)?).filter(|array| array.len() <= 64 << 10) {
        let crc = crc32(array);
        disk.get_mut(512 + 88..512 + 92)?.copy_from_slice(&crc.to_le_bytes());
    }
    let len = number(512 + 12, disk)?;
    disk.get_mut(512 + 16..512 + 20)?.fill(0);
    let crc = crc32(disk.get(512..512 + len.min(512))?);
    disk.get_mut(512 + 16..512 + 20)?.copy_from_slice(&crc.to_le_bytes());
    Some(())
}

fuzz_target!(|data: &[u8]| {
    let mut disk = data[..data.len() / 512 * 512].to_vec();
    let _ = repair(&mut disk);
    let disk = Memory(disk);
    if let Ok(partitions) = gpt::read(&disk) {
        assert!(partitions.iter().all(|partition| partition.offset() + partition.len() <= disk.size()));
    }
});
