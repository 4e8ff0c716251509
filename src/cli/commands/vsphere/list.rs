//! `goldsmith vsphere ls`: content libraries, and what is in them.
use crate::{
    cli::{
        args::ListVsphere,
        commands::{block_on, pretty},
        console::Console,
        exit::Exit,
        problem::Problem,
        theme::{Theme, Tone, columns, pad, pad_left},
    },
    value::Size,
    vsphere::{Item, Library, VCenter, VsphereError, VsphereErrorKind, without_marks},
};
use serde_json::json;

/// What is listed.
enum Found {
    Libraries(Vec<(Library, usize)>),
    Items(Library, Vec<Item>),
}

pub(super) fn run(arguments: &ListVsphere, console: &Console) -> Result<Exit, Problem> {
    let config = arguments.vcenter.config()?;
    let place = arguments.vcenter.place(&config)?;
    let found = block_on(async {
        let vcenter = VCenter::connect(&place).await?;
        let found = look(&vcenter, arguments.library.as_deref()).await;
        let _ = vcenter.log_out().await;
        found
    })?
    .map_err(Problem::Vsphere)?;
    if console.json() {
        console.out(&pretty(&found.json())?);
        return Ok(Exit::Ok);
    }
    match found.rows() {
        rows if rows.is_empty() => console.note(&found.nothing()),
        rows => console.out(&table(console.out_theme(), &found.header(), &rows)),
    }
    Ok(Exit::Ok)
}

async fn look(vcenter: &VCenter, library: Option<&str>) -> Result<Found, VsphereError> {
    if let Some(name) = library {
        let library = vcenter.library(name).await.map_err(|error| match error.kind() {
            VsphereErrorKind::NotFound => error.hint("`goldsmith vsphere ls` lists the libraries"),
            _ => error,
        })?;
        let items = vcenter.all_items(&library).await?;
        return Ok(Found::Items(library, items));
    }
    let mut libraries = Vec::new();
    for library in vcenter.all_libraries().await? {
        let items = vcenter.count_items(&library).await?;
        libraries.push((library, items));
    }
    Ok(Found::Libraries(libraries))
}

impl Found {
    fn json(&self) -> serde_json::Value {
        match self {
            Self::Libraries(libraries) => {
                let one = |(library, items): &(Library, usize)| json!({ "name": library.name, "id": library.id, "type": library.kind, "items": items });
                json!({ "libraries": libraries.iter().map(one).collect::<Vec<_>>() })
            }
            Self::Items(library, items) => {
                let one = |item: &Item| {
                    json!({
                        "name": item.name, "id": item.id, "type": item.kind, "bytes": item.size,
                        "version": item.content_version, "description": without_marks(&item.description),
                    })
                };
                json!({ "library": library.name, "items": items.iter().map(one).collect::<Vec<_>>() })
            }
        }
    }

    fn header(&self) -> [&'static str; 4] {
        match self {
            Self::Libraries(_) => ["items", "", "type", "library"],
            Self::Items(..) => ["size", "version", "type", "item"],
        }
    }

    fn rows(&self) -> Vec<[String; 4]> {
        match self {
            Self::Libraries(libraries) => libraries
                .iter()
                .map(|(library, items)| {
                    [items.to_string(), String::new(), library.kind.to_lowercase(), library.name.clone()]
                })
                .collect(),
            Self::Items(_, items) => items
                .iter()
                .map(|item| {
                    let version = item.content_version.clone().unwrap_or_default();
                    [Size::bytes(item.size).to_string(), version, item.kind.clone(), item.name.clone()]
                })
                .collect(),
        }
    }

    fn nothing(&self) -> String {
        match self {
            Self::Libraries(_) => "there is no content library, or none that this user may see".to_owned(),
            Self::Items(library, _) => format!("the content library `{}` has no items", library.name),
        }
    }
}

/// Columns of which the last has no end, with their names above.
fn table(theme: &Theme, header: &[&str; 4], rows: &[[String; 4]]) -> String {
    let width = |at: usize| rows.iter().map(|row| columns(&row[at])).max().unwrap_or(0).max(header[at].len());
    let widths = [width(0), width(1), width(2)];
    let line = |cells: [&str; 4]| {
        let mut text = pad_left(cells[0], widths[0]);
        if widths[1] > 0 {
            text.push_str(&format!("  {}", pad_left(cells[1], widths[1])));
        }
        format!("{text}  {}  {}", pad(cells[2], widths[2]), cells[3])
    };
    let mut lines = vec![theme.paint(Tone::Dim, line(*header))];
    lines.extend(rows.iter().map(|row| line([&row[0], &row[1], &row[2], &row[3]])));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_below_each_other() {
        let rows = [
            ["1 GiB".to_owned(), "2".to_owned(), "ovf".to_owned(), "node".to_owned()],
            ["700 MiB".to_owned(), "10".to_owned(), "vm-template".to_owned(), "a b".to_owned()],
        ];
        let text = table(&Theme::new(false, true), &["size", "version", "type", "item"], &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "   size  version  type         item",
                "  1 GiB        2  ovf          node",
                "700 MiB       10  vm-template  a b",
            ]
        );
    }
}
