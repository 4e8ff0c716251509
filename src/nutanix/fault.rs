//! What a server says when it does not do something, in both dialects: the answer to a call, or the end of a task.
use super::PrismErrorKind;
use serde_json::Value;
use std::fmt;

/// A server's no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What was asked: `POST /api/nutanix/v3/images`, or the task.
    pub call: String,
    /// The status of HTTP; 0 for a task, which fails after its call succeeded.
    pub status: u16,
    /// The server's words for what is wrong: `ENTITY_NOT_FOUND`, `VMM-30100`.
    pub codes: Vec<String>,
    /// What it says to people.
    pub messages: Vec<String>,
}

impl Fault {
    /// The answer `text` to `call`.
    pub(super) fn of_answer(call: &str, status: u16, text: &str) -> Self {
        let mut fault = Self { call: call.to_owned(), status, codes: Vec::new(), messages: Vec::new() };
        let Ok(answer) = serde_json::from_str::<Value>(text) else {
            // Pages for browsers say nothing of use.
            let short = text.trim();
            if !short.is_empty() && short.len() < 300 && !short.starts_with('<') {
                fault.messages.push(short.to_owned());
            }
            return fault;
        };
        fault.take(&answer["message_list"], "reason");
        let error =
            if answer["data"]["error"].is_null() { &answer["error"] } else { &answer["data"]["error"] };
        fault.take(error, "code");
        let details = &error["validationErrorMessages"];
        fault.take(details, "location");
        if fault.messages.is_empty()
            && let Some(text) = error["error"].as_str().or_else(|| error.as_str())
        {
            fault.messages.push(text.to_owned());
        }
        fault
    }

    /// What a task says about its failure.
    pub(super) fn of_task(task: &str, said: &Value) -> Self {
        let state = said["status"].as_str().unwrap_or("FAILED");
        let mut fault = Self {
            call: format!("task {task} ({state})"),
            status: 0,
            codes: Vec::new(),
            messages: Vec::new(),
        };
        if let Some(text) = said["error_detail"].as_str().filter(|text| !text.is_empty()) {
            fault.messages.push(text.to_owned());
            fault.codes.extend(said["error_code"].as_str().map(ToOwned::to_owned));
        }
        fault.take(&said["errorMessages"], "code");
        if fault.messages.is_empty()
            && let Some(text) = said["legacyErrorMessage"].as_str()
        {
            fault.messages.push(text.to_owned());
        }
        fault
    }

    /// Messages of a list of objects, each with its word under `key`.
    fn take(&mut self, list: &Value, key: &str) {
        for one in list.as_array().map(Vec::as_slice).unwrap_or_default() {
            self.codes.extend(one[key].as_str().map(ToOwned::to_owned));
            self.messages.extend(one["message"].as_str().map(ToOwned::to_owned));
            // What is wrong with which field is told in the details of v3.
            if let Some(details) = one["details"].as_object().filter(|details| !details.is_empty()) {
                self.messages.push(Value::Object(details.clone()).to_string());
            }
        }
    }

    /// What a caller may want to do about it.
    pub(super) fn kind(&self) -> PrismErrorKind {
        if self.lacks_room() {
            return PrismErrorKind::NoSpace;
        }
        match self.status {
            401 => PrismErrorKind::Auth,
            403 => PrismErrorKind::Permission,
            404 => PrismErrorKind::NotFound,
            405 | 501 => PrismErrorKind::Unsupported,
            409 => PrismErrorKind::Exists,
            429 | 502..=504 => PrismErrorKind::Unavailable,
            _ => PrismErrorKind::Other,
        }
    }

    fn lacks_room(&self) -> bool {
        const WORDS: [&str; 4] = ["quota", "insufficient", "not enough", "no space"];
        self.codes.iter().any(|code| code == "RESOURCE_SHORTAGE")
            || self.status != 429
                && self.messages.iter().any(|text| {
                    let text = text.to_lowercase();
                    WORDS.iter().any(|word| text.contains(word))
                })
    }

    /// What to do about it.
    pub(super) fn hint(&self) -> Option<String> {
        let hint = match self.kind() {
            PrismErrorKind::Auth => {
                "user or password are wrong, or the account is locked: log in at https://PRISM:9440 once"
            }
            PrismErrorKind::Permission => {
                "the user's role lacks a right: for images it is Create, View and Delete Image, and View Cluster; \
                 for builds also Create, View, Update and Delete Virtual Machine, and View Subnet"
            }
            PrismErrorKind::NoSpace => {
                "delete images that nobody needs, or raise the quota of the project, or name another `--cluster`"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.call)?;
        if self.status != 0 {
            write!(f, " was answered with {}", self.status)?;
        }
        let mut said = self.messages.clone();
        said.dedup();
        if !said.is_empty() {
            write!(f, ": {}", said.join("; "))?;
        }
        let mut codes = self.codes.clone();
        codes.dedup();
        if !codes.is_empty() {
            write!(f, " ({})", codes.join(", "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_dialects_say_what_is_wrong() {
        let v3 = r#"{"api_version": "3.1", "code": 422, "kind": "image", "state": "ERROR", "message_list":
            [{"message": "Request could not be processed.", "reason": "INVALID_REQUEST", "details": {"name": "too long"}}]}"#;
        let fault = Fault::of_answer("POST /images", 422, v3);
        let text = fault.to_string();
        assert!(text.contains("422: Request could not be processed.") && text.contains("too long"), "{text}");
        assert!(text.contains("(INVALID_REQUEST)"), "{text}");
        let v4 = r#"{"data": {"$objectType": "vmm.v4.error.ErrorResponse", "error":
            [{"message": "Quota exceeded for images", "code": "VMM-20000", "severity": "ERROR"}]}}"#;
        let fault = Fault::of_answer("POST /images", 500, v4);
        assert_eq!(fault.kind(), PrismErrorKind::NoSpace);
        assert!(fault.to_string().contains("Quota exceeded for images (VMM-20000)"));
        let v4 = r#"{"data": {"error": {"statusCode": 400, "error": "Bad Request", "validationErrorMessages":
            [{"location": "body.name", "message": "must not be null"}]}}}"#;
        assert!(
            Fault::of_answer("POST /images", 400, v4).to_string().contains("must not be null (body.name)")
        );
        assert_eq!(Fault::of_answer("GET /x", 503, "<html>").to_string(), "GET /x was answered with 503");
    }

    #[test]
    fn a_task_says_why_it_failed() {
        let v3 = serde_json::json!({ "status": "FAILED", "error_detail": "no disk", "error_code": "INTERNAL_ERROR" });
        assert_eq!(Fault::of_task("t", &v3).to_string(), "task t (FAILED): no disk (INTERNAL_ERROR)");
        let v4 = serde_json::json!({ "status": "CANCELED", "errorMessages": [{ "message": "gone", "code": "X-1" }] });
        assert_eq!(Fault::of_task("t", &v4).to_string(), "task t (CANCELED): gone (X-1)");
    }
}
