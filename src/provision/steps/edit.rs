//! Pieces of shell that several kinds share: files that are changed in place, and folders they are in.
use crate::guest::quote;

/// `edit FILE COMMAND…` replaces a file by what a command makes of it. Nobody ever sees half of it, and owner, mode and
/// links stay.
pub(super) const EDIT: &str = "edit() {\n\
    \x20 f=$(readlink -f -- \"$1\"); shift\n\
    \x20 t=$(mktemp -- \"$f.XXXXXXXX\")\n\
    \x20 \"$@\" <\"$f\" >\"$t\" || { rm -f -- \"$t\"; exit 1; }\n\
    \x20 chmod --reference=\"$f\" -- \"$t\"; chown --reference=\"$f\" -- \"$t\"\n\
    \x20 mv -f -- \"$t\" \"$f\"\n\
    \x20 if command -v restorecon >/dev/null; then restorecon -- \"$f\" || true; fi\n\
    }\n";

/// The folder that `path` is in.
pub(super) fn parent(path: &str) -> &str {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((folder, _)) => folder,
    }
}

/// Makes `path` an empty file with mode 0644, if it is not there.
pub(super) fn touch(path: &str) -> String {
    format!(
        "if [ ! -e {0} ]; then mkdir -p -- {1}; : >{0}; chmod 0644 {0}; fi\n",
        quote(path),
        quote(parent(path))
    )
}

/// `get ADDRESS FILE` downloads with what the guest has. The address is on no command line, since it may hold a secret. An offline build
/// says which proxy to ask.
pub(super) const GET: &str = "get() {\n\
    \x20 if [ -e /var/lib/goldsmith-offline/env ]; then . /var/lib/goldsmith-offline/env; fi\n\
    \x20 if command -v curl >/dev/null; then\n\
    \x20   printf 'url = \"%s\"\\n' \"$1\" | curl -f -sS -L --connect-timeout 30 --speed-limit 1 --speed-time 60 -o \"$2\" -K -\n\
    \x20 elif command -v wget >/dev/null; then printf '%s\\n' \"$1\" | wget -q --timeout=60 ${CURL_CA_BUNDLE:+--ca-certificate=\"$CURL_CA_BUNDLE\"} -O \"$2\" -i -\n\
    \x20 else echo 'neither curl nor wget is there to download with: install one, or use via = \"host\"' >&2; return 1; fi\n\
    }\n";

/// A pattern of `case`, in which only `*`, `?` and `[…]` are special.
pub(super) fn glob(pattern: &str) -> String {
    let mut glob = String::new();
    let mut plain = String::new();
    for letter in pattern.chars() {
        if matches!(letter, '*' | '?' | '[' | ']') {
            if !plain.is_empty() {
                glob.push_str(&quote(&std::mem::take(&mut plain)));
            }
            glob.push(letter);
        } else {
            plain.push(letter);
        }
    }
    if !plain.is_empty() {
        glob.push_str(&quote(&plain));
    }
    glob
}
