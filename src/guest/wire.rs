//! What a persistent shell is sent, and how its answers are told apart: pure text and bytes.
//!
//! The shell reads its commands from standard input. A script is one line of commands (its text is a quoted word that may
//! have line breaks) that runs it in a subshell and then says the exit code on both streams, with a mark that nobody else
//! can know. Nothing else ends a script: no closed stream, so daemons that keep it open disturb nobody.
use super::{Command, launch, quote};
use std::fmt::Write as _;

/// Begins and ends what we say in the middle of other people's bytes. Any byte would do; the mark behind it decides.
const SIGN: u8 = 0x1e;
/// Length of a mark in hexadecimal digits.
const DIGITS: usize = 32;

/// A mark that cannot be guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark(String);

impl Mark {
    pub(super) fn random() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }

    /// The word for `printf`: kind, mark, and a place for a number.
    fn word(&self, kind: char) -> String {
        format!("'\\036{kind}{}:%s;'", self.0)
    }
}

/// The first commands of a new shell: fd 3 becomes what its scripts have as standard error, and its own complaints go
/// nowhere, for bash complains about killed scripts with their whole text. Then it says its process group, and what kind of
/// shell it is.
pub(super) fn opening(mark: &Mark) -> String {
    let word = mark.word('O');
    // The process group is the fifth field of stat; the second has no blank, because it is `(sh)` or `(dash)`. Without a
    // path, only a built-in printf is found: another one would put what it prints on a command line.
    format!(
        "exec 3>&2 2>/dev/null;read -r a b c d e f </proc/$$/stat;PATH=/dev/null;\
         printf {word} \"$e${{BASH_VERSION:+b}}\"||{{ PATH={path};printf {word} \"${{e}}x\"; }};\
         unset a b c d e f;PATH={path};export PATH\n",
        path = launch::PATH,
    )
}

/// What a shell said about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hello {
    /// Its process group.
    pub(super) group: u32,
    /// Whether it reads its commands byte by byte, as bash does.
    pub(super) slow: bool,
    /// Whether it has a printf of its own.
    pub(super) printf: bool,
}

impl Hello {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (group, flags) = text.split_at(end);
        Some(Self { group: group.parse().ok()?, slow: flags.contains('b'), printf: !flags.contains('x') })
    }
}

/// The commands that run `command`.
pub(super) fn script(command: &Command, mark: &Mark) -> Result<Vec<u8>, String> {
    let mut setup = String::from("cd \"${HOME:-/}\" 2>/dev/null||cd /;");
    launch::exports(command, &mut setup)?;
    for (name, value) in &command.variables {
        let _never_fails = write!(setup, "{name}={};", quote(value.expose()));
    }
    // A script that ends by itself says so when its code could be taken for a signal.
    let say = mark.word('S').replace('\'', "\"");
    let trap = format!("trap 'case $? in 129|1[3-9]?) printf {say} 0 >&2;;esac' EXIT;");
    let script = command.script.expose();
    let run = if command.own_process {
        // What it is, it gets through a pipe, and closes that first.
        let body = quote(&format!("exec 4<&-;{trap}{script}\n"));
        format!("printf %s {body}|{{ {setup}exec /bin/sh -eu /proc/self/fd/4 4<&0 </dev/null 2>&3 3>&-; }}")
    } else {
        format!("({setup}{trap}set -eu;eval {}) </dev/null 2>&3 3>&-", quote(script))
    };
    let (begin, end) = (mark.word('B'), mark.word('E'));
    let text =
        format!("printf {begin} 0;{run};set -- $?;printf {end} \"$1\";printf {end} \"$1\" >&3;shift\n");
    Ok(text.into_bytes())
}

/// One thing in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// Bytes that are not ours.
    Text(Vec<u8>),
    /// We said this.
    Said {
        /// About what.
        kind: u8,
        /// The word.
        word: String,
    },
}

/// Finds what we said in one stream, whatever the pieces it comes in.
#[derive(Debug)]
pub(super) struct Scanner {
    mark: Mark,
    held: Vec<u8>,
}

/// What the bytes from a sign on are.
enum Look {
    Ours(usize, u8, String),
    Foreign,
    Short,
}

impl Scanner {
    pub(super) fn new(mark: &Mark) -> Self {
        Self { mark: mark.clone(), held: Vec::new() }
    }

    /// The tokens that `bytes` complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Token> {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let mut tokens = Vec::new();
        let (mut from, mut at) = (0, 0);
        while let Some(sign) = all[at..].iter().position(|byte| *byte == SIGN).map(|offset| at + offset) {
            match self.look(&all[sign..]) {
                Look::Foreign => at = sign + 1,
                Look::Short => {
                    self.held = all.split_off(sign);
                    break;
                }
                Look::Ours(length, kind, word) => {
                    if sign > from {
                        tokens.push(Token::Text(all[from..sign].to_vec()));
                    }
                    tokens.push(Token::Said { kind, word });
                    (from, at) = (sign + length, sign + length);
                }
            }
        }
        if from < all.len() {
            all.drain(..from);
            tokens.push(Token::Text(all));
        }
        tokens
    }

    /// What was held back because it could have become ours.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    fn look(&self, bytes: &[u8]) -> Look {
        /// Longer than any word of ours: a process group and its flags.
        const LONGEST: usize = 16;
        let mark = self.mark.0.as_bytes();
        let Some(kind) = bytes.get(1) else { return Look::Short };
        let rest = &bytes[2..];
        let known = rest.len().min(DIGITS);
        if !kind.is_ascii_uppercase() || rest[..known] != mark[..known] {
            return Look::Foreign;
        }
        match rest.get(DIGITS) {
            None => return Look::Short,
            Some(b':') => {}
            Some(_) => return Look::Foreign,
        }
        let word = &rest[DIGITS + 1..];
        match word.iter().take(LONGEST).position(|byte| !byte.is_ascii_alphanumeric()) {
            Some(end) if word[end] == b';' => {
                let length = 2 + DIGITS + 1 + end + 1;
                Look::Ours(length, *kind, String::from_utf8_lossy(&word[..end]).into_owned())
            }
            None if word.len() < LONGEST => Look::Short,
            _ => Look::Foreign,
        }
    }
}

#[cfg(test)]
mod tests;
