//! How far bytes have come, for who watches.
use crate::cx::{Cx, Event, Unit};
use std::time::Duration;
use tokio::time::Instant;

/// Shows how far bytes have come, some times a second; at its end it goes.
pub(crate) struct Bar {
    cx: Cx,
    what: String,
    total: Option<u64>,
    last: Option<Instant>,
}

impl Bar {
    pub(crate) fn new(cx: &Cx, what: impl Into<String>, total: Option<u64>) -> Self {
        Self { cx: cx.clone(), what: what.into(), total, last: None }
    }

    /// Notes how many there will be.
    pub(crate) fn expect(&mut self, total: Option<u64>) {
        self.total = total.or(self.total);
    }

    pub(crate) fn show(&mut self, done: u64) {
        const OFTEN: Duration = Duration::from_millis(200);
        if Some(done) == self.total || self.last.is_none_or(|at| at.elapsed() >= OFTEN) {
            self.last = Some(Instant::now());
            let (what, total) = (self.what.clone(), self.total);
            self.cx.emit(Event::Progress { what, done, total, unit: Unit::Bytes });
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.cx.emit(Event::ProgressFinished { what: self.what.clone() });
    }
}
