//! What is ours: images bear the id of the build that made them in their description, from their first moment and for good. So an undo
//! finds its own and removes nothing else, and a later publish knows whose image it may replace.
use crate::cx::BuildId;

/// The mark of one build: the last line of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    build: String,
}

/// Before the id of the build.
const WORD: &str = "goldsmith-build=";
/// The longest description of an image, in characters, in both dialects.
const LONGEST: usize = 1000;

impl Mark {
    /// The mark of `build`.
    pub fn of(build: &BuildId) -> Self {
        Self { build: build.as_str().to_owned() }
    }

    /// A text for people with the mark as its last line.
    pub fn on(&self, text: &str) -> String {
        let text = text.trim_end();
        let gap = if text.is_empty() { "" } else { "\n" };
        format!("{text}{gap}({WORD}{})", self.build)
    }

    /// How many characters a text for people may have.
    pub fn room(&self) -> usize {
        LONGEST - self.on("x").chars().count() + 1
    }
}

/// Whether a text bears the mark of this build.
pub fn is_marked(text: &str, build: &str) -> bool {
    !build.is_empty() && marks(text).any(|found| found == build)
}

/// Whether a text bears the mark of any build of goldsmith's.
pub fn is_ours(text: &str) -> bool {
    marks(text).any(|found| found.parse::<BuildId>().is_ok())
}

fn marks(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(WORD).map(|(at, _)| {
        let rest = &text[at + WORD.len()..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        &rest[..end]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_and_is_of_one_build() {
        let id = BuildId::random();
        let mark = Mark::of(&id);
        for text in [mark.on("Ubuntu 24.04\n"), mark.on("")] {
            assert!(is_marked(&text, id.as_str()) && is_ours(&text), "{text}");
            assert!(!is_marked(&text, &id.as_str()[1..]) && !is_marked(&text, ""));
        }
        assert!(!is_ours("goldsmith-build=somebody") && !is_ours("Ubuntu"));
        assert_eq!(mark.on(&"x".repeat(mark.room())).chars().count(), LONGEST);
    }
}
