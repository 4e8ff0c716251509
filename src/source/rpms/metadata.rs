//! What a repository of RPMs says: `repomd.xml` names its files, `primary.xml` its packages.
use super::version::Evr;
use crate::value::Digest;
use roxmltree::{Document, Node};
use std::collections::BTreeSet;

/// `repomd.xml` is not larger.
pub(super) const LARGEST_REPOMD: usize = 4 << 20;
/// Packages of a repository, unpacked, are not more.
pub(super) const LARGEST_PRIMARY: u64 = 1 << 30;
/// What dnf does not ask for.
const UNASKED: &[&str] = &["primary_db", "filelists_db", "other_db", "other", "other_zck", "updateinfo_db"];

/// A file that `repomd.xml` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Data {
    pub(super) kind: String,
    pub(super) href: String,
    pub(super) digest: Option<Digest>,
    pub(super) bytes: Option<u64>,
}

/// The files that dnf may ask for.
pub(super) fn repomd(text: &str) -> Result<Vec<Data>, roxmltree::Error> {
    let document = Document::parse(text)?;
    let nodes = document.root_element().children().filter(|node| node.tag_name().name() == "data");
    let data = |node: Node<'_, '_>| {
        let kind = node.attribute("type")?.to_owned();
        let href = child(node, "location")?.attribute("href")?.to_owned();
        let digest = child(node, "checksum").and_then(digest);
        let bytes = child(node, "size").and_then(|size| size.text()?.trim().parse().ok());
        (!UNASKED.contains(&kind.as_str())).then_some(Data { kind, href, digest, bytes })
    };
    Ok(nodes.filter_map(data).collect())
}

/// What a package needs, or has to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Capability {
    pub(super) name: String,
    /// How its version compares, and to what.
    pub(super) version: Option<(Flag, Evr)>,
}

/// How versions compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

/// A package of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) arch: String,
    pub(super) evr: Evr,
    pub(super) href: String,
    pub(super) digest: Option<Digest>,
    pub(super) bytes: Option<u64>,
    pub(super) provides: Vec<Capability>,
    pub(super) requires: Vec<Capability>,
    /// What it would like to have.
    pub(super) recommends: Vec<Capability>,
    /// Those of its files that others may need by name.
    pub(super) files: Vec<String>,
}

/// The packages in the text of `primary.xml`. They are read one by one, since some repositories have a hundred megabytes of them.
pub(super) fn primary(text: &str) -> Result<Vec<Package>, roxmltree::Error> {
    let mut packages = Vec::new();
    for element in elements(text) {
        let wrapped = format!("<m xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">{element}</m>");
        let document = Document::parse(&wrapped)?;
        packages.extend(document.root_element().first_element_child().and_then(package));
    }
    Ok(packages)
}

/// Which packages hold these files, by the text of `filelists.xml`: the digest of the package, and the file.
pub(super) fn holders(
    text: &str,
    wanted: &BTreeSet<String>,
) -> Result<Vec<(String, String)>, roxmltree::Error> {
    let mut found = Vec::new();
    for element in elements(text).filter(|element| wanted.iter().any(|path| element.contains(path))) {
        let document = Document::parse(element)?;
        let package = document.root_element();
        let Some(id) = package.attribute("pkgid") else { continue };
        let files = package.children().filter(|node| node.tag_name().name() == "file");
        let files = files.filter_map(|file| file.text()).filter(|path| wanted.contains(*path));
        found.extend(files.map(|path| (id.to_owned(), path.to_owned())));
    }
    Ok(found)
}

/// Each `package` of a list.
fn elements(text: &str) -> impl Iterator<Item = &str> {
    const END: &str = "</package>";
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find("<package ")?;
        let end = start + rest[start..].find(END)? + END.len();
        let element = &rest[start..end];
        rest = &rest[end..];
        Some(element)
    })
}

fn package(node: Node<'_, '_>) -> Option<Package> {
    let text = |name: &str| Some(child(node, name)?.text()?.trim().to_owned());
    let format = child(node, "format")?;
    let list = |name: &str| -> Vec<Capability> {
        let entries = child(format, name).into_iter().flat_map(|list| list.children());
        entries.filter_map(capability).collect()
    };
    let files = format.children().filter(|node| node.tag_name().name() == "file");
    Some(Package {
        name: text("name")?,
        arch: text("arch")?,
        evr: evr(child(node, "version")?)?,
        href: child(node, "location")?.attribute("href")?.to_owned(),
        digest: child(node, "checksum").and_then(digest),
        bytes: child(node, "size").and_then(|size| size.attribute("package")?.parse().ok()),
        provides: list("provides"),
        requires: list("requires"),
        recommends: list("recommends"),
        files: files.filter_map(|file| file.text()).map(str::to_owned).collect(),
    })
}

fn capability(node: Node<'_, '_>) -> Option<Capability> {
    let name = node.attribute("name")?.to_owned();
    let flag = match node.attribute("flags") {
        Some("LT") => Some(Flag::Less),
        Some("LE") => Some(Flag::LessOrEqual),
        Some("EQ") => Some(Flag::Equal),
        Some("GE") => Some(Flag::GreaterOrEqual),
        Some("GT") => Some(Flag::Greater),
        _ => None,
    };
    Some(Capability { name, version: flag.and_then(|flag| Some((flag, evr(node)?))) })
}

fn evr(node: Node<'_, '_>) -> Option<Evr> {
    Some(Evr {
        epoch: node.attribute("epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0),
        version: node.attribute("ver")?.to_owned(),
        release: node.attribute("rel").map(str::to_owned),
    })
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|node| node.tag_name().name() == name)
}

fn digest(node: Node<'_, '_>) -> Option<Digest> {
    format!("{}:{}", node.attribute("type")?, node.text()?.trim()).parse().ok()
}

impl Capability {
    /// Whether something of this version, or of none, is what is asked for.
    pub(super) fn accepts(&self, offered: Option<&(Flag, Evr)>) -> bool {
        use std::cmp::Ordering::{Equal, Greater, Less};
        // What has no version, on either side, fits any.
        let (Some((flag, wanted)), Some((_, offered))) = (&self.version, offered) else { return true };
        match flag {
            Flag::Less => offered.compare(wanted) == Less,
            Flag::LessOrEqual => offered.compare(wanted) != Greater,
            Flag::Equal => offered.compare(wanted) == Equal,
            Flag::GreaterOrEqual => offered.compare(wanted) != Less,
            Flag::Greater => offered.compare(wanted) == Greater,
        }
    }

    /// The names in a rich dependency, such as `(a >= 1 if b)`; otherwise the one name there is.
    pub(super) fn names(&self) -> Vec<Self> {
        if !self.name.starts_with('(') {
            return vec![self.clone()];
        }
        let words = self.name.split_whitespace().map(|word| word.trim_start_matches('('));
        let mut names = Vec::new();
        let mut is_name = true;
        for word in words {
            match word {
                "and" | "or" | "if" | "unless" | "else" | "with" | "without" => is_name = true,
                "<" | "<=" | "=" | ">=" | ">" => is_name = false,
                word if is_name => {
                    // `libx(64bit)` keeps its own parentheses.
                    let mut name = word;
                    while name.matches(')').count() > name.matches('(').count() {
                        name = name.strip_suffix(')').unwrap_or("");
                    }
                    if !name.is_empty() {
                        names.push(Self { name: name.to_owned(), version: None });
                    }
                    is_name = false;
                }
                _ => {}
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PRIMARY: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">
<package type="rpm"><name>tool</name><arch>noarch</arch><version epoch="1" ver="2.0" rel="1"/>
<checksum type="sha256" pkgid="YES">aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa</checksum>
<size package="6000" installed="1" archive="1"/><location href="Packages/tool-2.0-1.noarch.rpm"/>
<format><rpm:license>x</rpm:license><rpm:provides><rpm:entry name="tool" flags="EQ" epoch="1" ver="2.0" rel="1"/></rpm:provides>
<rpm:requires><rpm:entry name="/bin/sh" pre="1"/><rpm:entry name="lib" flags="GE" epoch="0" ver="1.1"/></rpm:requires>
<rpm:recommends><rpm:entry name="(extra if lib)"/></rpm:recommends><file>/usr/bin/tool</file></format></package></metadata>"#;

    #[test]
    fn packages_are_read() {
        let packages = primary(PRIMARY).unwrap();
        let [tool] = &packages[..] else { panic!("{packages:?}") };
        assert_eq!((tool.name.as_str(), tool.bytes, tool.evr.epoch), ("tool", Some(6000), 1));
        assert_eq!(tool.files, ["/usr/bin/tool"]);
        assert!(tool.requires[1].accepts(Some(&(Flag::Equal, Evr::parse("1.1-7")))));
        assert!(!tool.requires[1].accepts(Some(&(Flag::Equal, Evr::parse("1.0-7")))));
        assert!(tool.requires[0].accepts(None));
    }

    #[test]
    fn files_are_found_that_only_the_longer_list_has() {
        let text = r#"<filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="2">
            <package pkgid="aa" name="a" arch="noarch"><version epoch="0" ver="1" rel="1"/><file>/opt/a</file><file type="dir">/opt</file></package>
            <package pkgid="bb" name="b" arch="noarch"><file>/opt/ab</file></package></filelists>"#;
        let wanted = BTreeSet::from(["/opt/a".to_owned()]);
        assert_eq!(holders(text, &wanted).unwrap(), [("aa".to_owned(), "/opt/a".to_owned())]);
    }

    #[test]
    fn rich_dependencies_have_several_names() {
        let names = |text: &str| {
            let names = Capability { name: text.to_owned(), version: None }.names();
            names.into_iter().map(|name| name.name).collect::<Vec<_>>()
        };
        assert_eq!(names("(a >= 1.0 if (b or c(64bit)))"), ["a", "b", "c(64bit)"]);
        assert_eq!(names("libc.so.6(GLIBC_2.4)(64bit)"), ["libc.so.6(GLIBC_2.4)(64bit)"]);
    }

    #[test]
    fn a_list_of_files_leaves_out_databases() {
        let text = r#"<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>
            <data type="primary"><checksum type="sha256">zz</checksum><location href="repodata/p.xml.gz"/><size>7</size></data>
            <data type="primary_db"><location href="repodata/p.sqlite.bz2"/></data></repomd>"#;
        let files = repomd(text).unwrap();
        assert_eq!(files.len(), 1);
        assert_eq!((files[0].href.as_str(), files[0].bytes), ("repodata/p.xml.gz", Some(7)));
        assert!(repomd("<html>").is_err());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read(text in "(<package |</package>|<name>|</name>|<format>|</format>|[a-z<>/&\"= ]{0,9}){0,12}", name in "\\(?[a-z()<>= ]{0,30}") {
            let _ = (primary(&text), repomd(&text));
            let _ = Capability { name, version: None }.names();
            // A package that lost a part is left out, or told.
            for at in [PRIMARY.len() / 3, PRIMARY.len() / 2] {
                let _ = primary(&PRIMARY.replacen(&PRIMARY[at..at + 8], &text, 1));
            }
        }
    }
}
