//! XML on the wire: elements are written in the order that the schema wants, and answers are read into a tree.
use super::Moref;

/// An element in the making. Who calls keeps to the order of the schema; servers refuse any other.
#[derive(Debug, Default)]
pub struct Element {
    text: String,
}

impl Element {
    /// An element of text.
    pub fn leaf(&mut self, name: &str, value: impl AsRef<str>) -> &mut Self {
        self.start(name, None);
        escape(value.as_ref(), &mut self.text);
        self.end(name)
    }

    /// The same, if there is a value.
    pub fn leaf_if(&mut self, name: &str, value: Option<impl AsRef<str>>) -> &mut Self {
        match value {
            Some(value) => self.leaf(name, value),
            None => self,
        }
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.leaf(name, if value { "true" } else { "false" })
    }

    /// A whole number.
    pub fn number(&mut self, name: &str, value: impl Into<i64>) -> &mut Self {
        self.leaf(name, value.into().to_string())
    }

    /// An element of text whose declared type says less, such as `xsd:string` for a value of `anyType`.
    pub fn typed(&mut self, name: &str, kind: &str, value: impl AsRef<str>) -> &mut Self {
        self.start(name, Some(kind));
        escape(value.as_ref(), &mut self.text);
        self.end(name)
    }

    /// A reference to a managed object.
    pub fn moref(&mut self, name: &str, object: &Moref) -> &mut Self {
        self.text.push('<');
        self.text.push_str(name);
        self.text.push_str(" type=\"");
        escape(&object.kind, &mut self.text);
        self.text.push_str("\">");
        escape(&object.id, &mut self.text);
        self.end(name)
    }

    /// An element that others go into.
    pub fn node(&mut self, name: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.start(name, None);
        fill(self);
        self.end(name)
    }

    /// An element that others go into, of a type that extends the declared one: `VirtualPCIController`.
    pub fn extended(&mut self, name: &str, kind: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.start(name, Some(kind));
        fill(self);
        self.end(name)
    }

    /// An element of an answer, as it came: servers want back what they made.
    pub fn copy(&mut self, from: &Node) -> &mut Self {
        // Those of the XML schema itself, in values of `anyType`. All types of the interface begin with a capital.
        let kind = from.kind.as_deref().map(|kind| {
            if kind.starts_with(char::is_lowercase) { format!("xsd:{kind}") } else { kind.to_owned() }
        });
        match &from.refers {
            Some(refers) => return self.moref(&from.name, &Moref::new(refers, &from.text)),
            None => self.start(&from.name, kind.as_deref()),
        }
        escape(&from.text, &mut self.text);
        for node in &from.nodes {
            self.copy(node);
        }
        self.end(&from.name)
    }

    fn start(&mut self, name: &str, kind: Option<&str>) {
        self.text.push('<');
        self.text.push_str(name);
        if let Some(kind) = kind {
            self.text.push_str(" xsi:type=\"");
            self.text.push_str(kind);
            self.text.push('"');
        }
        self.text.push('>');
    }

    fn end(&mut self, name: &str) -> &mut Self {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
        self
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// What XML 1.0 cannot say at all becomes U+FFFD: such texts come from guests and files, never from what decides anything.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // A parser makes any other line end of it.
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => out.push(c),
            _ => out.push('\u{fffd}'),
        }
    }
}

/// An element of an answer. Prefixes of names are gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its `xsi:type` without a prefix: `HostConnectFault`, `string`.
    pub kind: Option<String>,
    /// The `type` of a reference to a managed object.
    pub refers: Option<String>,
    /// Its text, without that of the elements in it.
    pub text: String,
    /// The elements in it.
    pub nodes: Vec<Node>,
}

/// Deeper answers are none of a vCenter's.
const DEEPEST: usize = 200;

impl Node {
    /// Reads a document.
    pub(super) fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let document = roxmltree::Document::parse(text)?;
        Self::take(document.root_element(), 0).ok_or_else(|| "it is nested too deeply".into())
    }

    fn take(from: roxmltree::Node<'_, '_>, depth: usize) -> Option<Self> {
        const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
        if depth > DEEPEST {
            return None;
        }
        let bare = |name: &str| name.rsplit(':').next().unwrap_or(name).to_owned();
        let mut made = Self {
            name: from.tag_name().name().to_owned(),
            kind: from.attribute((XSI, "type")).map(bare),
            // Asked for by its name alone, `xsi:type` would be found as well.
            refers: from
                .attributes()
                .find(|attribute| attribute.name() == "type" && attribute.namespace().is_none())
                .map(|attribute| bare(attribute.value())),
            ..Self::default()
        };
        for child in from.children() {
            if child.is_element() {
                made.nodes.push(Self::take(child, depth + 1)?);
            } else if let Some(text) = child.text().filter(|_| child.is_text()) {
                made.text.push_str(text);
            }
        }
        if !made.nodes.is_empty() {
            made.text.clear();
        }
        Some(made)
    }

    /// The first element of this path: `config/hardware`.
    pub fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |node, name| node.nodes.iter().find(|child| child.name == name))
    }

    /// The text of the first element of this path.
    pub fn text_at(&self, path: &str) -> Option<&str> {
        self.at(path).map(|node| node.text.as_str())
    }

    /// All elements of this name in it.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.nodes.iter().filter(move |child| child.name == name)
    }

    /// The reference that it is.
    pub fn as_moref(&self) -> Option<Moref> {
        let kind = self.refers.clone()?;
        (!self.text.is_empty()).then(|| Moref { kind, id: self.text.clone() })
    }

    /// All references in it: those of an `ArrayOfManagedObjectReference`.
    pub fn morefs(&self) -> Vec<Moref> {
        self.nodes.iter().filter_map(Self::as_moref).collect()
    }

    /// `true` or `1`.
    pub fn is_true(&self) -> bool {
        matches!(self.text.as_str(), "true" | "1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut element = Element::default();
        element.node("spec", |spec| {
            spec.leaf("name", "a<b> & \"c\"\r\n").flag("on", true).number("n", 7);
            spec.typed("value", "xsd:string", "x").leaf_if("none", None::<&str>);
            spec.extended("device", "VirtualCdrom", |device| {
                device.moref("datastore", &Moref::new("Datastore", "ds-1"));
            });
        });
        let text = element.into_text().replace(
            "<spec>",
            "<spec xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"y\">",
        );
        let node = Node::parse(&text).unwrap();
        assert_eq!(node.text_at("name"), Some("a<b> & \"c\"\r\n"));
        assert!(node.at("on").unwrap().is_true());
        assert_eq!(node.at("value").unwrap().kind.as_deref(), Some("string"));
        let device = node.at("device").unwrap();
        assert_eq!(device.kind.as_deref(), Some("VirtualCdrom"));
        assert_eq!(device.morefs(), [Moref::new("Datastore", "ds-1")]);
        assert_eq!(node.at("value").unwrap().as_moref(), None);
    }

    #[test]
    fn what_was_read_is_written_as_it_came() {
        let text = "<a xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"y\" xsi:type=\"Spec\">\
             <b xsi:type=\"xsd:string\"> x &amp; y</b><c type=\"Datastore\">ds-1</c><d><e>1</e></d></a>";
        let node = Node::parse(text).unwrap();
        let mut element = Element::default();
        element.copy(&node);
        let written = element.into_text();
        assert!(
            written.starts_with("<a xsi:type=\"Spec\"><b xsi:type=\"xsd:string\"> x &amp; y</b>"),
            "{written}"
        );
        let open = "<a xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"y\" ";
        assert_eq!(Node::parse(&written.replacen("<a ", open, 1)).unwrap(), node);
    }

    #[test]
    fn a_document_that_is_too_deep_is_refused() {
        let text = format!("{}{}", "<a>".repeat(300), "</a>".repeat(300));
        assert!(Node::parse(&text).is_err());
    }

    proptest! {
        #[test]
        fn any_text_survives_or_is_marked(text in "\\PC*") {
            let mut element = Element::default();
            element.leaf("t", &text);
            prop_assert_eq!(Node::parse(&element.into_text()).unwrap().text, text);
        }

        #[test]
        fn no_bytes_make_it_panic(text in ".*") {
            let _ = Node::parse(&text);
        }
    }
}
