//! Which errors of a call are worth another try, and when.
use crate::aws::{ApiError, AwsError, AwsErrorKind};
use rand::Rng;
use std::{error::Error, time::Duration};

/// An error that may not come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Too many calls: fewer, and later.
    Throttled,
    /// The service or the line failed.
    Unavailable,
    /// The block arrived as another one.
    Damaged,
}

impl Trouble {
    /// What it is, when it is worth another try.
    pub(super) fn of(error: &AwsError) -> Option<Self> {
        match error.kind() {
            AwsErrorKind::Throttled => Some(Self::Throttled),
            AwsErrorKind::Unavailable => Some(Self::Unavailable),
            // The service has no word of its own for it.
            _ => message(error)
                .is_some_and(|text| text.to_ascii_lowercase().contains("checksum"))
                .then_some(Self::Damaged),
        }
    }

    /// How often it may come in a row to one call. Throttling ends by itself, and is bounded by time.
    pub(super) fn patience(self) -> u32 {
        match self {
            Self::Throttled => u32::MAX,
            Self::Unavailable => 12,
            // A line that damages so much damages everything; or our own digest is wrong.
            Self::Damaged => 4,
        }
    }
}

fn message(error: &AwsError) -> Option<&str> {
    Some(&error.source()?.downcast_ref::<ApiError>()?.message)
}

/// The pause before try number `attempt`, from 1: twice as long each time, at most 15 seconds, and never the same for two.
pub(super) fn pause(attempt: u32) -> Duration {
    let longest = Duration::from_millis(100 << attempt.min(8)).min(Duration::from_secs(15));
    longest.mul_f64(rand::rng().random_range(0.5..1.0))
}
