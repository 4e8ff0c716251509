//! Why something on the wire went wrong.
use super::{Thumbprint, WireKind, witness::Refused};
use crate::cx::Failure;
use std::error::Error;

/// What went wrong on the way to a server and back. `hint` says how people have a certificate trusted that was refused, whose thumbprint is
/// known mostly.
pub(crate) fn failed<K: WireKind>(
    attempt: impl Into<String>,
    error: &reqwest::Error,
    hint: impl FnOnce(Option<&Thumbprint>) -> String,
) -> Failure<K> {
    let chain = chain(error);
    if let Some(refused) = Refused::of(error) {
        let failure = Failure::new(K::TRUST, attempt).because(refused.to_string());
        return failure.hint(match refused.why {
            Some(_) => hint(Some(&refused.seen)),
            None => {
                "if the certificate was renewed, that is the new thumbprint; if not, this is another machine"
                    .to_owned()
            }
        });
    }
    if chain.contains("certificate") && !chain.contains("connection closed") {
        return Failure::new(K::TRUST, attempt).because(chain).hint(hint(None));
    }
    Failure::new(if error.is_timeout() { K::TIMEOUT } else { K::UNAVAILABLE }, attempt).because(chain)
}

/// An error with its causes, without the address, which says nothing more than the attempt.
pub(crate) fn chain(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next: Option<&dyn Error> = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    if parts.is_empty() { error.to_string() } else { parts.join(": ") }
}

/// A body as a text, of `most` bytes.
pub(crate) async fn text(
    mut response: reqwest::Response,
    most: usize,
) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
            return Err("the answer is too large".into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}
