//! Renderers: listeners that show a build while it runs. One is chosen per run; see [`Show`].
mod draw;
mod json;
mod plain;
mod terminal;
#[cfg(test)]
mod tests;
mod track;

pub(super) use json::Json;
pub(super) use plain::Plain;
pub(super) use terminal::Terminal;

use super::console::{Console, Verbosity};
use crate::cx::Sink;
use std::sync::Arc;

/// A renderer.
pub(super) trait Show: Sink {
    /// Shows text for people that is no event, such as a summary. Goes to stderr, above whatever is live.
    fn say(&self, text: &str);

    /// Takes everything live off the screen while someone else uses it; events are shown afterwards.
    fn pause(&self) {}

    /// Ends a pause.
    fn resume(&self) {}

    /// Takes everything live off the screen for good.
    fn close(&self) {}

    /// The renderer as a listener.
    fn sink(self: Arc<Self>) -> Arc<dyn Sink>;
}

/// The renderer for this console. `names` are those of the definitions.
pub(super) fn choose(console: &Console, names: &[&str]) -> Arc<dyn Show> {
    if console.json() {
        return Arc::new(Json::new(console.clone()));
    }
    let widest = names.iter().map(|name| name.len()).max().filter(|_| names.len() > 1);
    if console.is_live() && console.verbosity() != Verbosity::Quiet {
        Arc::new(Terminal::new(console, widest))
    } else {
        Arc::new(Plain::new(console.clone(), widest.is_some()))
    }
}
