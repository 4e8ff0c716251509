//! Keys that are pressed at a machine's console.
use super::{Machine, hid};
use crate::{
    cx::Cx,
    vsphere::{Element, VsphereError, VsphereErrorKind},
};

/// One key press, with the modifiers that are held meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPress {
    /// The key, as a usage of USB's page "Keyboard/Keypad": 4 is `a`, 40 is Return.
    pub hid: u16,
    /// What is held, one bit each from the lowest: Control, Shift, Alt, GUI on the left, then the same on the right.
    pub modifiers: u8,
}

/// What the interface calls the modifiers, in the order of their bits and of the schema.
const NAMES: [&str; 8] =
    ["leftControl", "leftShift", "leftAlt", "leftGui", "rightControl", "rightShift", "rightAlt", "rightGui"];
/// As many keys as a line has at most; a call with more would take longer than people wait for an interruption.
const BATCH: usize = 80;

impl KeyPress {
    /// What pressing keys together is, given as Linux input event codes. The interface presses one key at a time, with modifiers held, so
    /// other keys that are to be pressed together come one after the other. `None` if there is a key that USB does not know.
    pub fn of_linux(keys: &[u32]) -> Option<Vec<Self>> {
        let bits = keys.iter().filter_map(|key| hid::modifier(*key)).fold(0_u8, |all, bit| all | 1 << bit);
        let plain: Vec<u32> = keys.iter().copied().filter(|key| hid::modifier(*key).is_none()).collect();
        let press = |key: &u32, modifiers: u8| Some(Self { hid: hid::usage(*key)?, modifiers });
        match (plain.as_slice(), keys) {
            // Modifiers alone: the last one is the key.
            ([], [.., last]) => {
                let own = hid::modifier(*last).map_or(0, |bit| 1 << bit);
                Some(vec![press(last, bits & !own)?])
            }
            (plain, _) => plain.iter().map(|key| press(key, bits)).collect(),
        }
    }

    /// `UsbScanCodeSpecKeyEvent`.
    fn write(self, spec: &mut Element) {
        spec.node("keyEvents", |event| {
            // The usage is in the upper half; the lower half is the number of the page.
            event.number("usbHidCode", i64::from(self.hid) << 16 | 7);
            if self.modifiers != 0 {
                event.node("modifiers", |held| {
                    let is_held = |bit: usize| self.modifiers >> bit & 1 == 1;
                    for (_, name) in NAMES.iter().enumerate().filter(|(bit, _)| is_held(*bit)) {
                        held.flag(name, true);
                    }
                });
            }
        });
    }
}

/// Lines of keys: each with the Return that ends it, and no longer than [`BATCH`].
fn lines(keys: &[KeyPress]) -> impl Iterator<Item = &[KeyPress]> {
    keys.split_inclusive(|key| key.hid == hid::ENTER).flat_map(|line| line.chunks(BATCH))
}

/// `UsbScanCodeSpec`.
fn write(keys: &[KeyPress], call: &mut Element) {
    call.node("spec", |spec| keys.iter().for_each(|key| key.write(spec)));
}

impl Machine {
    /// Presses keys at its console, a line in each call. It must run.
    pub async fn press(&self, cx: &Cx, keys: &[KeyPress]) -> Result<(), VsphereError> {
        let attempt = format!("press keys at the console of `{}`", self.path);
        for line in lines(keys) {
            cx.check()?;
            let answer =
                self.vcenter.call(&attempt, "PutUsbScanCodes", &self.moref, |call| write(line, call)).await?;
            let taken = answer.text_at("returnval").unwrap_or("none");
            if taken.parse() != Ok(line.len()) {
                return Err(VsphereError::new(VsphereErrorKind::Other, attempt)
                    .because(format!("the machine took {taken} of {} keys", line.len())));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::typed;

    #[test]
    fn whatever_can_be_typed_has_a_key() {
        let mut text: String = (' '..='~').filter(|c| *c != '<').collect();
        for name in
            ["bs", "del", "enter", "esc", "tab", "up", "down", "left", "right", "insert", "home", "end"]
        {
            text.push_str(&format!("<{name}>"));
        }
        for name in ["pageUp", "pageDown", "menu", "f1", "f10", "f11", "f12", "leftAlt", "rightSuper"] {
            text.push_str(&format!("<{name}>"));
        }
        for action in typed::parse(&text).unwrap() {
            let typed::Action::Press(keys) = action else { panic!("{action:?}") };
            assert_eq!(KeyPress::of_linux(&keys).map(|presses| presses.len()), Some(1), "{keys:?}");
        }
        assert_eq!(KeyPress::of_linux(&[999]), None);
    }

    /// Samples from chapter 10 of the HID Usage Tables.
    #[test]
    fn keys_are_those_of_the_usage_tables() {
        let of = |keys: &str| {
            let actions = typed::parse(keys).unwrap();
            let typed::Action::Press(keys) = &actions[0] else { panic!("{actions:?}") };
            KeyPress::of_linux(keys).unwrap()[0]
        };
        for (keys, hid, modifiers) in [
            ("a", 0x04, 0),
            ("Z", 0x1d, 2),
            ("m", 0x10, 0),
            ("1", 0x1e, 0),
            ("0", 0x27, 0),
            ("<enter>", 0x28, 0),
            ("<esc>", 0x29, 0),
            ("-", 0x2d, 0),
            ("_", 0x2d, 2),
            ("=", 0x2e, 0),
            ("[", 0x2f, 0),
            ("}", 0x30, 2),
            ("|", 0x31, 2),
            (":", 0x33, 2),
            ("\"", 0x34, 2),
            ("~", 0x35, 2),
            ("?", 0x38, 2),
            ("<f1>", 0x3a, 0),
            ("<f10>", 0x43, 0),
            ("<f12>", 0x45, 0),
            ("<del>", 0x4c, 0),
            ("<down>", 0x51, 0),
            ("<up>", 0x52, 0),
            ("<leftCtrl>", 0xe0, 0),
            ("<rightSuper>", 0xe7, 0),
        ] {
            assert_eq!(of(keys), KeyPress { hid, modifiers }, "{keys}");
        }
        let chord = KeyPress::of_linux(&[29, 56, 111]).unwrap();
        assert_eq!(chord, [KeyPress { hid: 0x4c, modifiers: 0b101 }]);
        let modifiers = KeyPress::of_linux(&[29, 42]).unwrap();
        assert_eq!(modifiers, [KeyPress { hid: 0xe1, modifiers: 1 }]);
    }

    #[test]
    fn a_call_has_a_line() {
        let key = |hid: u16| KeyPress { hid, modifiers: 0 };
        let keys: Vec<KeyPress> = [vec![key(4); 3], vec![key(0x28)], vec![key(5); 100]].concat();
        assert_eq!(lines(&keys).map(<[KeyPress]>::len).collect::<Vec<_>>(), [4, 80, 20]);
        let mut call = Element::default();
        write(&[key(4), KeyPress { hid: 0x4c, modifiers: 0b101 }], &mut call);
        assert_eq!(
            call.into_text(),
            "<spec><keyEvents><usbHidCode>262151</usbHidCode></keyEvents>\
             <keyEvents><usbHidCode>4980743</usbHidCode><modifiers><leftControl>true</leftControl><leftAlt>true</leftAlt>\
             </modifiers></keyEvents></spec>"
        );
    }
}
