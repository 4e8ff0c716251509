//! `user`: a user of the image.
use crate::definition::{raw::User, reader::Reader, resolve::check, scalar::List};
use crate::plan::UserStep;

pub(super) fn resolve(raw: User, reader: &mut Reader<'_>) -> Option<UserStep> {
    let others = [
        ("uid", raw.uid.span()),
        ("groups", raw.groups.span()),
        ("shell", raw.shell.span()),
        ("system", raw.system.span()),
        ("sudo", raw.sudo.span()),
        ("authorized-keys", raw.authorized_keys.span()),
    ];
    let other = others.iter().find_map(|(key, span)| Some((*key, (*span)?.clone())));
    let name = raw.name.required().and_then(|name| {
        check::text(name, reader, check::is_account, "cannot be the name of a user", check::ACCOUNT)
    });
    let absent = raw.absent.or(false);
    if let (Some(true), Some((key, span))) = (absent, other) {
        reader.report(&span, format!("a user that is `absent` has no `{key}`"));
    }
    let uid = raw.uid.maybe().map(|at| at.map(|at| at.value));
    let groups = raw.groups.or(List::new()).and_then(|list| {
        check::texts(list, reader, check::is_account, "cannot be the name of a group", check::ACCOUNT)
    });
    let shell = check::guest_path(raw.shell, reader);
    let system = raw.system.or(false);
    let sudo = raw.sudo.or(false);
    let authorized_keys = raw.authorized_keys.or(List::new()).and_then(|list| {
        let help = "write the line of a `.pub` file, such as `ssh-ed25519 AAAA… name`";
        check::texts(list, reader, is_public_key, "is not a public SSH key", help)
    });
    Some(UserStep {
        name: name?,
        absent: absent?,
        uid: uid?,
        groups: groups?,
        shell: shell?,
        system: system?,
        sudo: sudo?,
        authorized_keys: authorized_keys?,
    })
}

/// Whether `line` is a line of an `authorized_keys` file: options perhaps, a type, base64, a comment perhaps.
fn is_public_key(line: &str) -> bool {
    let is_type =
        |word: &str| word.starts_with("ssh-") || word.starts_with("ecdsa-sha2-") || word.starts_with("sk-");
    // Every key starts with the length of its type's name, so that the first of it in base64 is the same for all.
    let is_key = |word: &str| word.starts_with("AAAA");
    let words: Vec<&str> = line.split_whitespace().collect();
    check::is_line(line) && words.windows(2).any(|pair| is_type(pair[0]) && is_key(pair[1]))
}
