//! YAML as a tree whose parts know their lines: what users and others write, read without trust.
use saphyr_parser::{Event, Parser, ScalarStyle};

/// Deeper documents are refused: nobody writes one, and trees are taken apart by recursion.
const DEPTH: usize = 64;

/// A part of a document.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// `plain` when it is written without quotes, so that `true` is no text.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    /// A reference to another part; what it is, is not looked at.
    Alias,
}

/// Where and why a text is no YAML.
#[derive(Debug)]
pub(crate) struct NotYaml {
    pub(crate) line: usize,
    pub(crate) reason: String,
}

/// The first document of `text`; none when there is nothing in it.
pub(crate) fn parse(text: &str) -> Result<Option<Node>, NotYaml> {
    let mut parser = Parser::new_from_str(text);
    // Open lists and maps. A map's next key waits for its value.
    let mut open: Vec<(Node, Option<Node>)> = vec![];
    let mut root = None;
    loop {
        let (event, span) = match parser.next_event() {
            None => return Ok(root),
            Some(Ok(next)) => next,
            Some(Err(error)) => {
                return Err(NotYaml { line: error.marker().line(), reason: error.info().to_owned() });
            }
        };
        let line = span.start.line();
        let done = match event {
            Event::StreamEnd | Event::DocumentEnd => return Ok(root),
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => continue,
            Event::Alias(_) => Node { line, kind: Kind::Alias },
            Event::Scalar(text, style, _, _) => {
                let plain = style == ScalarStyle::Plain;
                Node { line, kind: Kind::Scalar { text: text.into_owned(), plain } }
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() >= DEPTH => {
                return Err(NotYaml {
                    line,
                    reason: format!("more than {DEPTH} lists and maps are in one another"),
                });
            }
            Event::SequenceStart(..) => {
                open.push((Node { line, kind: Kind::List(vec![]) }, None));
                continue;
            }
            Event::MappingStart(..) => {
                open.push((Node { line, kind: Kind::Map(vec![]) }, None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some((node, _)) => node,
                None => continue,
            },
        };
        match open.last_mut() {
            None => root = Some(done),
            Some((Node { kind: Kind::List(items), .. }, _)) => items.push(done),
            Some((Node { kind: Kind::Map(pairs), .. }, key)) => match key.take() {
                None => *key = Some(done),
                Some(key) => pairs.push((key, done)),
            },
            Some(_) => {}
        }
    }
}

impl Node {
    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The value of `key` in a map; the last one, as PyYAML takes it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.pairs().iter().rev().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The pairs of a map.
    pub(crate) fn pairs(&self) -> &[(Node, Node)] {
        match &self.kind {
            Kind::Map(pairs) => pairs,
            _ => &[],
        }
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// What PyYAML makes of it, for sentences.
    pub(crate) fn found(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar { .. } if self.is_null() => "nothing",
            Kind::Scalar { .. } if self.boolean().is_some() => "a boolean",
            Kind::Scalar { .. } if self.number().is_some() => "a number",
            Kind::Scalar { .. } => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
            Kind::Alias => "a reference",
        }
    }

    /// Its value if YAML 1.1 takes it for a boolean.
    pub(crate) fn boolean(&self) -> Option<bool> {
        match self.plain()? {
            "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
            "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
            _ => None,
        }
    }

    /// Its value if it is a whole number.
    pub(crate) fn number(&self) -> Option<i64> {
        self.plain()?.parse().ok()
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.plain(), Some("" | "~" | "null" | "Null" | "NULL"))
    }

    fn plain(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, plain: true } => Some(text),
            _ => None,
        }
    }
}
