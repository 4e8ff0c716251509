//! `sysctl`: kernel parameters.
use crate::definition::{
    raw::Sysctl,
    reader::{At, Field, Reader},
    resolve::check,
    scalar::Text,
};
use crate::plan::SysctlStep;
use std::collections::BTreeMap;

const DEFAULT_FILE: &str = "/etc/sysctl.d/99-goldsmith.conf";

pub(super) fn resolve(At { value: raw, .. }: At<Sysctl>, reader: &mut Reader<'_>) -> Option<SysctlStep> {
    let file = conf_file(raw.file, DEFAULT_FILE, reader);
    let mut all_right = true;
    let mut values = BTreeMap::new();
    let entries = raw.values.required();
    if let Some(At { value: entries, span }) = entries {
        all_right &=
            check::holds(&span, !entries.is_empty(), reader, || "this `sysctl` names no value".to_owned())
                .is_some();
        for (name, entry) in entries {
            let right = check::is_word(&name, "._-/:") && name.contains(['.', '/']) && !name.contains("..");
            all_right &= check::holds(&entry.key, right || name.contains("{{"), reader, || {
                format!(
                    "`{}` is not the name of a kernel parameter, such as `vm.swappiness`",
                    name.escape_debug()
                )
            })
            .is_some();
            let is_value = |text: &str| !text.trim().is_empty() && check::is_line(text);
            match check::text(entry.value, reader, is_value, "is not a value", "write one line") {
                Some(value) => _ = values.insert(name, value.trim().to_owned()),
                None => all_right = false,
            }
        }
    } else {
        all_right = false;
    }
    let apply = raw.apply.or(true);
    all_right.then_some(())?;
    Some(SysctlStep { file: file?, values, apply: apply? })
}

/// A file that the boot reads, which it does when the name ends with `.conf`.
pub(super) fn conf_file(field: Field<Text>, default: &str, reader: &mut Reader<'_>) -> Option<String> {
    let Some(at) = field.maybe()? else { return Some(default.to_owned()) };
    let right = |path: &str| check::is_guest_path(path) && path.strip_suffix(".conf").is_some();
    let help = "write an absolute path that ends with `.conf`: other files are not read at boot";
    check::text(at, reader, right, "is not the path of such a file", help)
}
