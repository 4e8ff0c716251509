//! Parts of a manifest that know what they are called, so that what is missing has a name and a line.
use super::ManifestFault;
use crate::yaml::{Kind, Node, parse};

/// A part of a manifest, which may be missing.
#[derive(Debug, Clone)]
pub(super) struct Part<'a> {
    node: Option<&'a Node>,
    path: String,
    /// Of itself, or of what it is missing in.
    line: usize,
}

/// The tree of a manifest of this `kind`, whose `apiVersion` is of this `group`.
pub(super) fn document(bytes: &[u8], group: &str, kind: &str) -> Result<Node, ManifestFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| ManifestFault::new("it is no text"))?;
    let node = match parse(text) {
        Ok(Some(node)) => node,
        Ok(None) => return Err(ManifestFault::new("it is empty")),
        Err(error) if looks_like_html(text) => {
            return Err(ManifestFault::at(error.line, "it is a page for people, no manifest"));
        }
        Err(error) => return Err(ManifestFault::at(error.line, format!("no YAML: {}", error.reason))),
    };
    let root = Part::root(&node);
    let (found_kind, version) = (root.get("kind"), root.get("apiVersion"));
    match (found_kind.text(), version.text()) {
        (Some(found), Some(version)) if found == kind && version.split('/').next() == Some(group) => Ok(node),
        (Some(found), Some(version)) => Err(ManifestFault::at(
            found_kind.line,
            format!("it is a `{found}` of `{version}`, not a `{kind}` of `{group}`"),
        )),
        _ if looks_like_html(text) => Err(ManifestFault::new("it is a page for people, no manifest")),
        _ => Err(ManifestFault::new(format!("it has no `kind` and `apiVersion`, so it is no `{kind}`"))),
    }
}

fn looks_like_html(text: &str) -> bool {
    let start = text.trim_start().get(..14).unwrap_or(text).to_ascii_lowercase();
    start.starts_with("<!doctype") || start.starts_with("<html") || start.starts_with("<?xml")
}

impl<'a> Part<'a> {
    pub(super) fn root(node: &'a Node) -> Self {
        Self { node: Some(node), path: String::new(), line: node.line }
    }

    /// What `key` of a map holds.
    pub(super) fn get(&self, key: &str) -> Self {
        let node = self.node.and_then(|node| node.get(key));
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { node, path, line: node.map_or(self.line, |node| node.line) }
    }

    /// What a path of keys leads to.
    pub(super) fn at(&self, keys: &[&str]) -> Self {
        keys.iter().fold(self.clone(), |part, key| part.get(key))
    }

    /// The items of a list; none if it is none.
    pub(super) fn items(&self) -> Vec<Self> {
        let nodes = self.node.map_or(&[] as &[Node], Node::items);
        let item = |(index, node): (usize, &'a Node)| Self {
            node: Some(node),
            path: format!("{}[{index}]", self.path),
            line: node.line,
        };
        nodes.iter().enumerate().map(item).collect()
    }

    /// The pairs of a map with their keys, in order.
    pub(super) fn pairs(&self) -> Vec<(&'a str, Self)> {
        let nodes = self.node.map_or(&[] as &[(Node, Node)], Node::pairs);
        nodes.iter().filter_map(|(key, _)| key.text()).map(|key| (key, self.get(key))).collect()
    }

    /// A text that says something; also a number as it is written.
    pub(super) fn text(&self) -> Option<&'a str> {
        let node = self.node.filter(|node| !node.is_null())?;
        node.text().map(str::trim).filter(|text| !text.is_empty())
    }

    pub(super) fn owned(&self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    /// A text that must be there.
    pub(super) fn need(&self) -> Result<&'a str, ManifestFault> {
        self.text().ok_or_else(|| self.fault("is missing"))
    }

    /// The texts of a list, or of a lone scalar.
    pub(super) fn texts(&self) -> Vec<String> {
        match self.text() {
            Some(text) => vec![text.to_owned()],
            None => self.items().iter().filter_map(Part::owned).collect(),
        }
    }

    pub(super) fn number(&self) -> Option<u64> {
        self.text()?.parse().ok()
    }

    pub(super) fn is_list(&self) -> bool {
        self.node.is_some_and(|node| matches!(node.kind, Kind::List(_)))
    }

    /// Something is wrong with this part: "… is missing".
    pub(super) fn fault(&self, what: &str) -> ManifestFault {
        ManifestFault::at(self.line, format!("`{}` {what}", self.path))
    }
}
