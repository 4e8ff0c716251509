//! What an earlier publish made: the line in its annotation that a later one with `--replace` goes by.

/// Begins that line.
const WORDS: &str = "published by goldsmith";

/// The line for a machine that is made of `image`.
pub fn line(image: &str) -> String {
    format!("{WORDS} {} from {image}", env!("CARGO_PKG_VERSION"))
}

/// Whether an annotation has such a line.
pub fn is_published(annotation: &str) -> bool {
    annotation.lines().any(|line| line.trim_start().starts_with(WORDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_is_recognised_by_its_line() {
        assert!(is_published(&format!("Ubuntu\n{}", line("web.ova"))));
        assert!(!is_published("not published by goldsmith") && !is_published(""));
    }
}
