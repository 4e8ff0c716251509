//! How failures read: the error, its causes, what was left, what to do, where the records are.
use super::theme::{Theme, Tone};
use crate::{
    build::{BuildError, BuildErrorKind, OnError, Outcome},
    cx::Leftover,
};
use std::{fmt::Write as _, path::PathBuf};

/// The chain of messages, outermost first, and what to do about it.
pub(super) fn chain(theme: &Theme, chain: &[String], hints: &[String]) -> String {
    let mut text = String::new();
    for (depth, message) in chain.iter().enumerate() {
        let lead = if depth == 0 {
            theme.paint(Tone::Bad, "error:")
        } else {
            format!("  {}", theme.paint(Tone::Bad, "caused by:"))
        };
        // Messages may carry the last lines of some output.
        let mut lines = message.lines();
        let _ = write!(text, "{lead} {}", theme.prose(lines.next().unwrap_or_default()));
        for line in lines {
            let gutter = theme.paint(Tone::Dim, format!("    {}", theme.symbols().gutter));
            let _ = write!(text, "\n{}", format!("{gutter} {}", line.trim_end()).trim_end());
        }
        text.push('\n');
    }
    for hint in hints {
        text.push_str(&self::hint(theme, hint));
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

/// `hint: …`
pub(super) fn hint(theme: &Theme, text: &str) -> String {
    format!("{} {}", theme.paint(Tone::Accent, "hint:"), theme.prose(text))
}

/// An error without an outcome: nothing was begun.
pub(super) fn error(theme: &Theme, error: &BuildError) -> String {
    chain(theme, &error.chain(), error.hints())
}

/// A build that failed.
pub(super) fn build(theme: &Theme, outcome: &Outcome, on_error: OnError) -> String {
    let Err((stage, error)) = &outcome.result else { return String::new() };
    let interrupted = error.kind() == BuildErrorKind::Interrupted;
    let ended = if interrupted { "interrupted" } else { "failed" };
    let mut text = format!(
        "{} {} {}\n",
        theme.mark(false),
        theme.paint(Tone::Strong, &outcome.name),
        theme.paint(Tone::Dim, format!("{ended} in {stage} after {}", outcome.seconds)),
    );
    // Who interrupts a build knows why it ended.
    if !interrupted {
        let _ = writeln!(text, "{}", chain(theme, &error.chain(), error.hints()));
        text.push_str(&console(theme, error.console()));
    }
    text.push('\n');
    let mut row = |label: &str, value: &str| {
        let _ = writeln!(text, "  {label:<8} {value}");
    };
    row("records", &format!("{}/", theme.path(&outcome.logs)));
    if on_error == OnError::Keep {
        row("kept", "the machine and its files, as asked with `--on-error keep`");
        if let Some(access) = &outcome.kept {
            row("log in", &theme.paint(Tone::Strong, shell_line(&access.command())));
        }
        row("remove", &theme.paint(Tone::Strong, gc_command()));
    }
    text.push_str(&leftovers(theme, &outcome.unwound.leftovers));
    text.truncate(text.trim_end().len());
    text
}

/// The last words of a guest that no longer answers.
fn console(theme: &Theme, lines: &[String]) -> String {
    let mut text = String::new();
    if !lines.is_empty() {
        let _ = writeln!(text, "the console said last:");
    }
    for line in lines {
        let _ = writeln!(text, "    {} {line}", theme.paint(Tone::Dim, theme.symbols().gutter));
    }
    text
}

/// What could not be removed, why, and how to try again.
pub(super) fn leftovers(theme: &Theme, leftovers: &[Leftover]) -> String {
    if leftovers.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{} something was left behind:\n", theme.paint(Tone::Warn, "warning:"));
    for leftover in leftovers {
        let _ = writeln!(text, "  {}", theme.prose(&leftover.undo.to_string()));
        let mut next: Option<&dyn std::error::Error> = std::error::Error::source(&leftover.error);
        while let Some(error) = next {
            let _ = writeln!(
                text,
                "    {} {}",
                theme.paint(Tone::Bad, "caused by:"),
                theme.prose(&error.to_string())
            );
            next = error.source();
        }
    }
    let _ = writeln!(text, "{}", hint(theme, &format!("try again with `{}`", gc_command())));
    text
}

/// The command that removes what is left of this process' builds: the state may be in a folder of its own.
pub(super) fn gc_command() -> String {
    gc_command_with(&|name| std::env::var_os(name).map(PathBuf::from))
}

fn gc_command_with(var: &dyn Fn(&str) -> Option<PathBuf>) -> String {
    let mut words = Vec::new();
    for name in ["GOLDSMITH_STATE_DIR", "GOLDSMITH_WORK_DIR", "GOLDSMITH_CACHE_DIR"] {
        if let Some(folder) = var(name).filter(|folder| !folder.as_os_str().is_empty()) {
            words.push(format!("{name}={}", quoted(&folder.display().to_string())));
        }
    }
    words.push("goldsmith gc".to_owned());
    words.join(" ")
}

/// Words as one would type them in a shell.
pub(super) fn shell_line(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A word as one would type it in a shell.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./=:,@%+~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        for word in ["a", "it's", "", "a b", "$HOME", "x=`id`", "ü"] {
            let output = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", quoted(word))])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }

    #[test]
    fn the_gc_command_finds_the_same_folders_again() {
        assert_eq!(gc_command_with(&|_| None), "goldsmith gc");
        let state = |name: &str| (name == "GOLDSMITH_STATE_DIR").then(|| PathBuf::from("/my state"));
        assert_eq!(gc_command_with(&state), "GOLDSMITH_STATE_DIR='/my state' goldsmith gc");
    }
}
