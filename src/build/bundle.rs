//! The failure bundle: everything a person needs to understand what went wrong, in the build's log folder.
//!
//! | file | what |
//! |---|---|
//! | `error.txt` | the chain of messages, with hints and the console's last lines when the guest no longer answered |
//! | `build.jsonl` | every event, one JSON object a line (written while the build ran) |
//! | `timeline.txt` | the same for people: when each stage began, ended, and what was awaited |
//! | `plan.json` | what the build was to do; holds no secret |
//! | `serial-*.log` | the guests' serial consoles |
//! | `screenshot.png`, `screenshot.jpg` | the screen at the moment of the failure |
//! | `guest-*.txt` | logs from inside the guest, when it still answered |
use super::{BuildError, recipe::Live};
use crate::{
    cx::{Cx, Stream, clean_line},
    driver::{Machine, MachineState},
    guest::GuestError,
    plan::Plan,
};
use std::{fmt::Write as _, path::Path, time::Duration};

/// A guest that does not answer must not hold up the clean-up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Collects the bundle. Whatever fails here is left out: the build's own error matters more.
pub(super) async fn collect(cx: &Cx, plan: &Plan, stage: &str, error: &mut BuildError, live: &mut Live) {
    let logs = cx.logs().to_owned();
    let interrupted = error.kind() == super::BuildErrorKind::Interrupted;
    write(&logs.join("error.txt"), &error_text(stage, error));
    if let Ok(plan) = serde_json::to_string_pretty(plan) {
        write(&logs.join("plan.json"), &plan);
    }
    // Who interrupts a build wants it to end, not to be examined.
    if !interrupted {
        if let Some(machine) = &live.machine {
            if let Ok(Ok(picture)) = tokio::time::timeout(PATIENCE, machine.screenshot()).await {
                let is_jpeg = picture.starts_with(b"\xff\xd8");
                let name = if is_jpeg { "screenshot.jpg" } else { "screenshot.png" };
                let _ = std::fs::write(logs.join(name), picture);
            }
            let _late = tokio::time::timeout(PATIENCE, machine.fetch_console()).await;
        }
        let mut answers = answered(error);
        if let Some(session) = &mut live.session
            && is_running(live.machine.as_deref()).await
            && let Ok(files) = tokio::time::timeout(PATIENCE, session.diagnose(cx)).await
        {
            answers = !files.is_empty();
            for (name, text) in files {
                write(&logs.join(format!("guest-{name}.txt")), &cx.redactor().redact(&text));
            }
        }
        if !answers
            && let Some(log) = live.machine.as_ref().and_then(|machine| machine.serial_log())
            && let Ok(bytes) = std::fs::read(log)
        {
            error.set_console(last_lines(&cx.redactor().redact(&String::from_utf8_lossy(&bytes))));
            write(&logs.join("error.txt"), &error_text(stage, error));
        }
    }
    if let Ok(text) = std::fs::read_to_string(logs.join("build.jsonl")) {
        write(&logs.join("timeline.txt"), &timeline(&text));
    }
}

async fn is_running(machine: Option<&dyn Machine>) -> bool {
    match machine {
        Some(machine) => matches!(machine.state().await, Ok(MachineState::Running)),
        None => false,
    }
}

/// Whether the guest itself said what is wrong, and its console knows no more.
fn answered(error: &BuildError) -> bool {
    let first: Option<&(dyn std::error::Error + 'static)> = Some(error);
    std::iter::successors(first, |error| error.source())
        .any(|error| matches!(error.downcast_ref(), Some(GuestError::NoRoot { .. })))
}

fn write(path: &Path, text: &str) {
    let _ = std::fs::write(path, text);
}

fn error_text(stage: &str, error: &BuildError) -> String {
    let mut text = format!("stage `{stage}` failed\n");
    for (depth, message) in error.chain().iter().enumerate() {
        let lead = if depth == 0 { "error" } else { "caused by" };
        let _ = writeln!(text, "{lead}: {message}");
    }
    for hint in error.hints() {
        let _ = writeln!(text, "hint: {hint}");
    }
    if !error.console().is_empty() {
        let _ = writeln!(text, "the console said last:");
    }
    for line in error.console() {
        let _ = writeln!(text, "    {line}");
    }
    text
}

/// The last lines of a serial console, for people: without control sequences, and a counter that runs is one line.
pub(super) fn last_lines(console: &str) -> Vec<String> {
    const LINES: usize = 6;
    const LONGEST: usize = 160;
    let mut lines: Vec<String> = Vec::new();
    let mut shape = String::new();
    for line in console.rsplit(['\n', '\r']).map(clean_line) {
        let line: String = line.trim().chars().take(LONGEST).collect();
        let now: String = line.chars().filter(|c| c.is_alphabetic()).collect();
        if line.is_empty() || (!now.is_empty() && now == shape) {
            continue;
        }
        shape = now;
        lines.push(line);
        if lines.len() == LINES {
            break;
        }
    }
    lines.reverse();
    lines
}

/// One line for each event that a person would ask about.
fn timeline(jsonl: &str) -> String {
    let mut text = String::new();
    let mut first: Option<jiff::Timestamp> = None;
    let mut waited = String::new();
    for event in jsonl.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()) {
        let Some(at) = event["at"].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok()) else {
            continue;
        };
        let begin = *first.get_or_insert(at);
        let word = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let line = match event["event"].as_str().unwrap_or_default() {
            "stage-started" => format!("▶ {}", word("stage")),
            "stage-finished" => format!("✓ {}", word("stage")),
            "stage-failed" => format!("✗ {}: {}", word("stage"), word("error")),
            "step-started" => format!("  step {}: {}", event["index"], word("label")),
            "message" => format!("  {}: {}", word("level"), word("text")),
            "waiting" => {
                let seen = event["seen"].as_array().map(Vec::as_slice).unwrap_or_default();
                let sights: Vec<String> = seen
                    .iter()
                    .map(|sight| {
                        let up = match sight["up"].as_bool() {
                            Some(true) => "✓",
                            Some(false) => "✗",
                            None => "…",
                        };
                        format!(
                            "{} {up} {}",
                            sight["label"].as_str().unwrap_or_default(),
                            sight["detail"].as_str().unwrap_or_default()
                        )
                    })
                    .collect();
                let line = format!("  waiting for {}: {}", word("what"), sights.join(" · "));
                // Only changes matter.
                if line == waited {
                    continue;
                }
                waited.clone_from(&line);
                line
            }
            "output" if word("stream") != serde_name(Stream::Serial) => {
                format!("  {} | {}", word("source"), word("line"))
            }
            "undone" => format!("  removed {}", word("what")),
            "undo-failed" => format!("  could not remove {}: {}", word("what"), word("error")),
            _ => continue,
        };
        let seconds = at.duration_since(begin).as_secs_f64();
        let _ = writeln!(text, "{seconds:8.1} s  {line}");
    }
    text
}

const fn serde_name(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
        Stream::Serial => "serial",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_console_ends_with_lines_and_not_with_frames() {
        let console = "old\n[    1.0] a\r\n\u{1b}[32m[  OK  ]\u{1b}[0m Stopped b.\r\n\r\n\
            \r\u{1b}[K[ ***] A stop job is running (1s / no limit)\r\u{1b}[K[*** ] A stop job is running (2s / no limit)";
        assert_eq!(
            last_lines(console),
            ["old", "[    1.0] a", "[  OK  ] Stopped b.", "[*** ] A stop job is running (2s / no limit)"]
        );
        assert!(last_lines("\r\n\u{1b}").is_empty());
    }

    #[test]
    fn the_timeline_has_one_line_per_event_that_matters() {
        let jsonl = r#"{"at":"2026-01-01T00:00:00Z","event":"stage-started","stage":"connect"}
{"at":"2026-01-01T00:00:01Z","event":"waiting","what":"SSH","seen":[{"label":"port","up":true,"detail":""}]}
{"at":"2026-01-01T00:00:02Z","event":"waiting","what":"SSH","seen":[{"label":"port","up":true,"detail":""}]}
{"at":"2026-01-01T00:00:09.5Z","event":"stage-failed","stage":"connect","error":"no"}
"#;
        let text = timeline(jsonl);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.ends_with("     9.5 s  ✗ connect: no\n"), "{text}");
    }
}
