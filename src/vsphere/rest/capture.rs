//! Machines into a content library: as an OVF package, or as a template that stays a machine of the inventory.
use super::{
    answer::told,
    calls,
    library::{Existing, Item, ItemSpec},
};
use crate::{
    cx::{Cx, UndoHandle},
    vsphere::{Mark, Moref, VCenter, VsphereError, VsphereErrorKind, is_marked},
};
use serde_json::{Value, json};

/// A machine that is in a library.
#[derive(Debug)]
pub struct Captured {
    /// The item.
    pub item: Item,
    /// How it is removed, if it was made. Keep it when it is a result.
    pub undo: Option<UndoHandle>,
}

impl VCenter {
    /// Captures a machine, which is off, to an OVF item of this name; or to the one that is there, whose name and description stay.
    pub async fn capture_ovf(
        &self,
        cx: &Cx,
        mark: &Mark,
        machine: &Moref,
        spec: &ItemSpec<'_>,
    ) -> Result<Captured, VsphereError> {
        let ItemSpec { library, name, description, existing } = *spec;
        let attempt =
            format!("capture {machine} as the item `{name}` of the content library `{}`", library.name);
        library.takes_items(&attempt)?;
        let old = self.replaceable(&attempt, library, name, "ovf", existing).await?;
        let (target, undo) = match &old {
            Some(item) => (json!({ "library_item_id": item.id }), None),
            None => (json!({ "library_id": library.id }), Some(self.plan_item(cx, library, name)?)),
        };
        let body = json!({
            "source": { "type": machine.kind, "id": machine.id },
            "target": target,
            "create_spec": { "name": name, "description": mark.on(description) },
        });
        let answer = self.rest_slowly(cx, &attempt, &calls::CAPTURE_OVF, &[], Some(body)).await?;
        succeeded(&attempt, &answer)?;
        let id = match old {
            Some(item) => item.id,
            None => text(&attempt, &answer["ovf_library_item_id"])?,
        };
        Ok(Captured { item: self.item(&attempt, &id).await?, undo })
    }

    /// Captures a machine to a template item: a copy of the machine in `folder` and `pool`, owned by the library. Such items cannot be
    /// replaced.
    pub async fn capture_template(
        &self,
        cx: &Cx,
        mark: &Mark,
        machine: &Moref,
        spec: &ItemSpec<'_>,
        folder: &Moref,
        pool: &Moref,
    ) -> Result<Captured, VsphereError> {
        let ItemSpec { library, name, description, .. } = *spec;
        let attempt =
            format!("capture {machine} as the template `{name}` of the content library `{}`", library.name);
        library.takes_items(&attempt)?;
        self.replaceable(&attempt, library, name, "vm-template", Existing::Refuse).await?;
        let undo = self.plan_item(cx, library, name)?;
        let spec = json!({
            "source_vm": machine.id, "library": library.id, "name": name, "description": mark.on(description),
            "placement": { "folder": folder.id, "resource_pool": pool.id },
        });
        let answer = self.rest_slowly(cx, &attempt, &calls::CAPTURE_TEMPLATE, &[], Some(spec)).await?;
        let mut item = self.item(&attempt, &text(&attempt, &answer)?).await?;
        // Without the mark it would not be removed if this build fails later.
        if !is_marked(&item.description, cx.id().as_str()) {
            let description = mark.on(description);
            self.describe_item(&item, &description).await?;
            item.description = description;
        }
        Ok(Captured { item, undo: Some(undo) })
    }
}

/// An answer that is an id.
pub(super) fn text(attempt: &str, answer: &Value) -> Result<String, VsphereError> {
    answer.as_str().map(ToOwned::to_owned).ok_or_else(|| {
        VsphereError::new(VsphereErrorKind::Other, attempt).because("the server answered without an id")
    })
}

/// Calls about OVF packages answer with HTTP 200 also when they failed.
pub(super) fn succeeded(attempt: &str, answer: &Value) -> Result<(), VsphereError> {
    if answer["succeeded"].as_bool() == Some(true) {
        return Ok(());
    }
    let why: Vec<String> = answer["error"]["errors"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(error)
        .filter(|why| !why.is_empty())
        .collect();
    let why = if why.is_empty() {
        "the server says that it failed, and not why".to_owned()
    } else {
        why.join("; ")
    };
    Err(VsphereError::new(VsphereErrorKind::Other, attempt).because(why))
}

/// One error of an OVF package: of its text, of a value, or of the server.
fn error(one: &Value) -> String {
    let mut said: Vec<String> = Vec::new();
    for issue in one["issues"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let (file, line) = (issue["file"].as_str().unwrap_or_default(), &issue["line_number"]);
        said.push(format!("{file}:{line}: {}", told(&json!([issue["message"]]))));
    }
    if let (Some(name), Some(value)) = (one["name"].as_str(), one["value"].as_str()) {
        said.push(format!("{name} `{value}`"));
    }
    said.push(told(&json!([one["message"]])));
    said.push(server(&one["error"]));
    said.retain(|one| !one.is_empty());
    said.join(": ")
}

/// An error of the server's in an answer: its fields, or in `/rest` and of some versions below the name of its type.
fn server(error: &Value) -> String {
    let found = told(&error["messages"]);
    if !found.is_empty() {
        return found;
    }
    let inner = error.as_object().into_iter().flatten().map(|(_, value)| told(&value["messages"]));
    inner.filter(|said| !said.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn why_a_package_failed_is_told_wherever_it_stands() {
        let message = |text: &str| json!({ "id": "x", "default_message": text, "args": [] });
        let answer = json!({ "succeeded": false, "error": { "errors": [
            { "category": "VALIDATION", "issues": [
                { "category": "VALUE_ILLEGAL", "file": "a.ovf", "line_number": 7, "column_number": 1, "message": message("No.") },
            ] },
            { "category": "INPUT", "name": "network", "value": "x", "message": message("Unknown.") },
            { "category": "SERVER", "error": { "@class": "com.vmware.vapi.std.errors.error", "messages": [message("Full.")] } },
            { "category": "SERVER", "error": { "com.vmware.vapi.std.errors.error": { "messages": [message("Off.")] } } },
        ], "warnings": [], "information": [] } });
        let error = succeeded("deploy it", &answer).unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "a.ovf:7: No.; network `x`: Unknown.; Full.; Off.");
        assert!(succeeded("deploy it", &json!({})).is_err());
        assert!(succeeded("deploy it", &json!({ "succeeded": true })).is_ok());
    }
}
