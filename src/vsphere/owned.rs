//! What is ours: how things that a build makes are marked from their first moment, so that they are found and nothing else is removed.
use crate::cx::BuildId;

/// The mark of one build on what it makes: a line of the annotation, or of the description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    build: String,
    image: String,
}

/// Before the id of the build.
const WORD: &str = "goldsmith-build=";

impl Mark {
    /// The mark of `build`, which makes `image`.
    pub fn of(build: &BuildId, image: &str) -> Self {
        Self { build: build.as_str().to_owned(), image: image.to_owned() }
    }

    /// A text for people with the mark as its last line.
    pub fn on(&self, text: &str) -> String {
        let text = text.trim_end();
        let gap = if text.is_empty() { "" } else { "\n" };
        format!("{text}{gap}{} ({WORD}{})", self.image, self.build)
    }
}

/// Whether a text bears the mark of this build.
pub fn is_marked(text: &str, build: &str) -> bool {
    !build.is_empty() && marks(text).any(|found| found == build)
}

/// Whether a text bears the mark of any build: it makes the thing, or died doing so.
pub fn bears_mark(text: &str) -> bool {
    marks(text).next().is_some()
}

/// A text without marks: what was made becomes a result, and nobody is to take it for a leftover.
pub fn without_marks(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| marks(line).next().is_none()).collect();
    lines.join("\n")
}

fn marks(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(WORD).map(|(at, _)| {
        let rest = &text[at + WORD.len()..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
        &rest[..end]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_and_taken_away() {
        let id = BuildId::random();
        let mark = Mark::of(&id, "web");
        let text = mark.on("Ubuntu 24.04 for Kubernetes 1.34\n");
        assert!(is_marked(&text, id.as_str()), "{text}");
        assert!(!is_marked(&text, &id.as_str()[..id.as_str().len() - 1]));
        assert!(!is_marked(&text, ""));
        assert!(bears_mark(&text) && !bears_mark("goldsmith"));
        assert_eq!(without_marks(&text), "Ubuntu 24.04 for Kubernetes 1.34");
        assert_eq!(without_marks(&mark.on("")), "");
    }
}
