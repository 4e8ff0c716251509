//! `--files-config`: files of this host that are put into the image.
use super::config::{kind, object};
use crate::compat::{CompatError, capi::AdditionalFile};
use serde_json::{Map, Value};
use std::path::Path;

const LIST: &str = "additional_files_list";
const KEYS: [&str; 5] = ["src", "dest", "owner", "group", "mode"];
/// The original fills these in by itself, so they may stand in a file that somebody copied.
const FILLED_IN: [&str; 4] = ["additional_files", "ansible_extra_vars", "custom_role", "custom_role_names"];

/// The files of a list. Relative paths start in `folder`. Keys that nobody knows are told in `unknown`.
pub(super) fn read(
    path: &Path,
    bytes: &[u8],
    folder: &Path,
) -> Result<(Vec<AdditionalFile>, Vec<String>), CompatError> {
    let map = object(path, bytes, "additional files config path")?;
    let mut unknown: Vec<String> =
        map.keys().filter(|key| *key != LIST && !FILLED_IN.contains(&key.as_str())).cloned().collect();
    unknown.sort();
    let list = match map.get(LIST) {
        None | Some(Value::Null) => &[] as &[Value],
        Some(Value::Array(list)) => list,
        Some(other) => {
            return Err(CompatError::new(format!(
                "`{}`: `{LIST}` is {}, no list",
                path.display(),
                kind(other)
            )));
        }
    };
    let mut files = Vec::new();
    for (index, item) in list.iter().enumerate() {
        let place = format!("`{}`: `{LIST}[{index}]`", path.display());
        let Value::Object(item) = item else {
            return Err(CompatError::new(format!("{place} is {}, no object", kind(item)))
                .hint("write `{ \"src\": …, \"dest\": …, \"owner\": …, \"group\": …, \"mode\": … }`"));
        };
        unknown.extend(
            item.keys()
                .filter(|key| !KEYS.contains(&key.as_str()))
                .map(|key| format!("{LIST}[{index}].{key}")),
        );
        files.push(file(&place, item, folder)?);
    }
    Ok((files, unknown))
}

fn file(place: &str, item: &Map<String, Value>, folder: &Path) -> Result<AdditionalFile, CompatError> {
    let text = |key: &str| match item.get(key) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(CompatError::new(format!("{place}: `{key}` is {}, no text", kind(other)))),
    };
    let needed = |key: &str| {
        let text = text(key)?;
        if text.is_empty() {
            return Err(CompatError::new(format!("{place}: `{key}` is missing")));
        }
        Ok(text)
    };
    let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
    Ok(AdditionalFile {
        src: folder.join(needed("src")?),
        dest: needed("dest")?,
        owner: or(text("owner")?, "root"),
        group: or(text("group")?, "root"),
        mode: mode(place, item.get("mode"))?,
    })
}

/// The digits of a mode are octal, also those of a number: 744 is `rwxr--r--`, as Ansible takes it.
fn mode(place: &str, value: Option<&Value>) -> Result<String, CompatError> {
    let digits = match value {
        None | Some(Value::Null) => return Ok("0644".to_owned()),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => {
            return Err(CompatError::new(format!("{place}: `mode` is {}, no number or text", kind(other))));
        }
    };
    let plain = digits.trim_start_matches("0o").trim_start_matches('0');
    let octal =
        !digits.is_empty() && plain.len() <= 4 && plain.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    if octal {
        return Ok(format!("{plain:0>4}"));
    }
    Err(CompatError::new(format!("{place}: `mode` is `{digits}`, which is no mode"))
        .hint("write octal digits, as a number or as a text: `644` or `\"0644\"`"))
}
