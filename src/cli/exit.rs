//! Exit codes: one table, from which the manual page `docs/exit-codes.md` is generated.
/// Everything went well.
pub const OK: u8 = 0;
/// It failed: the guest, the hypervisor, a check or a disk said no. Nothing was left behind.
pub const FAILED: u8 = 1;
/// The command line or a definition is wrong. Nothing was started.
pub const USAGE: u8 = 2;
/// Something that the build needs is missing on this host. Nothing was made.
pub const PREFLIGHT: u8 = 3;
/// It failed and something was left behind; `goldsmith gc` removes it.
pub const LEFTOVERS: u8 = 4;
/// Some of it is done and some failed, and the report says what: the same command goes on with the rest.
pub const PARTIAL: u8 = 5;
/// A bug in goldsmith.
pub const INTERNAL: u8 = 70;
/// Interrupted by a signal, and everything was cleaned up.
pub const INTERRUPTED: u8 = 130;
/// Interrupted by a signal, and something was left behind; `goldsmith gc` removes it.
pub const INTERRUPTED_LEFTOVERS: u8 = 131;

/// How a command ended. Ordered by what matters more when several builds of one run end differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    Ok,
    Usage,
    Preflight,
    Failed,
    Partial,
    Leftovers,
    Interrupted,
    InterruptedLeftovers,
    Internal,
}

impl Exit {
    /// Every way to end, in the order of the codes.
    pub(super) const ALL: [Self; 9] = [
        Self::Ok,
        Self::Failed,
        Self::Usage,
        Self::Preflight,
        Self::Leftovers,
        Self::Partial,
        Self::Internal,
        Self::Interrupted,
        Self::InterruptedLeftovers,
    ];

    /// Its number.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Ok => OK,
            Self::Failed => FAILED,
            Self::Usage => USAGE,
            Self::Preflight => PREFLIGHT,
            Self::Leftovers => LEFTOVERS,
            Self::Partial => PARTIAL,
            Self::Internal => INTERNAL,
            Self::Interrupted => INTERRUPTED,
            Self::InterruptedLeftovers => INTERRUPTED_LEFTOVERS,
        }
    }

    /// What it means, one or two sentences.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "Everything went well.",
            Self::Failed => {
                "It failed: the guest, the hypervisor, a check or a disk said no. Nothing was left behind."
            }
            Self::Usage => "The command line or a definition is wrong. Nothing was started.",
            Self::Preflight => "Something that the build needs is missing on this host. Nothing was made.",
            Self::Leftovers => "It failed and something was left behind; `goldsmith gc` removes it.",
            Self::Partial => {
                "Some of it is done and some failed, and the report says what: the same command goes on with the rest."
            }
            Self::Internal => "A bug in goldsmith. Please report it.",
            Self::Interrupted => "Interrupted by a signal, and everything was cleaned up.",
            Self::InterruptedLeftovers => {
                "Interrupted by a signal, and something was left behind; `goldsmith gc` removes it."
            }
        }
    }
}

/// The text of `docs/exit-codes.md`.
#[cfg(test)]
fn manual() -> String {
    let mut text = String::from(
        "# Exit codes\n\n\
         <!-- Generated from src/cli/exit.rs: `GOLDSMITH_BLESS=1 make test-fast` writes it. -->\n\n\
         Scripts may rely on these numbers. When several definitions are built in one run, the most serious outcome\n\
         decides.\n\n\
         | code | meaning |\n|---:|---|\n",
    );
    for exit in Exit::ALL {
        text.push_str(&format!("| {} | {} |\n", exit.code(), exit.meaning()));
    }
    text.push_str(
        "\nA command that handles no signals itself (`plan`, `validate`, `doctor`, …) ends as its shell reports it: 130\n\
         after Ctrl-C, 143 after SIGTERM.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_page_of_exit_codes_is_not_stale() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/exit-codes.md");
        if std::env::var_os("GOLDSMITH_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, manual()).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, manual(), "write it with `GOLDSMITH_BLESS=1 make test-fast`");
    }

    #[test]
    fn the_codes_are_distinct_and_rise() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert!(codes.is_sorted() && codes.windows(2).all(|pair| pair[0] != pair[1]), "{codes:?}");
    }

    #[test]
    fn what_was_left_behind_outweighs_a_clean_failure() {
        assert!(Exit::Leftovers > Exit::Failed);
        assert!(Exit::InterruptedLeftovers > Exit::Interrupted);
        assert_eq!([Exit::Ok, Exit::Preflight, Exit::Failed].iter().max(), Some(&Exit::Failed));
    }
}
