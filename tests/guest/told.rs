//! What a failed build says of itself, in its report and its records.
use serde_json::Value;
use std::{fmt::Write as _, path::PathBuf};

/// What a build said.
pub(crate) struct Told {
    pub(crate) chain: String,
    pub(crate) hints: String,
    pub(crate) console: String,
    pub(crate) warnings: String,
    pub(crate) timeline: String,
    /// The folder of its records.
    pub(crate) logs: PathBuf,
}

impl Told {
    /// What the report `result` and its records say of the build called `name`, which failed.
    pub(crate) fn by(result: &Value, name: &str) -> Self {
        let builds = result["builds"].as_array().unwrap();
        let build = builds.iter().find(|build| build["name"] == name).unwrap();
        assert_eq!(build["status"], "failed", "{build:#}");
        let texts = |value: &Value| {
            let lines = value.as_array().into_iter().flatten();
            lines.map(|line| line.as_str().unwrap()).collect::<Vec<_>>().join("\n")
        };
        let logs = PathBuf::from(build["logs"].as_str().unwrap());
        let events = std::fs::read_to_string(logs.join("build.jsonl")).unwrap();
        let mut warnings = String::new();
        for event in events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            if event["level"] == "warning" {
                let hint = event["hint"].as_str().unwrap_or_default();
                let _ = writeln!(warnings, "{}\n{hint}", event["text"].as_str().unwrap());
            }
        }
        Self {
            chain: texts(&build["error"]["chain"]),
            hints: texts(&build["error"]["hints"]),
            console: texts(&build["error"]["console"]),
            warnings,
            timeline: std::fs::read_to_string(logs.join("timeline.txt")).unwrap(),
            logs,
        }
    }
}

/// Asserts that `text` has all of `words`.
#[track_caller]
pub(crate) fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no {word:?} in\n{text}");
    }
}
