//! A small POST to an address that must not be told to anybody.
use super::{Gate, client};
use crate::value::Secret;
use std::time::Duration;
use url::Url;

/// Why a POST failed. Nothing in it names the address.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// It is no address.
    #[error("the address is none of http or https")]
    Address,
    /// The server said no.
    #[error("the server answered HTTP {status}")]
    Http {
        /// Its status.
        status: u16,
    },
    /// There was no answer.
    #[error("there was no answer")]
    Network(#[source] reqwest::Error),
    /// No client could be made.
    #[error("could not prepare the request")]
    Client(#[source] super::FetchError),
}

/// Posts JSON to `url`, within `limit`.
pub async fn post_json(url: &Secret, body: String, limit: Duration) -> Result<(), PostError> {
    let address: Url = url.expose().trim().parse().map_err(|_| PostError::Address)?;
    if !matches!(address.scheme(), "http" | "https") || address.host_str().is_none() {
        return Err(PostError::Address);
    }
    // The address is the user's own, and no build tells anything there.
    let response = client::new(&Gate::open())
        .map_err(PostError::Client)?
        .post(address)
        .header("content-type", "application/json")
        .timeout(limit)
        .body(body)
        .send()
        .await
        .map_err(|error| PostError::Network(error.without_url()))?;
    if response.status().is_success() {
        Ok(())
    } else {
        Err(PostError::Http { status: response.status().as_u16() })
    }
}
