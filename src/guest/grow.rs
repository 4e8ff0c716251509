//! Growing the root file system to its disk, in guests where cloud-init does not.
use super::{Command, Guest, GuestError, capture};
use crate::{cx::Cx, value::Size};
use std::time::Duration;

const SCRIPT: &str = include_str!("grow.sh");

/// What became of the root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Growth {
    /// It is as large as it can be.
    Kept(Size),
    /// It has grown.
    Grown {
        /// Before.
        from: Size,
        /// Now.
        to: Size,
    },
    /// It cannot grow, for people.
    Impossible(String),
}

impl Guest {
    /// Grows the root partition and its file system (ext, XFS, btrfs) to the end of the disk, unless another partition is
    /// behind it.
    pub async fn grow_root(&self, cx: &Cx) -> Result<Growth, GuestError> {
        const QUESTION: &str = "grow the root file system";
        let command = Command::script(QUESTION, SCRIPT).timeout(Duration::from_secs(300));
        let answer = capture(self, cx, &command).await?.ok(QUESTION)?;
        growth(answer.trim()).ok_or_else(|| GuestError::Answer {
            question: QUESTION.to_owned(),
            reason: format!("it says `{}`", answer.trim()),
        })
    }
}

fn growth(answer: &str) -> Option<Growth> {
    let size = |text: &str| text.parse().ok().map(Size::bytes);
    match answer.split_once(' ')? {
        ("note", text) => Some(Growth::Impossible(text.to_owned())),
        ("kept", bytes) => Some(Growth::Kept(size(bytes)?)),
        ("grown", both) => {
            let (from, to) = both.split_once(' ')?;
            Some(Growth::Grown { from: size(from)?, to: size(to)? })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        assert_eq!(growth("kept 4096"), Some(Growth::Kept(Size::bytes(4096))));
        let grown = Growth::Grown { from: Size::bytes(1), to: Size::bytes(2) };
        assert_eq!(growth("grown 1 2"), Some(grown));
        assert_eq!(growth("note it is on a raid"), Some(Growth::Impossible("it is on a raid".into())));
        assert_eq!(growth("grown 1"), None);
        assert_eq!(growth("what"), None);
    }

    #[test]
    fn the_script_parses_in_every_shell_that_may_be_sh() {
        for shell in ["dash", "bash"] {
            let mut command = std::process::Command::new(shell);
            let out = command.args(["-n", "-c", SCRIPT]).output().unwrap();
            assert!(out.status.success() && out.stderr.is_empty(), "{shell}: {out:?}");
        }
    }
}
