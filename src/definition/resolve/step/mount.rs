//! `mount`: a line of /etc/fstab.
use crate::definition::{
    problem::Span,
    raw::Mount,
    reader::{At, Field, Reader},
    resolve::check,
    scalar::Text,
};
use crate::plan::MountStep;

pub(super) fn resolve(
    At { value: raw, span: place }: At<Mount>,
    reader: &mut Reader<'_>,
) -> Option<MountStep> {
    let absent = raw.absent.or(false)?;
    let path = raw.path.required().and_then(|path| {
        let right = |path: &str| check::is_guest_path(path) && (path == "/" || !path.ends_with('/'));
        check::text(path, reader, right, "is not a place to mount at", check::GUEST_PATH)
    });
    let others = [
        ("device", raw.device.span()),
        ("fs", raw.fs.span()),
        ("options", raw.options.span()),
        ("now", raw.now.span()),
    ];
    if let (true, Some((key, span))) = (absent, others.iter().find_map(|(key, span)| Some((*key, (*span)?))))
    {
        reader.report(&span.clone(), format!("a mount that is `absent` has no `{key}`"));
        return None;
    }
    let device = part("device", raw.device, absent, &place, reader);
    let fs_span = raw.fs.span().cloned().unwrap_or_default();
    let fs = part("fs", raw.fs, absent, &place, reader);
    if fs.as_deref() == Some("swap") {
        reader.report(&fs_span, "swap is not mounted").help("use `swap = { file = …, size = … }`");
        return None;
    }
    let options = match raw.options.maybe() {
        Some(None) => Some("defaults".to_owned()),
        Some(Some(at)) => {
            let help = "write options without blanks, such as `noatime,nodev`";
            check::text(at, reader, is_field, "cannot be mount options", help)
        }
        None => None,
    };
    let now = raw.now.or(true);
    Some(MountStep { device: device?, path: path?, fs: fs?, options: options?, now: now?, absent })
}

fn part(
    key: &str,
    field: Field<Text>,
    absent: bool,
    place: &Span,
    reader: &mut Reader<'_>,
) -> Option<String> {
    match field {
        Field::Good(at) => {
            let right = |text: &str| {
                if key == "fs" { is_field(text) } else { !text.is_empty() && check::is_line(text) }
            };
            check::text(at, reader, right, "cannot be mounted", "write it as in `/etc/fstab`")
        }
        Field::Absent if absent => Some(String::new()),
        Field::Absent => {
            reader.report(place, format!("a `mount` needs `{key}`"));
            None
        }
        Field::Bad => None,
    }
}

/// Whether `text` is one field of a table of mounts.
fn is_field(text: &str) -> bool {
    !text.is_empty() && check::is_line(text) && !text.contains(' ')
}
