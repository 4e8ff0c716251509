//! Small FAT volumes with reproducible bytes.
use fatfs::{Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};
use std::io::{self, Cursor, Write};

/// The earliest time that FAT can express, so that the clock is no input.
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

/// Size of the volume: far more than a seed needs, and small enough that any guest takes it for a floppy's relative.
const SIZE: usize = 2 << 20;

/// A volume called `label` that holds `files` in its root folder.
pub(super) fn volume(label: [u8; 11], files: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; SIZE];
    let options =
        FormatVolumeOptions::new().fat_type(FatType::Fat12).volume_label(label).volume_id(0x474f_4c44);
    fatfs::format_volume(Cursor::new(&mut bytes[..]), options)?;
    let disk = FileSystem::new(Cursor::new(&mut bytes[..]), FsOptions::new().time_provider(&Epoch))?;
    for (name, content) in files {
        let mut file = disk.root_dir().create_file(name)?;
        file.write_all(content)?;
        file.flush()?;
    }
    disk.unmount()?;
    Ok(bytes)
}
