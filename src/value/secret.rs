//! Secrets that cannot print themselves, and the filter that keeps them out of text that came from elsewhere.
use std::{
    fmt,
    sync::{Arc, RwLock},
};

/// A secret text. Neither `Debug` nor `Display` shows it, it does not serialise, and its memory is overwritten on drop.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that must use it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        std::hint::black_box(&bytes);
    }
}

/// What is shown instead of a secret.
const MASK: &str = "••••••";

/// Replaces every secret it was told about in any text. Clones share the same list.
#[derive(Clone, Default)]
pub struct Redactor {
    secrets: Arc<RwLock<Vec<Secret>>>,
}

impl Redactor {
    /// Registers a secret. Each of its non-empty lines is a secret too, because guests print keys line by line.
    pub fn learn(&self, secret: &Secret) {
        // Lines shorter than this would blank out ordinary words.
        const SHORTEST: usize = 4;
        let Ok(mut secrets) = self.secrets.write() else { return };
        let whole = secret.expose().trim();
        for part in std::iter::once(whole).chain(whole.lines().map(str::trim)) {
            if part.len() >= SHORTEST && !secrets.iter().any(|known| known.expose() == part) {
                secrets.push(Secret::new(part));
            }
        }
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
    }

    /// `text` with every known secret masked.
    pub fn redact(&self, text: &str) -> String {
        let Ok(secrets) = self.secrets.read() else { return MASK.to_owned() };
        let mut text = text.to_owned();
        for secret in secrets.iter() {
            if text.contains(secret.expose()) {
                text = text.replace(secret.expose(), MASK);
            }
        }
        text
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        let secret = Secret::new("hunter22");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn a_redactor_masks_whole_secrets_and_their_lines() {
        let redactor = Redactor::default();
        redactor.learn(&Secret::new("first-line\nsecond-line\n"));
        assert_eq!(redactor.redact("x second-line y"), format!("x {MASK} y"));
        assert_eq!(redactor.redact("first-line\nsecond-line"), MASK);
        assert_eq!(redactor.redact("nothing here"), "nothing here");
    }
}
