//! Held keys as chords, for machines that can press keys together but not hold one while others come and go.
use super::Action;
use std::time::Duration;

/// Keys to press together, or a pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chord {
    /// Press the keys together and let them go.
    Press {
        /// Linux input event codes, modifiers first.
        keys: Vec<u32>,
        /// For how long; `None` is as long as a key press usually takes.
        hold: Option<Duration>,
    },
    /// Do nothing for some time.
    Wait(Duration),
}

/// The same as presses of keys together: what is pressed while keys are held is pressed with them. A key that is held and let go
/// with nothing but pauses between is held for so long.
pub fn chords(actions: &[Action]) -> Vec<Chord> {
    let mut chords = Vec::new();
    let mut held: Vec<u32> = Vec::new();
    // Since the last key was pressed to be held: whether it was of use, and the pauses.
    let (mut used, mut paused) = (true, Duration::ZERO);
    for action in actions {
        match action {
            Action::Press(keys) => {
                if !used && !paused.is_zero() {
                    chords.push(Chord::Wait(paused));
                }
                used = true;
                chords.push(Chord::Press { keys: together(&held, keys), hold: None });
            }
            Action::Down(keys) => {
                if !used && !paused.is_zero() {
                    chords.push(Chord::Wait(paused));
                }
                held = together(&held, keys);
                (used, paused) = (false, Duration::ZERO);
            }
            Action::Up(keys) => {
                if !used && keys.iter().any(|key| held.contains(key)) {
                    chords.push(Chord::Press {
                        keys: held.clone(),
                        hold: Some(paused).filter(|time| !time.is_zero()),
                    });
                    used = true;
                }
                held.retain(|key| !keys.contains(key));
            }
            Action::Wait(time) if used => chords.push(Chord::Wait(*time)),
            Action::Wait(time) => paused = paused.saturating_add(*time),
        }
    }
    chords
}

fn together(held: &[u32], keys: &[u32]) -> Vec<u32> {
    let mut all = held.to_vec();
    all.extend(keys.iter().filter(|key| !held.contains(key)));
    all
}
