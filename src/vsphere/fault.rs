//! What a vCenter answers instead of doing what was asked
//! ([faults](https://developer.broadcom.com/xapis/vsphere-web-services-api/latest/)).
use super::{Node, VsphereErrorKind};
use std::fmt;

/// A fault of a call, or the error that a task ended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The call: `CreateVM_Task`.
    pub call: String,
    /// The type of the fault: `NoPermission`. A bare SOAP error has none.
    pub name: Option<String>,
    /// The server's sentence.
    pub message: String,
    /// What it says of itself, in the server's words: `object`, `privilegeId`, `name`.
    pub details: Vec<(String, String)>,
}

impl Fault {
    /// The fault in a SOAP answer: `faultstring`, and a detail whose type is its name.
    pub(super) fn of_answer(call: &str, fault: &Node) -> Self {
        let detail = fault.at("detail").and_then(|detail| detail.nodes.first());
        let name = detail.map(|detail| {
            let element = || detail.name.strip_suffix("Fault").unwrap_or(&detail.name).to_owned();
            detail.kind.clone().unwrap_or_else(element)
        });
        let message = fault.text_at("faultstring").unwrap_or_default().trim().to_owned();
        let message = if message.is_empty() { told(detail) } else { message };
        Self { call: call.to_owned(), name, message, details: detail.map(details).unwrap_or_default() }
    }

    /// A `LocalizedMethodFault`: how a task, a lease or a check ended.
    pub fn of_method(call: &str, error: &Node) -> Self {
        let fault = error.at("fault");
        let message = error.text_at("localizedMessage").unwrap_or_default().trim().to_owned();
        Self {
            call: call.to_owned(),
            name: fault.and_then(|fault| fault.kind.clone()),
            message: if message.is_empty() { told(fault) } else { message },
            details: fault.map(details).unwrap_or_default(),
        }
    }

    /// Whether it is of this type.
    pub fn is(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }

    /// What the server says of the fault by this name.
    pub fn detail(&self, name: &str) -> Option<&str> {
        self.details.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn kind(&self) -> VsphereErrorKind {
        use VsphereErrorKind as Kind;
        match self.name.as_deref().unwrap_or_default() {
            // Words in capitals are the other interface's (`com.vmware.vapi.std.errors`).
            "InvalidLogin" | "NotAuthenticated" | "InvalidLocale" | "PasswordExpired" | "UNAUTHENTICATED" => {
                Kind::Auth
            }
            "NoPermission" | "RestrictedVersion" | "RestrictedByAdministrator" | "UNAUTHORIZED" => {
                Kind::Permission
            }
            "ManagedObjectNotFound" | "NotFound" | "FileNotFound" | "VmConfigFileNotFound" | "NOT_FOUND" => {
                Kind::NotFound
            }
            "DuplicateName" | "AlreadyExists" | "FileAlreadyExists" | "ALREADY_EXISTS" => Kind::Exists,
            "UNVERIFIED_PEER" => Kind::Trust,
            "NoDiskSpace"
            | "InsufficientResourcesFault"
            | "InsufficientStorageSpace"
            | "InsufficientCpuResourcesFault"
            | "InsufficientMemoryResourcesFault"
            | "UNABLE_TO_ALLOCATE_RESOURCE" => Kind::NoSpace,
            "MethodNotFound"
            | "NotSupported"
            | "NotImplemented"
            | "MethodNotSupported"
            | "UNSUPPORTED"
            | "OPERATION_NOT_FOUND" => Kind::Unsupported,
            "HostCommunication"
            | "HostNotConnected"
            | "HostNotReachable"
            | "ResourceInUse"
            | "TaskInProgress"
            | "SERVICE_UNAVAILABLE"
            | "RESOURCE_BUSY"
            | "RESOURCE_IN_USE"
            | "RESOURCE_INACCESSIBLE"
            | "CONCURRENT_CHANGE" => Kind::Unavailable,
            "InvalidArgument"
            | "InvalidRequest"
            | "InvalidName"
            | "InvalidDatastore"
            | "InvalidDatastorePath"
            | "INVALID_ARGUMENT"
            | "INVALID_REQUEST"
            | "INVALID_ELEMENT_TYPE"
            | "INVALID_ELEMENT_CONFIGURATION"
            | "UNEXPECTED_INPUT" => Kind::Usage,
            "Timedout" | "RequestCanceled" | "TIMED_OUT" | "CANCELED" => Kind::Timeout,
            _ => Kind::Other,
        }
    }

    pub(super) fn hint(&self) -> Option<String> {
        Some(match self.kind() {
            VsphereErrorKind::Auth => {
                "check user name (with its domain: `user@vsphere.local`) and password".to_owned()
            }
            VsphereErrorKind::Permission => {
                "`goldsmith doctor --vsphere` lists the privileges that are missing, and where".to_owned()
            }
            _ => return None,
        })
    }
}

/// Words that faults of a certain type have instead of a message.
fn told(detail: Option<&Node>) -> String {
    let messages = detail.into_iter().flat_map(|detail| detail.all("faultMessage"));
    messages.filter_map(|message| message.text_at("message")).collect::<Vec<_>>().join("; ")
}

fn details(fault: &Node) -> Vec<(String, String)> {
    let said = |node: &Node| {
        let value = match &node.refers {
            Some(kind) => format!("{kind}:{}", node.text),
            None => node.text.trim().to_owned(),
        };
        (!value.is_empty()).then(|| (node.name.clone(), value))
    };
    fault.nodes.iter().filter_map(said).collect()
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.call)?;
        if let Some(name) = &self.name {
            write!(f, " answered {name}")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if !self.details.is_empty() {
            let details: Vec<String> =
                self.details.iter().map(|(key, value)| format!("{key} {value}")).collect();
            write!(f, " ({})", details.join(", "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_its_type_its_sentence_and_what_it_is_about() {
        let text = "<f xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><faultcode>x</faultcode>\
             <faultstring>Permission to perform this operation was denied.</faultstring>\
             <detail><NoPermissionFault xsi:type=\"NoPermission\"><object type=\"Folder\">group-v3</object>\
             <privilegeId>VirtualMachine.Inventory.Create</privilegeId></NoPermissionFault></detail></f>";
        let fault = Fault::of_answer("CreateVM_Task", &Node::parse(text).unwrap());
        assert_eq!(fault.kind(), VsphereErrorKind::Permission);
        assert_eq!(fault.detail("privilegeId"), Some("VirtualMachine.Inventory.Create"));
        assert_eq!(
            fault.to_string(),
            "CreateVM_Task answered NoPermission: Permission to perform this operation was denied. \
             (object Folder:group-v3, privilegeId VirtualMachine.Inventory.Create)"
        );
    }

    #[test]
    fn a_task_s_error_is_read_as_a_fault() {
        let text = "<error xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
             <fault xsi:type=\"NoDiskSpace\"><file>[ds] a/a.vmdk</file><datastore>ds</datastore></fault>\
             <localizedMessage>There is no space left.</localizedMessage></error>";
        let fault = Fault::of_method("CreateVM_Task", &Node::parse(text).unwrap());
        assert_eq!((fault.kind(), fault.detail("datastore")), (VsphereErrorKind::NoSpace, Some("ds")));
    }
}
