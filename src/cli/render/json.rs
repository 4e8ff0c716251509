//! One JSON object a line on stdout, one for each event.
use super::Show;
use crate::{
    cli::console::Console,
    cx::{Record, Sink},
};
use std::sync::Arc;

/// The renderer of `--json`.
#[derive(Debug)]
pub(in crate::cli) struct Json {
    console: Console,
}

impl Json {
    pub(in crate::cli) fn new(console: Console) -> Self {
        Self { console }
    }
}

/// The line of one event.
pub(super) fn line(record: &Record) -> Option<String> {
    serde_json::to_string(record).ok()
}

impl Sink for Json {
    fn take(&self, record: &Record) {
        if let Some(line) = line(record) {
            self.console.out(&line);
        }
    }
}

impl Show for Json {
    fn say(&self, text: &str) {
        self.console.err(text);
    }

    fn sink(self: Arc<Self>) -> Arc<dyn Sink> {
        self
    }
}
