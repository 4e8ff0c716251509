//! Compares requests with VMware's SDKs: what the simulator lets pass, a vCenter may refuse.
use super::vcsim::{Vcsim, python};
use serde_json::{Value, json};
use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};
use test_case::test_case;

/// What was found.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Looked {
    /// Every call's name: `CreateVM_Task`, `com.vmware.cis.tagging.tag.create`; `?` if it is none.
    pub(crate) calls: Vec<String>,
    /// What is wrong, with the call.
    pub(crate) problems: Vec<String>,
}

fn look(script: &str, trace: &[u8]) -> Looked {
    let mut child = Command::new(python())
        .arg("-I")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/vsphere").join(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(trace).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{script} failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What VMware's SDKs say of all calls so far, of SOAP and of REST.
pub(crate) fn look_at(vcsim: &Vcsim) -> Looked {
    let trace = std::fs::read(vcsim.trace_file()).unwrap();
    let mut looked = look("check_soap.py", &trace);
    let rest = look("check_rest.py", &trace);
    looked.calls.extend(rest.calls);
    looked.problems.extend(rest.problems);
    looked
}

/// The names of all calls so far, if they are as VMware's SDKs have them. Panics with everything that is not.
pub(crate) fn assert_requests_valid(vcsim: &Vcsim) -> Vec<String> {
    let looked = look_at(vcsim);
    assert!(!looked.calls.is_empty(), "no calls were made");
    assert!(looked.problems.is_empty(), "{}", looked.problems.join("\n"));
    looked.calls
}

/// A SOAP call as if it had come.
fn soap(inner: &str) -> Vec<u8> {
    let body = format!(
        r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{inner}</soapenv:Body></soapenv:Envelope>"#
    );
    let headers = json!({"Content-Type": "text/xml; charset=utf-8", "Soapaction": "\"urn:vim25/8.0.2.0\""});
    line(&json!({"number": 0, "method": "POST", "path": "/sdk", "headers": headers, "body": body}))
}

fn rest(method: &str, path: &str, body: &Value) -> Vec<u8> {
    let headers = json!({"Content-Type": "application/json"});
    let body = if body.is_null() { String::new() } else { body.to_string() };
    line(&json!({"number": 0, "method": method, "path": path, "headers": headers, "body": body}))
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

fn create(config: &str, after: &str) -> String {
    format!(
        r#"<CreateVM_Task xmlns="urn:vim25"><_this type="Folder">group-v3</_this><config>{config}</config>{after}</CreateVM_Task>"#
    )
}

const POOL: &str = r#"<pool type="ResourcePool">resgroup-1</pool>"#;
const CONFIG: &str =
    "<name>a</name><guestId>otherGuest64</guestId><numCPUs>2</numCPUs><memoryMB>512</memoryMB>";

#[test]
fn right_soap_calls_pass() {
    let option = r#"<extraConfig><key>a</key><value xsi:type="xsd:string" xmlns:xsd="http://www.w3.org/2001/XMLSchema">b</value></extraConfig>"#;
    let device = r#"<deviceChange><operation>add</operation><device xsi:type="ParaVirtualSCSIController"><key>-1</key><busNumber>0</busNumber><sharedBus>noSharing</sharedBus></device></deviceChange>"#;
    let config = format!("{CONFIG}{device}{option}");
    let looked = look("check_soap.py", &soap(&create(&config, POOL)));
    assert_eq!(looked.problems, Vec::<String>::new());
    assert_eq!(looked.calls, ["CreateVM_Task"]);
}

#[test_case(&create(&format!("{CONFIG}<bogus>1</bogus>"), POOL), "config/bogus: no such element of VirtualMachineConfigSpec"; "unknown element")]
#[test_case(&create("<memoryMB>512</memoryMB><name>a</name>", POOL), "config/name: stands after `memoryMB`, and belongs before it"; "wrong order")]
#[test_case(&create(CONFIG, ""), "CreateVM_Task: `pool` is missing"; "missing parameter")]
#[test_case(&create("<deviceChange><operation>add</operation></deviceChange>", POOL), "deviceChange: `device` is missing"; "missing element")]
#[test_case(&create("<deviceChange><operation>put</operation></deviceChange>", POOL), "`put` is none of add, remove, edit"; "bad enum")]
#[test_case(&create("<numCPUs>two</numCPUs>", POOL), "`two` is no int"; "bad number")]
#[test_case(&create("<name>a</name><name>b</name>", POOL), "config/name: is there twice"; "twice")]
#[test_case(&create("<changeTrackingEnabled>yes</changeTrackingEnabled>", POOL), "`yes` is no boolean"; "bad boolean")]
#[test_case(&create(r#"<deviceChange><device xsi:type="VirtualBogus"/></deviceChange>"#, POOL), "vim25 has no type `VirtualBogus`"; "unknown type")]
#[test_case(&create(r#"<deviceChange><device xsi:type="OptionValue"/></deviceChange>"#, POOL), "`OptionValue` is no VirtualDevice"; "other type")]
#[test_case(&create("<extraConfig><key>a</key><value>b</value></extraConfig>", POOL), "xsi:type is missing"; "untyped value")]
#[test_case(&create(CONFIG, r#"<pool type="Folder">group-v3</pool>"#), "`Folder` is no ResourcePool"; "other reference")]
#[test_case(r#"<Bogus xmlns="urn:vim25"/>"#, "vim25 has no such method"; "unknown method")]
#[test_case(r#"<Logout><_this type="SessionManager">s</_this></Logout>"#, "the call is not in urn:vim25"; "no name space")]
fn wrong_soap_calls_do_not(call: &str, problem: &str) {
    let looked = look("check_soap.py", &soap(call));
    assert!(looked.problems.iter().any(|one| one.contains(problem)), "{:?}", looked.problems);
}

fn category() -> Value {
    json!({"name": "a", "description": "", "cardinality": "MULTIPLE", "associable_types": []})
}

fn file() -> Value {
    json!({"name": "a", "source_type": "PUSH", "size": 1, "checksum_info": {"algorithm": "SHA256", "checksum": "00"}})
}

const CATEGORIES: &str = "/api/cis/tagging/category";
const FILES: &str = "/api/content/library/item/update-session/s/file";

#[test]
fn right_rest_calls_pass() {
    let object = json!({"object_id": {"type": "VirtualMachine", "id": "vm-1"}});
    let older = "/rest/com/vmware/";
    let trace = [
        rest("POST", "/api/session", &Value::Null),
        rest("POST", &format!("{older}cis/session"), &Value::Null),
        rest("POST", CATEGORIES, &category()),
        rest("POST", &format!("{older}cis/tagging/category"), &json!({"create_spec": category()})),
        rest("POST", "/api/cis/tagging/tag-association/urn:t?action=attach", &object),
        rest("POST", &format!("{older}cis/tagging/tag-association/id:urn:t?~action=attach"), &object),
        rest("POST", FILES, &file()),
        rest(
            "POST",
            &format!("{older}content/library/item/updatesession/file/id:s?~action=add"),
            &json!({"file_spec": file()}),
        ),
    ]
    .concat();
    let looked = look("check_rest.py", &trace);
    assert_eq!(looked.problems, Vec::<String>::new());
    assert_eq!(looked.calls[0], "com.vmware.cis.session.create");
    assert_eq!(looked.calls[7], "com.vmware.content.library.item.updatesession.file.add");
}

fn with(mut value: Value, name: &str, other: Value) -> Value {
    value[name] = other;
    value
}

#[test_case(CATEGORIES, &with(category(), "bogus", json!(1)), "bogus: no such field"; "unknown field")]
#[test_case(CATEGORIES, &json!({"name": "a"}), "`cardinality` is missing"; "missing field")]
#[test_case(CATEGORIES, &with(category(), "cardinality", json!("MANY")), "`MANY` is none of MULTIPLE, SINGLE"; "bad enum")]
#[test_case(CATEGORIES, &json!({"create_spec": category()}), "create_spec: no such field"; "wrapped in the newer form")]
#[test_case("/rest/com/vmware/cis/tagging/category", &category(), "`create_spec` is missing"; "bare in the older form")]
#[test_case(FILES, &with(file(), "size", json!("1")), "size: a string, an integer is meant"; "text for a number")]
#[test_case(FILES, &with(file(), "checksum_info", json!({"algorithm": "SHA256"})), "checksum_info: `checksum` is missing"; "missing inside")]
#[test_case("/api/cis/tagging/bogus", &json!({}), "no operation has such an address"; "unknown address")]
#[test_case("/api/cis/tagging/category?bogus=1", &category(), "bogus: no such parameter of the address"; "unknown parameter")]
fn wrong_rest_calls_do_not(path: &str, body: &Value, problem: &str) {
    let looked = look("check_rest.py", &rest("POST", path, body));
    assert!(looked.problems.iter().any(|one| one.contains(problem)), "{:?}", looked.problems);
}
