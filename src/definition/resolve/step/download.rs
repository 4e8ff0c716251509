//! `download`: a file from elsewhere.
use super::transfer::{self, Keys};
use crate::definition::{
    raw::Download,
    reader::{At, Field, Reader},
    resolve::check,
    scalar::Mode,
};
use crate::plan::DownloadStep;

pub(super) fn resolve(
    At { value: raw, span: place }: At<Download>,
    reader: &mut Reader<'_>,
) -> Option<DownloadStep> {
    let keys = Keys {
        url: raw.url,
        path: Field::Absent,
        source: Field::Absent,
        digest: raw.digest,
        digest_url: raw.digest_url,
        via: raw.via,
    };
    let from = transfer::resolve(keys, "a `download`", &place, reader);
    let dest = check::file_path(raw.dest, reader);
    let mode = raw.mode.or(Mode(0o644)).map(|Mode(bits)| bits);
    let root = || "root".to_owned();
    let owner = check::account(raw.owner, reader).map(|owner| owner.unwrap_or_else(root));
    let group = check::account(raw.group, reader).map(|group| group.unwrap_or_else(root));
    Some(DownloadStep { from: from?, dest: dest?, mode: mode?, owner: owner?, group: group? })
}
