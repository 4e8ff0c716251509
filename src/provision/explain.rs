//! Why a step failed: what its output means, what a look into the guest shows, and what to do about it.
use super::{runner::StepError, steps::APT_FRESH};
use crate::{
    cx::Cx,
    guest::{CommError, Exit, FileSystem, Guest, Trouble},
};
use std::{future::Future, time::Duration};

/// The connection to a machine ends a moment before its end is known.
const NEWS: Duration = Duration::from_secs(2);
/// Between two looks at the machine.
const LOOK: Duration = Duration::from_millis(200);
/// What programs say when a file system is full.
const NO_SPACE: [&str; 4] = ["No space left on device", "ENOSPC", "enough free space", "Disk quota exceeded"];

/// Does `work` as long as the machine lives: who waits for a paused one, waits for ever.
pub(super) async fn while_alive<T>(
    trouble: Trouble<'_>,
    work: impl Future<Output = Result<T, StepError>>,
) -> Result<T, StepError> {
    tokio::select! {
        biased;
        result = work => result,
        why = died(trouble) => Err(StepError::Machine { why, source: None }),
    }
}

async fn died(trouble: Trouble<'_>) -> String {
    loop {
        if let Some(why) = trouble() {
            return why;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// `error` with what can be found out about it.
pub(super) async fn explain(cx: &Cx, guest: &Guest, trouble: Trouble<'_>, error: StepError) -> StepError {
    if error.is_cut() {
        return match tokio::time::timeout(NEWS, died(trouble)).await {
            Ok(why) => StepError::Machine { why, source: Some(Box::new(error)) },
            Err(_elapsed) => error,
        };
    }
    let about_the_guest = match &error {
        StepError::Exit { .. } | StepError::NotCreated { .. } => true,
        StepError::Comm(error) => {
            matches!(
                error,
                CommError::Failed { .. } | CommError::NotStarted { .. } | CommError::TimedOut { .. }
            )
        }
        _ => false,
    };
    if !about_the_guest || cx.stop().is_cancelled() || guest.is_closed().await {
        return error;
    }
    match guest.file_systems(cx).await {
        Ok(all) => fullness(&all, error),
        Err(_the_step_failed_first) => error,
    }
}

/// `error`, with the file systems in front that are full, or were.
fn fullness(all: &[FileSystem], error: StepError) -> StepError {
    let told = ran_out(&error);
    let mut guilty = if told { named(all, &error) } else { vec![] };
    if guilty.is_empty() {
        guilty = all.iter().filter(|one| one.is_full()).collect();
    }
    if guilty.is_empty() && told {
        guilty = all.iter().filter(|one| !one.is_memory()).collect();
    }
    // Who cleans up after itself makes room again.
    let state = |one: &FileSystem| {
        if one.is_full() {
            format!("{one} is full")
        } else {
            format!("{one} was full, and has {} free now", one.free)
        }
    };
    let what = match guilty[..] {
        [] => return error,
        [one] => format!("the guest's file system {}", state(one)),
        _ if guilty.iter().all(|one| one.is_full()) => {
            let names: Vec<String> = guilty.iter().map(ToString::to_string).collect();
            format!("file systems of the guest are full: {}", names.join(", "))
        }
        _ => {
            let names: Vec<String> =
                guilty.iter().map(|one| format!("{one} has {} free now", one.free)).collect();
            format!("a file system of the guest was full: {}", names.join(", "))
        }
    };
    let memory = guilty.iter().all(|one| one.is_memory());
    StepError::Full { what, memory, source: Box::new(error) }
}

/// The file systems of the paths that are named where the guest says that there is no room.
fn named<'a>(all: &'a [FileSystem], error: &StepError) -> Vec<&'a FileSystem> {
    let mut lines = said(error);
    lines.retain(|line| NO_SPACE.iter().any(|words| line.contains(words)));
    if let StepError::Comm(CommError::Failed { label, .. }) = error {
        lines.push(label);
    }
    let words =
        lines.iter().flat_map(|line| line.split(|c: char| c.is_whitespace() || "'\"`‘’:,()".contains(c)));
    let mut found: Vec<&FileSystem> = Vec::new();
    for path in words.filter(|word| word.starts_with('/')) {
        let holds = |one: &&FileSystem| {
            path.strip_prefix(one.at.trim_end_matches('/'))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let one = all.iter().filter(holds).max_by_key(|one| one.at.len());
        found.extend(one.filter(|one| !found.contains(one)));
    }
    found
}

/// Whether the guest said that a file system is full.
pub(super) fn ran_out(error: &StepError) -> bool {
    said(error).iter().any(|line| NO_SPACE.iter().any(|words| line.contains(words)))
}

/// Whether a command that said `last` would say it again.
pub(super) fn is_in_vain(last: &[String]) -> bool {
    let lines: Vec<&str> = last.iter().map(String::as_str).collect();
    lines.contains(&APT_FRESH) && meaning(&lines).is_some()
}

/// What the guest said last.
fn said(error: &StepError) -> Vec<&str> {
    match error {
        StepError::Exit { last, .. } => last.iter().map(String::as_str).collect(),
        StepError::Comm(CommError::Failed { said, .. } | CommError::NotStarted { said, .. }) => vec![said],
        _ => vec![],
    }
}

impl StepError {
    /// Whether it is the connection's fault.
    pub(super) fn is_cut(&self) -> bool {
        match self {
            Self::Exit { exit, .. } => *exit == Exit::Disconnected,
            Self::Comm(error) => error.is_cut(),
            Self::Lost { .. } => true,
            _ => false,
        }
    }

    /// Whether no other step can do better.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Machine { .. } | Self::Cancelled(_) => true,
            Self::Guest(error) => error.is_gone(),
            Self::Lost { source, .. } => source.is_gone(),
            _ => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Full { memory: true, .. } => Some(
                "it is memory of the guest: put what is large elsewhere (`/var/tmp`), or give the machine more memory \
                 (`machine.memory`)"
                    .to_owned(),
            ),
            Self::Full { .. } => Some(
                "give the machine a larger disk (`machine.disk`), or remove in a step before what is not needed"
                    .to_owned(),
            ),
            Self::Guest(error) => error.hint().map(str::to_owned),
            Self::Image(error) => error.hint(),
            Self::NoAnsible => Some("on Debian and Ubuntu: apt install ansible-core".to_owned()),
            Self::Machine { .. } => {
                Some("the serial log and the screenshot among the records show its end".to_owned())
            }
            Self::Exit { exit: Exit::Disconnected, .. } => Some(
                "nobody knows how far the step got, so it was not run again; with `retries` it is, over a new connection"
                    .to_owned(),
            ),
            other => meaning(&said(other)),
        }
    }
}

/// What package managers mean, which say it in many ways.
fn meaning(said: &[&str]) -> Option<String> {
    let between = |line: &str, before: &str, after: &str| {
        let (_, rest) = line.split_once(before)?;
        let name = if after.is_empty() { rest } else { rest.split_once(after)?.0 };
        Some(name.trim().to_owned()).filter(|name| !name.is_empty())
    };
    let mut missing: Vec<String> = Vec::new();
    for line in said {
        if let Some(version) = between(line, "E: Version '", "' for '") {
            let name = between(line, "' for '", "' was not found").unwrap_or_default();
            return Some(format!(
                "the guest's package lists have no `{name}` with the version `{version}`: `apt-cache policy {name}` shows \
                 in the guest which versions there are"
            ));
        }
        if line.contains("E: Could not get lock") || line.contains("was locked by another process") {
            return Some(
                "another program of the guest took the package manager's lock just then: end or stop it in a step before"
                    .to_owned(),
            );
        }
        let names = between(line, "E: Unable to locate package ", "")
            .or_else(|| between(line, "E: Package '", "' has no installation candidate"))
            .or_else(|| between(line, "Error: Unable to find a match: ", ""))
            .or_else(|| between(line, "No provider of '", "' found"))
            .or_else(|| between(line, "Error: Nothing to do: no package ", ""));
        for name in names.iter().flat_map(|names| names.split_whitespace()) {
            if !missing.iter().any(|known| known == name) {
                missing.push(name.to_owned());
            }
        }
    }
    let (names, is) = match &missing[..] {
        [] => return None,
        [one] => (format!("`{one}`"), "is"),
        many => (many.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "), "are"),
    };
    Some(format!(
        "{names} {is} in no package list of the guest: look whether the name is right for this system and release, or \
         add the repository that has it in a step before (`repository`)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Size;
    use proptest::prelude::*;
    use std::error::Error as _;
    use test_case::test_case;

    #[test_case(&["Reading...", "E: Unable to locate package nosuch"], "`nosuch` is in no package list"; "apt")]
    #[test_case(&["E: Package 'old' has no installation candidate"], "`old` is in"; "apt, only referred to")]
    #[test_case(
        &["E: Unable to locate package a", "E: Unable to locate package b"], "`a`, `b` are in"; "apt, two")]
    #[test_case(&["E: Version '9*' for 'jq' was not found"], "no `jq` with the version `9*`"; "apt, a version")]
    #[test_case(&["Error: Unable to find a match: x y"], "`x`, `y` are in"; "dnf")]
    #[test_case(&["No provider of 'z' found."], "`z` is in"; "zypper")]
    #[test_case(
        &["dpkg: error: dpkg frontend lock was locked by another process with pid 81"], "another program"; "dpkg")]
    fn package_managers_are_understood(lines: &[&str], expected: &str) {
        let hint = meaning(lines).unwrap();
        assert!(hint.contains(expected), "{hint}");
    }

    #[test]
    fn a_package_that_new_lists_do_not_have_is_not_asked_for_again() {
        let missing = ["E: Unable to locate package x".to_owned(), APT_FRESH.to_owned()];
        assert!(is_in_vain(&missing) && !is_in_vain(&missing[..1]) && !is_in_vain(&missing[1..]));
    }

    proptest! {
        #[test]
        fn any_output_is_read(text in "(E: |Version '|' for '|Unable to locate package |[ -~])*") {
            let _ = meaning(&[&text, &text]);
        }
    }

    fn exit(line: &str) -> StepError {
        StepError::Exit { exit: Exit::Code(1), last: vec![line.to_owned()] }
    }

    fn root(free: u64) -> FileSystem {
        FileSystem {
            at: "/".into(),
            device: "/dev/vda1".into(),
            kind: "ext4".into(),
            size: Size::gib(4),
            free: Size::mib(free),
            has_inodes: true,
        }
    }

    #[test]
    fn a_full_file_system_is_named_even_if_nobody_said_so() {
        let error = fullness(&[root(0)], exit("what now"));
        assert_eq!(error.to_string(), "the guest's file system `/` (ext4 on /dev/vda1, 4 GiB) is full");
        assert!(error.source().unwrap().to_string().contains("what now"));
        assert!(error.hint().unwrap().contains("machine.disk"));
        let inodes = FileSystem { has_inodes: false, ..root(500) };
        assert!(fullness(&[inodes], exit("x")).to_string().contains("no inodes left"));
    }

    #[test]
    fn what_was_full_is_told_after_who_filled_it_cleaned_up() {
        let error = fullness(&[root(700)], exit("cat: write error: No space left on device"));
        assert_eq!(
            error.to_string(),
            "the guest's file system `/` (ext4 on /dev/vda1, 4 GiB) was full, and has 700 MiB free now"
        );
        assert!(matches!(fullness(&[root(700)], exit("no")), StepError::Exit { .. }));
        let other = FileSystem { at: "/boot".into(), ..root(9) };
        let text = fullness(&[root(700), other], exit("No space left on device")).to_string();
        assert!(text.contains("700 MiB free now") && text.contains("9 MiB free now"), "{text}");
    }

    #[test]
    fn a_path_in_the_complaint_tells_which_it_was() {
        let memory = FileSystem { at: "/mnt".into(), kind: "tmpfs".into(), ..root(20) };
        let all = [root(0), memory];
        let error = fullness(&all, exit("dd: error writing '/mnt/x': No space left on device"));
        assert!(error.to_string().starts_with("the guest's file system `/mnt` (tmpfs"), "{error}");
        assert!(error.hint().unwrap().contains("machine.memory"));
        let error = fullness(&all, exit("dd: error writing '/mnt2': No space left on device"));
        assert!(error.to_string().starts_with("the guest's file system `/` (ext4"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_ends_with_its_machine() {
        let error =
            while_alive::<()>(&|| Some("it went off".into()), std::future::pending()).await.unwrap_err();
        assert_eq!(error.to_string(), "it went off while the step ran");
        assert!(error.is_final() && error.hint().is_some());
        assert!(while_alive(&|| None, async { Ok(1) }).await.is_ok());
    }
}
