//! `package`: software by the guest's own package manager.
use crate::definition::{
    problem::Span,
    raw::Package,
    reader::{At, Field, Reader},
    resolve::{check, source},
    scalar::List,
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
    let install = raw.install.or(List::new()).and_then(|list| source::packages(list, reader));
    let remove = raw.remove.or(List::new()).and_then(|list| source::packages(list, reader));
    let upgrade = raw.upgrade.or(false);
    let step = PackageStep { install: install?, remove: remove?, upgrade: upgrade? };
    let does_something = step.upgrade || !step.install.is_empty() || !step.remove.is_empty();
    let mut right = check::holds(&place, does_something, reader, || {
        "this `package` names nothing to `install`, `remove` or `upgrade`".to_owned()
    });
    for (name, removed) in removals {
        let bare = |install: &String| install.split('=').next() == Some(name.as_str());
        if step.install.iter().any(bare) {
            reader.report(&removed, format!("`{name}` cannot be both installed and removed by one step"));
            right = None;
        }
    }
    right.map(|()| step)
}
