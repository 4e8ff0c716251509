//! Which key is what: names of Packer and letters of a US keyboard, as Linux input event codes.

/// Left Shift, which capitals need.
pub(super) const LEFT_SHIFT: u32 = 42;

/// Keys without a letter, in lower case; the spelling beside it is how people write it.
///
/// `<menu>` is the key that opens context menus (`KEY_COMPOSE` in Linux), as Packer's scan code for it says.
pub(super) const NAMED: &[(&str, &str, u32)] = &[
    ("bs", "bs", 14),
    ("del", "del", 111),
    ("enter", "enter", 28),
    ("return", "return", 28),
    ("esc", "esc", 1),
    ("tab", "tab", 15),
    ("f1", "f1", 59),
    ("f2", "f2", 60),
    ("f3", "f3", 61),
    ("f4", "f4", 62),
    ("f5", "f5", 63),
    ("f6", "f6", 64),
    ("f7", "f7", 65),
    ("f8", "f8", 66),
    ("f9", "f9", 67),
    ("f10", "f10", 68),
    ("f11", "f11", 87),
    ("f12", "f12", 88),
    ("up", "up", 103),
    ("down", "down", 108),
    ("left", "left", 105),
    ("right", "right", 106),
    ("spacebar", "spacebar", 57),
    ("insert", "insert", 110),
    ("home", "home", 102),
    ("end", "end", 107),
    ("pageup", "pageUp", 104),
    ("pagedown", "pageDown", 109),
    ("menu", "menu", 127),
    ("leftalt", "leftAlt", 56),
    ("rightalt", "rightAlt", 100),
    ("leftctrl", "leftCtrl", 29),
    ("rightctrl", "rightCtrl", 97),
    ("leftshift", "leftShift", LEFT_SHIFT),
    ("rightshift", "rightShift", 54),
    ("leftsuper", "leftSuper", 125),
    ("rightsuper", "rightSuper", 126),
    ("leftcommand", "leftCommand", 125),
    ("rightcommand", "rightCommand", 126),
    ("leftoption", "leftOption", 56),
    ("rightoption", "rightOption", 100),
];

/// Rows of keys with codes that follow each other: without Shift, with Shift, and the first code.
const ROWS: &[(&str, &str, u32)] = &[
    ("1234567890-=", "!@#$%^&*()_+", 2),
    ("qwertyuiop[]", "QWERTYUIOP{}", 16),
    ("asdfghjkl;'`", "ASDFGHJKL:\"~", 30),
    ("\\zxcvbnm,./", "|ZXCVBNM<>?", 43),
    (" ", "", 57),
];

/// The key of this name, whatever its case.
pub(super) fn named(name: &str) -> Option<u32> {
    NAMED.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(name)).map(|(_, _, code)| *code)
}

/// What to press together for a letter; nothing if a US keyboard does not have it.
pub(super) fn letter(letter: char) -> Option<Vec<u32>> {
    ROWS.iter().find_map(|(plain, shifted, first)| {
        let code = |at: usize| first + at as u32;
        match plain.chars().position(|c| c == letter) {
            Some(at) => Some(vec![code(at)]),
            None => shifted.chars().position(|c| c == letter).map(|at| vec![LEFT_SHIFT, code(at)]),
        }
    })
}
