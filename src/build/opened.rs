//! What a run opened and shares: sessions, one for each server and user.
use std::sync::{Mutex, PoisonError};

/// Those that are open.
#[derive(Debug)]
pub(super) struct Opened<T>(Mutex<Vec<T>>);

impl<T> Default for Opened<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Opened<T> {
    /// With one that somebody else opened.
    pub(super) fn with(one: T) -> Self {
        Self(Mutex::new(vec![one]))
    }

    /// The one that is meant, if it is open.
    pub(super) fn known(&self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().find(|one| is_it(one)).cloned()
    }

    /// Notes one. Two builds that begin at once may both open the same: the first counts, and all are given back in the end.
    pub(super) fn note(&self, one: &T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(one.clone());
    }

    /// All of them, which are forgotten.
    pub(super) fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
