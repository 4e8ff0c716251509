//! What a machine prints on its serial console, as a person would read it.
use crate::{
    cx::{Escapes, Shown},
    driver::Machine,
};
use std::{
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
};

/// More is not remembered.
const KEPT: usize = 64 << 10;
/// At most so much is read at once.
const PIECE: u64 = 1 << 20;

/// Reads a machine's console from where it left off.
#[derive(Debug)]
pub(super) struct Console {
    path: Option<PathBuf>,
    at: u64,
    /// Without escape sequences.
    text: String,
    escapes: Escapes,
}

/// What installers say when they cannot go on, in lower case and without line ends, and what it means.
const SYMPTOMS: &[(&str, &str)] = &[
    ("kernel panic - not syncing", "its kernel panicked"),
    ("unable to mount root fs", "its kernel found no initial RAM disk that it can read"),
    // debian-installer
    ("an installation step failed", "a step of debian-installer failed"),
    ("bad archive mirror", "debian-installer cannot use the mirror"),
    ("downloading a file failed", "debian-installer cannot download a file from the mirror"),
    ("network autoconfiguration failed", "debian-installer got no address: no DHCP server answered"),
    ("failed to load preconfiguration file", "debian-installer cannot read its answers: they are not valid"),
    ("failed to retrieve the preconfiguration file", "debian-installer cannot get its answers"),
    ("failed to run preseeded command", "a command in debian-installer's answers failed"),
    ("no root file system is defined", "debian-installer was not told how to partition the disk"),
    ("detect and mount installation media", "debian-installer does not find its medium"),
    // Anaconda
    ("traceback (most recent call last)", "the installer itself failed"),
    ("an unknown error has occurred", "Anaconda failed"),
    ("the following error occurred while parsing the kickstart file", "Anaconda cannot read its answers"),
    ("unable to download the kickstart file", "Anaconda cannot get its answers"),
    ("could not boot:", "dracut could not start the installer"),
    ("dracut-initqueue timeout", "dracut waits in vain for the installer's medium"),
    ("dropping to debug shell", "its initial RAM disk gave up"),
    ("entering emergency mode", "it ended in an emergency shell"),
    ("not enough disk space to", "the disk is too small for what is to be installed"),
    // subiquity
    ("an error occurred. press enter to start a shell", "subiquity failed"),
    ("install_fail", "subiquity failed"),
    (
        "autoinstall config did not create needed bootloader partition",
        "its answers leave no room for a boot loader",
    ),
    // casper and live systems
    ("unable to find a medium containing a live file system", "it does not find its medium"),
    ("(initramfs) unable to find", "it does not find its medium"),
    // FAI, which then waits for somebody
    ("error in task", "a task of FAI failed"),
    ("fatal error. installation stopped", "FAI stopped"),
];

impl Console {
    pub(super) fn of(machine: &dyn Machine) -> Self {
        Self::at(machine.serial_log())
    }

    fn at(path: Option<PathBuf>) -> Self {
        Self { path, at: 0, text: String::new(), escapes: Escapes::default() }
    }

    /// Reads what is new; whether there was anything.
    pub(super) fn read(&mut self) -> bool {
        let mut bytes = Vec::new();
        let mut read = || -> std::io::Result<()> {
            let Some(path) = &self.path else { return Ok(()) };
            let mut file = std::fs::File::open(path)?;
            file.seek(SeekFrom::Start(self.at))?;
            file.take(PIECE).read_to_end(&mut bytes).map(drop)
        };
        // A log that cannot be read now is read later; the machine may not have made it yet.
        let _ = read();
        self.at += bytes.len() as u64;
        self.take(&bytes);
        !bytes.is_empty()
    }

    fn take(&mut self, bytes: &[u8]) {
        for c in String::from_utf8_lossy(bytes).chars() {
            match self.escapes.take(c) {
                Shown::Char(c) if c == '\n' || !c.is_control() => self.text.push(c),
                // Progress that is written over itself.
                Shown::Char('\r') if !self.text.ends_with('\n') => self.text.push('\n'),
                // A cursor that moves begins a new text; words on both sides of the move are not one.
                Shown::Control => self.text.push(' '),
                Shown::Char(_) | Shown::Nothing => {}
            }
        }
        if self.text.len() > 2 * KEPT {
            let least = self.text.len() - KEPT;
            let cut = (least..least + 4).find(|at| self.text.is_char_boundary(*at)).unwrap_or_default();
            self.text.drain(..cut);
        }
    }

    /// The last line with something on it.
    pub(super) fn last_line(&self) -> &str {
        const LONGEST: usize = 100;
        let mut lines = self.text.lines().rev().map(str::trim);
        let line = lines.find(|line| !line.is_empty() && !is_status(line)).unwrap_or_default();
        line.char_indices().nth(LONGEST).map_or(line, |(at, _)| &line[..at])
    }

    /// Whether `text` was printed, however it was broken into lines.
    pub(super) fn said(&self, text: &str) -> bool {
        squeezed(&self.text).contains(&squeezed(text))
    }

    /// What the installer says of why it cannot go on.
    pub(super) fn symptom(&self) -> Option<String> {
        let text = squeezed(&self.text);
        let (said, means) = SYMPTOMS.iter().find(|(said, _)| text.contains(said))?;
        Some(format!("{means}: it printed \u{201c}{said}\u{201d}"))
    }
}

/// Whether `line` is what `screen` and `tmux` keep at the foot of a terminal, as debian-installer does on a serial console.
fn is_status(line: &str) -> bool {
    line.starts_with("[ ") && line.contains("*installer")
}

/// In lower case, with one space for every run of spaces, line ends and frames of boxes.
pub(super) fn squeezed(text: &str) -> String {
    let plain = text.chars().map(|c| match c {
        '\u{2500}'..='\u{259f}' | '|' => ' ',
        c => c.to_ascii_lowercase(),
    });
    plain.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn console(bytes: &[u8]) -> Console {
        let mut console = Console::at(None);
        console.take(bytes);
        console
    }

    #[test]
    fn escape_sequences_are_not_shown() {
        let text = b"\x1b[1;31mRetrieving\x1b[0m libc6\r\n\x1b]0;title\x07 50%\r 100%\r\n\n";
        let console = console(text);
        assert_eq!(console.last_line(), "100%");
        assert!(console.said("retrieving libc6"), "{:?}", console.text);
    }

    #[test]
    fn a_dialog_that_breaks_its_lines_is_understood() {
        let text = "│ [!!] Download installer components │\n│ An installation   step │\n│ failed. │";
        let symptom = console(text.as_bytes()).symptom().unwrap();
        assert!(symptom.contains("debian-installer"), "{symptom}");
        assert_eq!(console(b"Setting up libc6 ...\n").symptom(), None);
    }

    #[test]
    fn symptoms_are_written_as_they_are_looked_for() {
        for (said, _) in SYMPTOMS {
            assert_eq!(squeezed(said), said.trim(), "{said}");
        }
    }

    #[test]
    fn a_console_is_read_as_it_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("serial.log");
        let mut console = Console::at(Some(path.clone()));
        assert!(!console.read());
        std::fs::write(&path, "one\ntw").unwrap();
        assert!(console.read() && !console.read());
        std::fs::write(&path, "one\ntwo\n").unwrap();
        assert!(console.read());
        assert_eq!(console.last_line(), "two");
    }

    proptest! {
        #[test]
        fn any_bytes_are_text_of_bounded_length(pieces in prop::collection::vec(any::<Vec<u8>>(), 0..20)) {
            let mut console = Console::at(None);
            for piece in pieces {
                console.take(&piece);
            }
            let _ = (console.symptom(), console.last_line());
            prop_assert!(console.text.len() <= 3 * KEPT);
            let escapes = console.text.contains('\u{1b}');
            prop_assert!(!escapes);
        }
    }
}
