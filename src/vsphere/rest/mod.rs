//! The other interface, for what SOAP cannot: tags and content libraries.
use super::VCenter;

/// What is known of a session in it.
#[derive(Debug, Default)]
pub(super) struct State {}

impl VCenter {
    pub(super) async fn rest_log_out(&self) {}
}
