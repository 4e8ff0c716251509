//! `template`: a file in the guest whose content is a template.
use super::file;
use crate::{
    definition::{
        raw::File,
        reader::{At, Reader},
    },
    plan::{Content, TemplateStep},
};

pub(super) fn resolve(raw: At<File>, reader: &mut Reader<'_>) -> Option<TemplateStep> {
    let origin = raw.value.source.span().and_then(|_| match &raw.value.source {
        crate::definition::reader::Field::Good(at) => Some(at.value.0.text.clone()),
        _ => None,
    });
    let origin = origin.unwrap_or_else(|| reader.file.place(raw.span.start));
    let file = file::read(raw, file::Source::Template, reader)?;
    let Content::Text(text) = file.content else { return None };
    Some(TemplateStep {
        dest: file.dest,
        text,
        origin,
        mode: file.mode,
        owner: file.owner,
        group: file.group,
    })
}
