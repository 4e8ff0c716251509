//! The text on a PC's screen, read from where the video card keeps it: in text mode (VGA modes 2 and 3, which BIOS and its boot
//! loaders start with), 25 rows of 80 cells lie at 0xb8000, each a character of code page 437 and a byte of colours.

const COLUMNS: usize = 80;
const ROWS: usize = 25;

/// The monitor command that prints the cells, two in a word.
pub(super) fn dump_command() -> String {
    format!("xp /{}xw 0xb8000", COLUMNS * ROWS / 2)
}

/// The rows in what the monitor printed, without blanks at their ends. `None` when the answer is none.
///
/// ```text
/// 00000000000b8000: 0x07490753 0x074f074c 0x0749074c 0x0758074e
/// ```
pub(super) fn text(dump: &str) -> Option<String> {
    let words = dump.lines().filter_map(|line| line.split_once(':')).flat_map(|(_, words)| {
        words.split_whitespace().filter_map(|word| u32::from_str_radix(word.strip_prefix("0x")?, 16).ok())
    });
    let cells: Vec<char> = words.flat_map(|word| [shown(word), shown(word >> 16)]).collect();
    if cells.len() < COLUMNS * ROWS {
        return None;
    }
    let rows = cells.chunks_exact(COLUMNS).take(ROWS).map(|row| row.iter().collect::<String>());
    Some(rows.map(|row| row.trim_end().to_owned()).collect::<Vec<_>>().join("\n"))
}

/// The character of a cell. Frames and the like are blanks: nobody looks for them.
fn shown(cell: u32) -> char {
    match cell as u8 {
        byte @ 0x20..=0x7e => char::from(byte),
        _ => ' ',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write as _;

    /// What QEMU prints for a screen with `rows`.
    fn dump(rows: &[&str]) -> String {
        let mut bytes = vec![b' '; COLUMNS * ROWS];
        for (at, row) in rows.iter().enumerate() {
            bytes[at * COLUMNS..at * COLUMNS + row.len()].copy_from_slice(row.as_bytes());
        }
        let mut text = String::new();
        for (at, cells) in bytes.chunks(8).enumerate() {
            let _ = write!(text, "{:016x}:", 0xb8000 + at * 16);
            for pair in cells.chunks(2) {
                let word = 0x0700_0700 | u32::from(pair[0]) | u32::from(pair[1]) << 16;
                let _ = write!(text, " 0x{word:08x}");
            }
            text.push_str("\r\n");
        }
        text
    }

    #[test]
    fn rows_are_read_as_they_stand() {
        let read = text(&dump(&["ISOLINUX 6.04", "", "boot: "])).unwrap();
        assert!(read.starts_with("ISOLINUX 6.04\n\nboot:\n"), "{read:?}");
        assert_eq!(read.trim_end().lines().count(), 3);
        assert_eq!(text("unknown command: 'xp'"), None);
    }

    proptest! {
        #[test]
        fn whatever_a_monitor_prints_is_answered(dump in any::<String>()) {
            let _ = text(&dump);
        }
    }
}
