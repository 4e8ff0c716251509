//! What is typed at a boot menu: Packer's `boot_command` syntax as key presses.
//!
//! A text is typed on a US keyboard, letter by letter. In `<>` stand keys that have no letter (`<enter>`, `<f2>`), pauses
//! (`<wait>`, `<wait5>`, `<wait1m30s>`), and keys that are held (`<leftCtrlOn>x<leftCtrlOff>`, `<aOn>`). Unlike Packer, which types
//! out what it does not know, an unknown name in `<>` is an error, since it is a slip nearly always.
mod chord;
mod keys;
mod parse;
#[cfg(test)]
mod tests;

pub use chord::{Chord, chords};
pub use parse::{TypedError, parse};

use std::time::Duration;

/// One thing to do at the keyboard. Keys are Linux input event codes (`linux/input-event-codes.h`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Press the keys together and let them go. Modifiers come first.
    Press(Vec<u32>),
    /// Press the keys and hold them.
    Down(Vec<u32>),
    /// Let the keys go.
    Up(Vec<u32>),
    /// Do nothing for some time.
    Wait(Duration),
}
