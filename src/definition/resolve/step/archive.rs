//! `archive`: what is in it.
use super::transfer::{self, Keys};
use crate::definition::{
    raw::Archive,
    reader::{At, Field, Reader},
    resolve::check,
    scalar::{List, Mode, Text},
};
use crate::plan::ArchiveStep;

/// More leading folders than this are a slip.
const MOST_STRIPPED: u32 = 100;

pub(super) fn resolve(
    At { value: raw, span: place }: At<Archive>,
    reader: &mut Reader<'_>,
) -> Option<ArchiveStep> {
    let is_bad =
        matches!(raw.url, Field::Bad) || matches!(raw.path, Field::Bad) || matches!(raw.source, Field::Bad);
    let given = [("url", raw.url.span()), ("path", raw.path.span()), ("source", raw.source.span())];
    if is_bad || !check::exactly_one(&place, "`archive`", &given, reader) {
        return None;
    }
    let keys = Keys {
        url: raw.url,
        path: raw.path,
        source: raw.source,
        digest: raw.digest,
        digest_url: raw.digest_url,
        via: raw.via,
    };
    let from = transfer::resolve(keys, "an `archive`", &place, reader);
    let dest = raw.dest.required().and_then(|dest| {
        check::text(
            dest,
            reader,
            check::is_guest_path,
            "is not the path of a folder in a guest",
            check::GUEST_PATH,
        )
    });
    let strip_span = raw.strip.span().cloned().unwrap_or_default();
    let strip = raw.strip.or(0).and_then(|strip| {
        check::holds(&strip_span, strip <= MOST_STRIPPED, reader, || {
            format!("no archive has {strip} folders to leave out")
        })
        .map(|()| strip)
    });
    let include = patterns(raw.include, reader);
    let exclude = patterns(raw.exclude, reader);
    let owner = check::account(raw.owner, reader);
    let group = check::account(raw.group, reader);
    let mode = raw.mode.maybe().map(|mode| mode.map(|at| at.value).map(|Mode(bits)| bits));
    let creates = check::guest_path(raw.creates, reader);
    Some(ArchiveStep {
        from: from?,
        dest: dest?,
        strip: strip?,
        include: include?,
        exclude: exclude?,
        owner: owner?,
        group: group?,
        mode: mode?,
        creates: creates?,
    })
}

fn patterns(field: Field<List<Text>>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let right = |text: &str| !text.is_empty() && check::is_line(text) && !text.starts_with('-');
    check::texts(field.or(List::new())?, reader, right, "is no pattern", "write a pattern such as `bin/*`")
}
