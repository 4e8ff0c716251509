//! Portable pixmaps as PNG, for QEMU before 7.1, which dumps the screen only as the former.
use std::io::Write;

/// Signature of every PNG file.
pub(super) const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A binary portable pixmap (`P6`, 8 bits) as PNG. `None` when it is none or is cut off.
pub(super) fn png_from_ppm(ppm: &[u8]) -> Option<Vec<u8>> {
    let mut rest = ppm.strip_prefix(b"P6")?;
    let mut numbers = [0_u32; 3];
    for number in &mut numbers {
        rest = skip_blanks(rest);
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        *number = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
        rest = &rest[digits..];
    }
    let [width, height, maximum] = numbers;
    // Exactly one blank separates the header from the pixels.
    let pixels = rest.get(1..)?;
    let stride = usize::try_from(width).ok()?.checked_mul(3)?;
    let size = stride.checked_mul(usize::try_from(height).ok()?)?;
    if maximum != 255 || size == 0 || pixels.len() < size {
        return None;
    }
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    for row in pixels[..size].chunks_exact(stride) {
        // Each row begins with its filter: none.
        encoder.write_all(&[0]).and_then(|()| encoder.write_all(row)).ok()?;
    }
    let data = encoder.finish().ok()?;
    let mut header = Vec::with_capacity(13);
    header.extend_from_slice(&width.to_be_bytes());
    header.extend_from_slice(&height.to_be_bytes());
    // Eight bits, RGB, and the only compression, filter and interlace methods that matter.
    header.extend_from_slice(&[8, 2, 0, 0, 0]);
    let mut png = PNG_SIGNATURE.to_vec();
    for (kind, content) in [(b"IHDR", header.as_slice()), (b"IDAT", &data), (b"IEND", &[])] {
        png.extend_from_slice(&u32::try_from(content.len()).ok()?.to_be_bytes());
        let start = png.len();
        png.extend_from_slice(kind);
        png.extend_from_slice(content);
        let checksum = crc32fast::hash(&png[start..]);
        png.extend_from_slice(&checksum.to_be_bytes());
    }
    Some(png)
}

fn skip_blanks(mut text: &[u8]) -> &[u8] {
    loop {
        match text {
            [b'#', ..] => text = text.iter().position(|byte| *byte == b'\n').map_or(&[], |end| &text[end..]),
            [first, rest @ ..] if first.is_ascii_whitespace() => text = rest,
            _ => return text,
        }
    }
}

/// Width and height, as a reader of PNG sees them.
#[cfg(test)]
pub(super) fn png_size(png: &[u8]) -> Option<(u32, u32)> {
    let rest = png.strip_prefix(PNG_SIGNATURE)?;
    let word = |at: usize| Some(u32::from_be_bytes(rest.get(at..at + 4)?.try_into().ok()?));
    (rest.get(4..8)? == b"IHDR").then_some((word(8)?, word(12)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixmap_becomes_a_png_with_the_same_pixels() {
        let ppm = b"P6\n# made by QEMU\n2 1\n255\n\x01\x02\x03\x04\x05\x06";
        let png = png_from_ppm(ppm).unwrap();
        assert_eq!(png_size(&png), Some((2, 1)));
        let at = png.windows(4).position(|word| word == b"IDAT").unwrap();
        let length = u32::from_be_bytes(png[at - 4..at].try_into().unwrap()) as usize;
        let mut pixels = Vec::new();
        let mut decoder = flate2::read::ZlibDecoder::new(&png[at + 4..at + 4 + length]);
        std::io::Read::read_to_end(&mut decoder, &mut pixels).unwrap();
        assert_eq!(pixels, [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn what_is_cut_off_or_no_pixmap_is_refused() {
        let ppm = b"P6 2 1 255 \x01\x02\x03\x04\x05\x06";
        assert!(png_from_ppm(ppm).is_some());
        for cut in 0..ppm.len() {
            assert_eq!(png_from_ppm(&ppm[..cut]), None, "{cut}");
        }
        assert_eq!(png_from_ppm(b"P6 99999 99999 255 x"), None);
    }
}
