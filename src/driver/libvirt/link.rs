//! The one connection of a driver: opened when it is needed, and again when another host had gone away.
use super::{connection::Connection, place::Place};
use crate::driver::{DriverError, DriverErrorKind};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// How long a host that did not answer is not asked again. An undo asks once for each thing that is there, and a host that is off
/// takes minutes each time.
const PAUSE: Duration = Duration::from_secs(30);

/// The connection, or how it failed.
#[derive(Debug, Default)]
pub(super) struct Link(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    open: Option<Arc<Connection>>,
    refused: Option<Refused>,
}

#[derive(Debug)]
struct Refused {
    at: Instant,
    kind: DriverErrorKind,
    why: String,
    hint: Option<String>,
}

impl Link {
    /// The connection to `uri`.
    pub(super) async fn get(
        &self,
        uri: &str,
        place: Place,
        run_root: &Path,
    ) -> Result<Arc<Connection>, DriverError> {
        let mut state = self.0.lock().await;
        let remote = place == Place::Remote;
        // A network that failed may be back: what is left there is removed through a new connection.
        if let Some(connection) = state.open.as_ref().filter(|open| !remote || open.is_alive()) {
            return Ok(Arc::clone(connection));
        }
        if let Some(refused) = state.refused.as_ref().filter(|refused| refused.at.elapsed() < PAUSE) {
            return Err(refused.again(uri));
        }
        match Connection::open(uri, place, run_root).await {
            Ok(connection) => {
                *state = State { open: Some(Arc::clone(&connection)), refused: None };
                Ok(connection)
            }
            Err(error) => {
                state.refused = Some(Refused::new(&error)).filter(|_| remote);
                Err(error)
            }
        }
    }
}

impl Refused {
    fn new(error: &DriverError) -> Self {
        let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        let hint = error.hint_text().map(str::to_owned);
        Self { at: Instant::now(), kind: error.kind(), why, hint }
    }

    fn again(&self, uri: &str) -> DriverError {
        let attempt = format!("connect to libvirt at `{uri}`");
        let error = DriverError::new(self.kind, attempt).because(self.why.clone());
        match &self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_did_not_answer_is_told_again_in_the_same_words() {
        let first = DriverError::new(DriverErrorKind::Unavailable, "connect to libvirt at `x`")
            .because("no route")
            .hint("go there");
        let again = Refused::new(&first).again("x");
        assert_eq!(again.to_string(), first.to_string());
        assert_eq!(again.kind(), DriverErrorKind::Unavailable);
        assert_eq!(std::error::Error::source(&again).unwrap().to_string(), "no route");
        assert_eq!(again.hint_text(), Some("go there"));
    }
}
