//! `goldsmith publish vsphere --library`: an OVA on this host as an item of a content library.
use super::{
    ending::{summary, tell},
    run as run_task,
};
use crate::{
    cli::{
        args::ShelfArgs,
        console::Console,
        exit::Exit,
        problem::Problem,
        theme::{Theme, Tone},
    },
    disk::ova::Ova,
    publish::vsphere::{Shelve, Stored},
    value::{HumanDuration, Size},
    vsphere::Place,
};
use std::{path::Path, time::Instant};

pub(super) fn run(
    arguments: &ShelfArgs,
    library: &str,
    (image, ova, name): (&Path, &Ova, &str),
    place: &Place,
    console: &Console,
) -> Result<Exit, Problem> {
    let begun = Instant::now();
    let shelve = Shelve {
        image,
        ova,
        library,
        name,
        description: arguments.description.as_deref(),
        new_version: arguments.new_version,
    };
    let work = async |cx: &crate::cx::Cx, vcenter: &crate::vsphere::VCenter| {
        Box::pin(shelve.publish(cx, vcenter)).await
    };
    let (made, exit) = run_task(console, place, ("publish-library", image), work)?;
    let Some(made) = made else { return Ok(exit) };
    let name = name_of(&made.stored);
    tell(console, begun, ("published", &made), &name, |theme, seconds| {
        let compared = format!("{} of {} digests compared", made.digests_compared, made.stored.files.len());
        let image = format!("{} ({compared})", theme.path(image));
        item(theme, &made.stored, seconds, ("image", image))
    })?;
    Ok(exit)
}

/// `library/item`.
pub(super) fn name_of(stored: &Stored) -> String {
    format!("{}/{}", stored.library, stored.item)
}

/// The summary about an item that was made, with where it is from.
pub(super) fn item(theme: &Theme, stored: &Stored, seconds: HumanDuration, from: (&str, String)) -> String {
    let version = stored.version.as_deref().map(|version| format!(", version {version}")).unwrap_or_default();
    let files: Vec<&str> = stored.files.iter().map(String::as_str).collect();
    let mut rows = vec![
        ("item", format!("{} in {}{version}", stored.id, stored.server)),
        from,
        ("type", stored.kind.clone()),
    ];
    if !files.is_empty() {
        let files = theme.paint(Tone::Dim, files.join(", "));
        rows.push(("files", format!("{} in {files}", Size::bytes(stored.bytes))));
    }
    let more = if stored.new_version { ", a new version" } else { "" };
    summary(theme, &name_of(stored), seconds, more, &rows)
}
