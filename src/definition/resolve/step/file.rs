//! `file`: a file in the guest.
use crate::definition::{
    problem::Span,
    raw::File,
    reader::{At, Field, Reader},
    resolve::{check, source},
    scalar::{Mode, SecretText, Text},
};
use crate::plan::{Content, FileStep};

/// What a file's source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Content as it is.
    Verbatim,
    /// A template.
    Template,
}

pub(super) fn resolve(raw: At<File>, reader: &mut Reader<'_>) -> Option<FileStep> {
    read(raw, Source::Verbatim, reader)
}

/// The keys that files and templates have in common.
pub(super) fn read(
    At { value: raw, span: place }: At<File>,
    kind: Source,
    reader: &mut Reader<'_>,
) -> Option<FileStep> {
    let what = if kind == Source::Template { "`template`" } else { "`file`" };
    let dest = check::file_path(raw.dest, reader);
    let content = content((raw.content, raw.source), kind, what, &place, reader);
    let mode = raw.mode.or(Mode(0o644)).map(|Mode(bits)| bits);
    let root = || "root".to_owned();
    let owner = check::account(raw.owner, reader).map(|owner| owner.unwrap_or_else(root));
    let group = check::account(raw.group, reader).map(|group| group.unwrap_or_else(root));
    Some(FileStep { dest: dest?, content: content?, mode: mode?, owner: owner?, group: group? })
}

/// What is in a file: exactly one of a text and a path, which are keys of `header` at `place`.
pub(super) fn content(
    given: (Field<SecretText>, Field<Text>),
    kind: Source,
    header: &str,
    place: &Span,
    reader: &mut Reader<'_>,
) -> Option<Content> {
    let (text, path) = given;
    let is_bad = matches!(text, Field::Bad) || matches!(path, Field::Bad);
    let given = [("content", text.span()), ("source", path.span())];
    if is_bad || !check::exactly_one(place, header, &given, reader) {
        return None;
    }
    match (text, path) {
        (Field::Good(At { value: SecretText(text), .. }), _) => Some(Content::Text(text)),
        (_, Field::Good(path)) => neighbour_or_path(path, kind, reader),
        _ => None,
    }
}

/// A file beside what is being read: its text where it is embedded or a template, else its path.
pub(super) fn neighbour_or_path(path: At<Text>, kind: Source, reader: &mut Reader<'_>) -> Option<Content> {
    if kind == Source::Template {
        neighbour(path, reader).map(Content::Text)
    } else if reader.is_template(&path.value.0.text) {
        // What comes in as a parameter is the user's own file.
        Some(Content::Path(reader.folder.join(&path.value.0.text)))
    } else if reader.roles.inside() {
        // A role's files are in the binary, mostly.
        neighbour(path, reader).map(|text| Content::Text(literal(text)))
    } else {
        source::local_file(path, reader).map(Content::Path)
    }
}

/// The text of a file beside what is being read.
pub(super) fn neighbour(at: At<Text>, reader: &mut Reader<'_>) -> Option<String> {
    let (path, text) = reader.neighbour(&at.value.0.text);
    match text {
        Ok(text) => Some(text),
        Err(error) => {
            reader.report(&at.span, format!("cannot read `{}`", path.display())).cause(error);
            None
        }
    }
}

/// A template that gives `text` as it is.
pub(in crate::definition) fn literal(text: String) -> String {
    if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
        return text;
    }
    // The language's texts are written like JSON's.
    format!("{{{{ {} }}}}", serde_json::Value::String(text))
}
