//! VHD images as qemu-img makes them, and broken ones.
use std::fs;

use super::*;

fn made(source: &Path, options: &str, name: &str) -> PathBuf {
    let image = source.with_file_name(name);
    run("qemu-img", &["convert", "-f", "raw", "-O", "vpc", "-o", options, text(source), text(&image)]);
    image
}

/// The oracle's view of an image.
fn as_qemu_reads(image: &Path) -> Vec<u8> {
    let copy = image.with_extension("qemu");
    run("qemu-img", &["convert", "-f", "vpc", "-O", "raw", text(image), text(&copy)]);
    fs::read(copy).unwrap()
}

#[test]
fn fixed_and_dynamic_images_read_as_qemu_reads_them() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let written = fs::read(&source).unwrap();
    for options in [
        "subformat=dynamic",
        "subformat=fixed",
        "subformat=dynamic,force_size=on",
        "subformat=fixed,force_size=on",
    ] {
        let image = made(&source, options, "x.vhd");
        assert_eq!(detect(&image).unwrap(), Detected::Image(Format::Vhd), "{options}");
        let disk = opened(&image);
        let bytes = content(&*disk);
        assert!(bytes == as_qemu_reads(&image), "{options}");
        // Without force_size, qemu-img rounds up to a geometry.
        assert!(bytes[..written.len()] == written);
        let mut odd = vec![0; 5 * MIB as usize + 17];
        disk.read_at(&mut odd, 29 * MIB - 5000).unwrap();
        assert!(odd == bytes[29 * MIB as usize - 5000..][..odd.len()]);
        assert!(holes(&*disk).iter().any(|(from, to)| to - from >= 20 * MIB), "{options}");
        let copy = dir.path().join("copy.raw");
        try_convert(&*disk, &[target(OutputFormat::Raw, &copy, None)], 2).unwrap();
        assert!(fs::read(&copy).unwrap() == bytes);
        assert_eq!(disk.layers()[0].format, Format::Vhd);
    }
}

#[test]
fn a_dynamic_image_without_its_last_footer_is_read_by_the_first() {
    let dir = folder();
    let source = mixed(&dir.path().join("source.raw"));
    let image = made(&source, "subformat=dynamic", "x.vhd");
    let expected = content(&*opened(&image));
    let mut bytes = fs::read(&image).unwrap();
    let end = bytes.len() - 512;
    bytes[end..].fill(0);
    fs::write(&image, &bytes).unwrap();
    assert!(content(&*opened(&image)) == expected);
}

#[test]
fn broken_images_are_errors() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 8 * MIB, &[(0, prose(1, 3 << 20))]);
    let image = made(&source, "subformat=dynamic", "x.vhd");
    let good = fs::read(&image).unwrap();
    let broken = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        fs::write(&image, bytes).unwrap();
        open(&image, Some(Format::Vhd), &OpenOptions::default())
            .and_then(|disk| try_convert(&*disk, &[], 1).map(|_| ()))
            .unwrap_err()
    };
    let footers = |bytes: &mut Vec<u8>, change: &dyn Fn(&mut [u8])| {
        let end = bytes.len() - 512;
        for at in [0, end] {
            let footer = &mut bytes[at..at + 512];
            change(footer);
            footer[64..68].fill(0);
            let sum: u32 = footer.iter().map(|byte| u32::from(*byte)).sum();
            footer[64..68].copy_from_slice(&(!sum).to_be_bytes());
        }
    };
    for error in [
        broken(&|bytes| bytes.truncate(100)),
        broken(&|bytes| bytes.truncate(2048)),
        // Neither footer has its checksum.
        broken(&|bytes| {
            let end = bytes.len() - 512;
            bytes[70] ^= 1;
            bytes[end + 70] ^= 1;
        }),
        broken(&|bytes| bytes[512] ^= 1),
        broken(&|bytes| bytes[512 + 32] ^= 1),
        // A disk larger than its table.
        broken(&|bytes| {
            footers(bytes, &|footer| footer[48..56].copy_from_slice(&(1_u64 << 41).to_be_bytes()))
        }),
        // A block outside the file.
        broken(&|bytes| bytes[1536..1540].copy_from_slice(&0x00ff_ffff_u32.to_be_bytes())),
    ] {
        assert_eq!(error.kind(), DiskErrorKind::Corrupt, "{error}");
    }
    let parent =
        broken(&|bytes| footers(bytes, &|footer| footer[60..64].copy_from_slice(&4_u32.to_be_bytes())));
    assert_eq!(parent.kind(), DiskErrorKind::Unsupported);
}

#[test]
fn a_raw_disk_that_ends_like_a_vhd_of_another_size_stays_raw() {
    let dir = folder();
    let source = raw(&dir.path().join("source.raw"), 8 * MIB, &[]);
    let image = made(&source, "subformat=fixed,force_size=on", "x.vhd");
    let mut bytes = fs::read(&image).unwrap();
    bytes.splice(0..0, vec![0; 512]);
    fs::write(&image, &bytes).unwrap();
    assert_eq!(detect(&image).unwrap(), Detected::Image(Format::Raw));
}
