//! Keys as USB names them: usages of the page "Keyboard/Keypad" ([HID Usage Tables](https://usb.org/document-library/hid-usage-tables-15),
//! chapter 10), for Linux input event codes.

/// The usage of Return, which ends a line.
pub(super) const ENTER: u16 = 0x28;
/// The usage of the first modifier, left Control. The seven after it are the others, in the order of their bits.
pub(super) const LEFT_CONTROL: u16 = 0xe0;

/// Rows of letters, whose codes follow each other in Linux, with the first of these codes.
const LETTERS: [(&str, u32); 3] = [("qwertyuiop", 16), ("asdfghjkl", 30), ("zxcvbnm", 44)];

/// Runs of keys that follow each other in both: the first Linux code, the first usage, how many.
const RUNS: [(u32, u16, u32); 5] = [
    // 1 to 0
    (2, 0x1e, 10),
    // - =
    (12, 0x2d, 2),
    // [ ]
    (26, 0x2f, 2),
    // ; ' `
    (39, 0x33, 3),
    // F1 to F10
    (59, 0x3a, 10),
];

/// All others.
const OTHERS: &[(u32, u16)] = &[
    (28, ENTER),
    // Escape, Backspace, Tab, Space, backslash
    (1, 0x29),
    (14, 0x2a),
    (15, 0x2b),
    (57, 0x2c),
    (43, 0x31),
    // , . / Caps Lock
    (51, 0x36),
    (52, 0x37),
    (53, 0x38),
    (58, 0x39),
    // F11, F12, Print Screen, Scroll Lock, Pause
    (87, 0x44),
    (88, 0x45),
    (99, 0x46),
    (70, 0x47),
    (119, 0x48),
    // Insert, Home, Page Up, Delete, End, Page Down
    (110, 0x49),
    (102, 0x4a),
    (104, 0x4b),
    (111, 0x4c),
    (107, 0x4d),
    (109, 0x4e),
    // Right, Left, Down, Up
    (106, 0x4f),
    (105, 0x50),
    (108, 0x51),
    (103, 0x52),
    // The key beside the left Shift of European keyboards, and Menu
    (86, 0x64),
    (127, 0x65),
];

/// Modifiers in the order of their bits: Control, Shift, Alt, GUI on the left, then on the right.
const MODIFIERS: [u32; 8] = [29, 42, 56, 125, 97, 54, 100, 126];

/// The usage of a key.
pub(super) fn usage(linux: u32) -> Option<u16> {
    for (row, first) in LETTERS {
        let letter = linux.checked_sub(first).and_then(|at| row.as_bytes().get(at as usize));
        if let Some(letter) = letter {
            return Some(u16::from(letter - b'a') + 0x04);
        }
    }
    let run = RUNS.iter().find(|(first, _, number)| (*first..first + number).contains(&linux));
    if let Some((first, usage, _)) = run {
        return Some(usage + (linux - first) as u16);
    }
    let other = OTHERS.iter().find(|(known, _)| *known == linux).map(|(_, usage)| *usage);
    other.or_else(|| modifier(linux).map(|bit| LEFT_CONTROL + bit))
}

/// The bit of a modifier.
pub(super) fn modifier(linux: u32) -> Option<u16> {
    MODIFIERS.iter().position(|known| *known == linux).map(|bit| bit as u16)
}
