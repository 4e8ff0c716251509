//! Why something on the wire went wrong, in one line.
use std::error::Error;

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
