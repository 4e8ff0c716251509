//! Files out of bundles: one, or all into a tree of folders that has the shape of their addresses.
use super::{BundleError, BundleErrorKind, Bundles, Card, place::path_of};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// Where each file goes in a tree at `folder`: every address gets its path. Two addresses that come to one path are refused.
pub fn tree(cards: &[Card], folder: &Path) -> Result<Vec<(PathBuf, Card)>, BundleError> {
    let mut paths: BTreeMap<PathBuf, (&Card, &url::Url)> = BTreeMap::new();
    for card in cards {
        for url in &card.urls {
            let path = folder.join(path_of(url));
            if let Some((other, known)) = paths.insert(path.clone(), (card, url))
                && other.sha256 != card.sha256
            {
                let attempt = format!("extract `{url}`");
                return Err(BundleError::new(BundleErrorKind::Usage, attempt)
                    .because(format!(
                        "`{known}` is another file, and would get the same path `{}`",
                        path.display()
                    ))
                    .hint("extract them one by one: `goldsmith bundle extract … --url ADDRESS -o FILE`"));
            }
        }
    }
    Ok(paths.into_iter().map(|(path, (card, _))| (path, card.clone())).collect())
}

/// Writes a file to `to`, by way of `part`, which is beside it; `passed` is told how many bytes more were written, and may end it.
pub(super) fn extract(
    bundles: &Bundles,
    card: &Card,
    (part, to): (&Path, &Path),
    passed: &mut dyn FnMut(u64) -> io::Result<()>,
) -> io::Result<()> {
    let mut pieces = bundles.read(&card.sha256, 0)?;
    let mut file = std::fs::File::create(part)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = io::Read::read(&mut pieces, &mut buffer)?;
        if n == 0 {
            break;
        }
        io::Write::write_all(&mut file, &buffer[..n])?;
        passed(n as u64)?;
    }
    drop(file);
    std::fs::rename(part, to)
}
