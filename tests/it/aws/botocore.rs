//! Compares recorded calls with botocore's models of the services: what moto lets pass, Amazon may refuse.
use super::{moto::python, proxy::Call};
use serde_json::json;
use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// What was found.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Looked {
    /// For each call `service:Operation`, such as `ec2:RegisterImage`; `?` if it is none.
    pub(crate) calls: Vec<String>,
    /// What is wrong, with the call.
    pub(crate) problems: Vec<String>,
}

/// Looks at all of them.
pub(crate) fn look(calls: &[Call]) -> Looked {
    // Isolated, or the folder's own moto.py would stand in for moto.
    let mut child = Command::new(python())
        .arg("-I")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/aws/check_calls.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for call in calls {
        let head = json!({
            "number": call.number,
            "method": call.method,
            "path": call.path,
            "headers": call.headers,
            "length": call.body.len(),
        });
        writeln!(stdin, "{head}").unwrap();
        stdin.write_all(&call.body).unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "check_calls.py failed");
    let looked: Looked = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(looked.calls.len(), calls.len());
    looked
}

/// The calls' names (`ec2:RegisterImage`), if they are what the models say. Panics with everything that is not.
pub(crate) fn check(calls: &[Call]) -> Vec<String> {
    assert!(!calls.is_empty(), "no calls were made");
    let looked = look(calls);
    assert!(looked.problems.is_empty(), "{}", looked.problems.join("\n"));
    looked.calls
}

/// A call of EC2 as if it had come through the proxy.
fn ec2(body: &str) -> Call {
    call("ec2", "POST", "/", &[], body.as_bytes())
}

fn call(service: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Call {
    let signature = format!(
        "AWS4-HMAC-SHA256 Credential=testing/20300101/us-east-1/{service}/aws4_request, SignedHeaders=host"
    );
    let signed = [("authorization", signature.as_str())];
    let headers = signed.iter().chain(headers);
    Call {
        number: 0,
        method: method.to_owned(),
        path: path.to_owned(),
        headers: headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: body.to_vec().into(),
    }
}

const REGISTER: &str = "Action=RegisterImage&Version=2016-11-15";

#[test]
fn right_calls_pass() {
    let digest = "B4VNL+8pega6gWheZgwzLeNtXRjVRpJ9MNqtbX/aFUE=";
    let told =
        [("x-amz-data-length", "524288"), ("x-amz-checksum-algorithm", "SHA256"), ("x-amz-checksum", digest)];
    let calls = [
        ec2(&format!(
            "{REGISTER}&Name=a+%28b%29&BootMode=uefi&EnaSupport=true&BlockDeviceMapping.1.DeviceName=%2Fdev%2Fxvda\
             &BlockDeviceMapping.1.Ebs.SnapshotId=snap-1&TagSpecification.1.ResourceType=image&TagSpecification.1.Tag.1.Key=a"
        )),
        call("ebs", "PUT", "/snapshots/snap-1/blocks/7", &told, &vec![0; 512 * 1024]),
        call("s3", "PUT", "/bucket/a/key?x-id=PutObject", &[], b"data"),
        call("sts", "POST", "/", &[], b"Action=GetCallerIdentity&Version=2011-06-15"),
    ];
    let names = ["ec2:RegisterImage", "ebs:PutSnapshotBlock", "s3:PutObject", "sts:GetCallerIdentity"];
    assert_eq!(check(&calls), names);
}

/// Each wrong call with a part of what is said about it.
#[test]
fn wrong_calls_are_found() {
    let json = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AmazonSSM.PutParameter")];
    let rest = [("content-type", "application/json")];
    let rows = [
        (ec2(REGISTER), "Missing required parameter in input: \"Name\""),
        (ec2(&format!("{REGISTER}&Name=ab")), "valid min length: 3"),
        (ec2(&format!("{REGISTER}&Name=a%2Bbc")), "letters, digits and"),
        (ec2(&format!("{REGISTER}&Name=abc&Name=abd")), "`Name` stands there twice"),
        (
            ec2(&format!("{REGISTER}&Name=abc&BlockDeviceMappings.1.DeviceName=a")),
            "BlockDeviceMappings: no such parameter",
        ),
        (ec2(&format!("{REGISTER}&Name=abc&BlockDeviceMapping.2.DeviceName=a")), "items are numbered 2"),
        (ec2(&format!("{REGISTER}&Name=abc&BootMode=efi")), "`efi` is none of legacy-bios, uefi"),
        (ec2(&format!("{REGISTER}&Name=abc&EnaSupport=yes")), "`yes` is no boolean"),
        (
            ec2(&format!("{REGISTER}&Name=abc&BlockDeviceMapping.1.Ebs.VolumeSize=1GiB")),
            "`1GiB` is no integer",
        ),
        (ec2("Action=RegisterImages&Version=2016-11-15"), "no such action: RegisterImages"),
        (ec2("Action=RegisterImage&Version=2014-01-01&Name=abc"), "2016-11-15 is meant"),
        (
            call("ebs", "PUT", "/snapshots/snap-1/blocks/7", &[("x-amz-data-length", "5")], b"hello"),
            "5 bytes, told as 5; 524288 are meant",
        ),
        (call("ebs", "PUT", "/snapshots/snap-1/blocks", &[], b"hello"), "no operation has such an address"),
        (
            call("ssm", "POST", "/", &json, br#"{"Name": "/a", "Value": 5, "Type": "Text"}"#),
            "Invalid type for parameter Value",
        ),
        (
            call("ssm", "POST", "/", &json, br#"{"Name": "/a", "Value": "5", "Type": "Text"}"#),
            "`Text` is none of",
        ),
        (
            call("aws-marketplace", "POST", "/StartChangeSet", &rest, br#"{"Catalog": "AWSMarketplace"}"#),
            "Missing required parameter in input: \"ChangeSet\"",
        ),
        (
            call("s3", "PUT", "/bucket/key?uploadId=1", &[("x-amz-copy", "1")], b""),
            "x-amz-copy: no such header",
        ),
        (call("polly", "POST", "/", &[], b""), "no model is known for `polly`"),
    ];
    let calls: Vec<Call> =
        rows.iter().enumerate().map(|(number, (call, _))| Call { number, ..call.clone() }).collect();
    let problems = look(&calls).problems;
    for (number, (_, wanted)) in rows.iter().enumerate() {
        let its: Vec<&String> =
            problems.iter().filter(|problem| problem.starts_with(&format!("call {number},"))).collect();
        assert!(its.iter().any(|problem| problem.contains(wanted)), "call {number}: {its:?} lacks {wanted}");
    }
}
