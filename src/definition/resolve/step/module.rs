//! `module`: kernel modules.
use super::sysctl::conf_file;
use crate::definition::{
    raw::Module,
    reader::{At, Field, Reader},
    resolve::check,
    scalar::{List, Text},
};
use crate::plan::ModuleStep;

const DEFAULT_FILE: &str = "/etc/modules-load.d/goldsmith.conf";

pub(super) fn resolve(
    At { value: raw, span: place }: At<Module>,
    reader: &mut Reader<'_>,
) -> Option<ModuleStep> {
    let load = names(raw.load, reader);
    let blacklist = names(raw.blacklist, reader);
    let file = conf_file(raw.file, DEFAULT_FILE, reader);
    let now = raw.now.or(true);
    let step = ModuleStep { load: load?, blacklist: blacklist?, file: file?, now: now? };
    let does_something = !step.load.is_empty() || !step.blacklist.is_empty();
    check::holds(&place, does_something, reader, || {
        "this `module` names nothing to `load` or `blacklist`".to_owned()
    })?;
    if let Some(both) = step.load.iter().find(|name| step.blacklist.contains(name)) {
        reader.report(&place, format!("`{both}` cannot be both loaded and blacklisted"));
        return None;
    }
    Some(step)
}

fn names(field: Field<List<Text>>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let help = "write the name of a kernel module, such as `br_netfilter`";
    let right = |text: &str| check::is_word(text, "_-");
    check::texts(field.or(List::new())?, reader, right, "is not the name of a kernel module", help)
}
