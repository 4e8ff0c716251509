//! `link`: a symbolic link.
use crate::definition::{
    raw::Link,
    reader::{At, Field, Reader},
    resolve::check,
};
use crate::plan::LinkStep;

pub(super) fn resolve(At { value: raw, span: place }: At<Link>, reader: &mut Reader<'_>) -> Option<LinkStep> {
    let path = raw.path.required().and_then(|path| {
        let right = |path: &str| check::is_guest_path(path) && !path.ends_with('/');
        check::text(path, reader, right, "is not the path of a link in a guest", check::GUEST_PATH)
    });
    let absent = raw.absent.or(false)?;
    let to = match (raw.to, absent) {
        (Field::Good(at), true) => {
            reader.report(&at.span, "a link that is `absent` points to nothing").help("remove `to`");
            None
        }
        (Field::Good(to), false) => {
            let right = |to: &str| !to.is_empty() && check::is_line(to);
            check::text(to, reader, right, "is nothing to point to", "write a path")
        }
        (Field::Absent, true) => Some(String::new()),
        (Field::Absent, false) => {
            reader.report(&place, "a `link` needs `to`").label("say what it points to");
            None
        }
        (Field::Bad, _) => None,
    };
    Some(LinkStep { path: path?, to: to?, absent })
}
