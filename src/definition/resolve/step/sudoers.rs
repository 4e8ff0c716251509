//! `sudoers`: rules for sudo.
use crate::definition::{
    raw::Sudoers,
    reader::{At, Field, Reader},
    resolve::check,
};
use crate::plan::SudoersStep;

pub(super) fn resolve(
    At { value: raw, span: place }: At<Sudoers>,
    reader: &mut Reader<'_>,
) -> Option<SudoersStep> {
    let name = raw.name.required().and_then(|name| {
        let help =
            "write a file name of letters, digits, `-` and `_`: sudo ignores files with a dot in their name";
        check::text(name, reader, |name| check::is_word(name, "_-"), "cannot name a file of rules", help)
    });
    let absent = raw.absent.or(false)?;
    let content = match (raw.content, absent) {
        (Field::Good(at), true) => {
            reader.report(&at.span, "a file that is `absent` has no `content`");
            None
        }
        (Field::Good(at), false) => {
            let right = |text: &str| !text.trim().is_empty();
            check::text(
                at,
                reader,
                right,
                "says nothing",
                "write rules, such as `%ops ALL=(ALL) NOPASSWD:ALL`",
            )
        }
        (Field::Absent, true) => Some(String::new()),
        (Field::Absent, false) => {
            reader.report(&place, "`sudoers` needs `content`").label("add the rules, or `absent = true`");
            None
        }
        (Field::Bad, _) => None,
    };
    Some(SudoersStep { name: name?, content: content?, absent })
}
