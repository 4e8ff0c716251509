//! `package`: software by the guest's own package manager.
use crate::definition::{
    problem::Span,
    raw::Package,
    reader::{At, Field, Reader},
    resolve::{check, source},
    scalar::{List, Text},
};
use crate::plan::PackageStep;

pub(super) fn resolve(
    At { value: raw, span: place }: At<Package>,
    reader: &mut Reader<'_>,
) -> Option<PackageStep> {
    let removals: Vec<(String, Span)> = match &raw.remove {
        Field::Good(list) => list.value.iter().map(|at| (at.value.0.text.clone(), at.span.clone())).collect(),
        Field::Absent | Field::Bad => Vec::new(),
    };
    let latest_span = raw.latest.span().cloned().unwrap_or_default();
    let install = raw.install.or(List::new()).and_then(|list| {
        let right = |text: &str| source::is_package(text) || is_package_file(text);
        check::texts(list, reader, right, source::NOT_A_PACKAGE, source::PACKAGE)
    });
    let remove = raw.remove.or(List::new()).and_then(|list| source::packages(list, reader));
    let hold = held(raw.hold, reader);
    let unhold = held(raw.unhold, reader);
    let step = PackageStep {
        install: install?,
        remove: remove?,
        hold: hold?,
        unhold: unhold?,
        upgrade: raw.upgrade.or(false)?,
        latest: raw.latest.or(false)?,
        downgrade: raw.downgrade.or(false)?,
        recommends: raw.recommends.or(true)?,
        gpg_check: raw.gpg_check.or(true)?,
    };
    let lists = [&step.install, &step.remove, &step.hold, &step.unhold];
    let does_something = step.upgrade || lists.iter().any(|list| !list.is_empty());
    let mut right = check::holds(&place, does_something, reader, || {
        "this `package` names nothing to `install`, `remove`, `hold` or `upgrade`".to_owned()
    });
    if step.latest && step.install.is_empty() {
        reader.report(&latest_span, "`latest` is about what `install` names, but it names nothing");
        right = None;
    }
    for (name, removed) in removals {
        let bare = |install: &String| install.split('=').next() == Some(name.as_str());
        if step.install.iter().any(bare) {
            reader.report(&removed, format!("`{name}` cannot be both installed and removed by one step"));
            right = None;
        }
    }
    right.map(|()| step)
}

/// Whether `text` is a package's file in the guest, or its address.
fn is_package_file(text: &str) -> bool {
    let is_address =
        text.starts_with("https://") && check::is_line(text) && !text.contains(char::is_whitespace);
    is_address || check::is_guest_path(text)
}

fn held(field: Field<List<Text>>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let right = |text: &str| text == "*" || (source::is_package(text) && !text.contains('='));
    let help = "write the name of a package without a version, or `*` for all";
    check::texts(field.or(List::new())?, reader, right, source::NOT_A_PACKAGE, help)
}
