//! An error as a list of messages.
use std::error::Error;

/// What an error says, and why, and why that: outermost first. Wrappers that only repeat their inner message are left out.
pub fn causes(error: &dyn Error) -> Vec<String> {
    let mut all = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if all.last() != Some(&text) {
            all.push(text);
        }
        next = error.source();
    }
    all
}
