//! Writes a definition in the order in which people would.
use std::fmt::Write as _;

/// How long a line may be before a list is written one item a line.
const WIDE: usize = 110;

/// A value of a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    /// A text. `${` in it is no reference.
    Text(String),
    /// A text in which `${…}` is a reference.
    Reference(String),
    /// A number.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// A list.
    List(Vec<Item>),
    /// An inline table.
    Table(Vec<(String, Item)>),
}

impl From<&str> for Item {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Item {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Item {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Item {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl<T: Into<Item>> From<Vec<T>> for Item {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

/// A document that grows from top to bottom.
#[derive(Debug, Default)]
pub(super) struct Document {
    text: String,
}

impl Document {
    /// A line for people.
    pub(super) fn comment(&mut self, line: &str) {
        let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _ = writeln!(self.text, "# {}", line.trim_end());
    }

    /// Begins `[header]`.
    pub(super) fn table(&mut self, header: &str) {
        let _ = writeln!(self.text, "\n[{header}]");
    }

    /// Begins `[[header]]`.
    pub(super) fn entry(&mut self, header: &str) {
        let _ = writeln!(self.text, "\n[[{header}]]");
    }

    /// `key = value`. The key may have dots.
    pub(super) fn key(&mut self, key: &str, value: impl Into<Item>) {
        let value = value.into();
        let line = format!("{key} = {}", shown(&value));
        match &value {
            Item::List(items) if line.chars().count() > WIDE => {
                let _ = writeln!(self.text, "{key} = [");
                for item in items {
                    let _ = writeln!(self.text, "    {},", shown(item));
                }
                self.text.push_str("]\n");
            }
            _ => {
                let _ = writeln!(self.text, "{line}");
            }
        }
    }

    /// The same for a key of the user's own, in which dots are letters.
    pub(super) fn quoted_key(&mut self, key: &str, value: impl Into<Item>) {
        self.key(&bare(key), value);
    }

    /// `key = value` if there is one.
    pub(super) fn maybe(&mut self, key: &str, value: Option<impl Into<Item>>) {
        if let Some(value) = value {
            self.key(key, value);
        }
    }

    /// All of it.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

fn shown(item: &Item) -> String {
    match item {
        Item::Text(text) => quoted(&text.replace("${", "$${")),
        Item::Reference(text) => quoted(text),
        Item::Number(number) => number.to_string(),
        Item::Flag(flag) => flag.to_string(),
        Item::List(items) => {
            format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        Item::Table(pairs) if pairs.is_empty() => "{}".to_owned(),
        Item::Table(pairs) => {
            let pairs: Vec<String> =
                pairs.iter().map(|(key, value)| format!("{} = {}", bare(key), shown(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

/// A key as it may stand: quoted if need be.
fn bare(key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if plain { key.to_owned() } else { quoted(key) }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_document_reads_like_one() {
        let mut document = Document::default();
        document.comment("two\nlines");
        document.key("name", "a");
        document.table("machine");
        document.key("cpus", 2);
        document.maybe("memory", None::<&str>);
        document.entry("output");
        document
            .key("ova.properties", Item::Table(vec![("A B".into(), "c".into()), ("d".into(), true.into())]));
        document.key("list", vec!["x".repeat(60), "y".repeat(60)]);
        let expected = r#"# two lines
name = "a"

[machine]
cpus = 2

[[output]]
ova.properties = { "A B" = "c", d = true }
list = [
    "XX",
    "YY",
]
"#;
        let expected = expected.replace("XX", &"x".repeat(60)).replace("YY", &"y".repeat(60));
        assert_eq!(document.finish(), expected);
    }

    proptest! {
        #[test]
        fn whatever_a_text_holds_comes_back(text in "\\PC*|[\\x00-\\x7f]*", key in "\\PC*") {
            let mut document = Document::default();
            document.key("a", Item::Reference(text.clone()));
            document.key("b", Item::Table(vec![(key.clone(), Item::Reference(text.clone()))]));
            let read: toml::Table = document.finish().parse().unwrap();
            prop_assert_eq!(read["a"].as_str(), Some(text.as_str()));
            prop_assert_eq!(read["b"][key.as_str()].as_str(), Some(text.as_str()));
        }
    }
}
