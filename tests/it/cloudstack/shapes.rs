//! The shapes of our cloud's answers, compared with recorded ones: the fixtures of apache-libcloud, which come with it from PyPI.
use super::cloud::{Answer, Call, Cloud, ZONES, os_types, project, zone};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

fn recorded(name: &str) -> Value {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/lib");
    let python = std::fs::read_dir(&peers).unwrap().map(|entry| entry.unwrap().path());
    let path = python
        .map(|python| python.join("site-packages/libcloud/test/compute/fixtures/cloudstack").join(name))
        .find(|path| path.exists());
    let path = path.unwrap_or_else(|| panic!("{name} is not in {}: run `make setup-test`", peers.display()));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "flag",
        // Identifiers were numbers once.
        Value::Number(_) | Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// All of the `keys` of a recorded item are in ours, as the same kind of value.
fn assert_like(ours: &Value, theirs: &Value, keys: &[&str]) {
    for key in keys {
        assert!(!theirs[*key].is_null(), "`{key}` is not recorded: {theirs}");
        assert_eq!(kind(&ours[*key]), kind(&theirs[*key]), "`{key}`: {ours}");
    }
}

fn call(cloud: &mut Cloud, command: &str, params: &[(&str, &str)]) -> Value {
    let mut params: BTreeMap<String, String> =
        params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    params.insert("command".to_owned(), command.to_owned());
    let Answer::Json(200, value) = cloud.answer(&Call { command: command.to_owned(), params }) else {
        panic!("{command} was refused")
    };
    value
}

#[test]
fn answers_have_the_shapes_of_recorded_ones() {
    let theirs = recorded("listZones_default.json");
    assert_like(
        &zone(ZONES[0].0, "a"),
        &theirs["listzonesresponse"]["zone"][0],
        &["id", "name", "networktype"],
    );
    let theirs = recorded("listOsTypes_default.json");
    assert_like(
        &os_types()[0],
        &theirs["listostypesresponse"]["ostype"][0],
        &["id", "oscategoryid", "description"],
    );
    let theirs = recorded("listProjects_default.json");
    assert_like(
        &project(),
        &theirs["listprojectsresponse"]["project"][0],
        &["id", "name", "displaytext", "domain", "state"],
    );

    let mut cloud = Cloud::default();
    let zone = ("zoneid", ZONES[0].0);
    let made = call(&mut cloud, "registerTemplate", &[zone, ("name", "a"), ("url", "http://a/b.qcow2")]);
    let id = made["registertemplateresponse"]["template"][0]["id"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        call(&mut cloud, "listTemplates", &[]);
    }
    let ours = call(&mut cloud, "listTemplates", &[]);
    let theirs = recorded("listTemplates_default.json");
    let (ours, theirs) =
        (&ours["listtemplatesresponse"]["template"][0], &theirs["listtemplatesresponse"]["template"][0]);
    let keys: Vec<&str> = theirs.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(keys.len() > 15, "{keys:?}");
    assert_like(ours, theirs, &keys);
    let none = call(&mut cloud, "listTemplates", &[("name", "none")]);
    assert_eq!(none, recorded("listTemplates_notemplates.json"));

    let tag = [("resourceids", id.as_str()), ("tags[0].key", "a"), ("tags[0].value", "b")];
    let ours = call(&mut cloud, "createTags", &tag);
    let theirs = recorded("createTags_default.json");
    assert_like(&ours["createtagsresponse"], &theirs["createtagsresponse"], &["jobid"]);
    let job = ours["createtagsresponse"]["jobid"].as_str().unwrap().to_owned();
    let ours = call(&mut cloud, "queryAsyncJobResult", &[("jobid", &job)]);
    let theirs = &recorded("queryAsyncJobResult_createtagsjob.json")["queryasyncjobresultresponse"];
    let keys: Vec<&str> = theirs.as_object().unwrap().keys().map(String::as_str).collect();
    assert_like(&ours["queryasyncjobresultresponse"], theirs, &keys);
    assert_eq!(ours["queryasyncjobresultresponse"]["jobresult"], theirs["jobresult"]);

    let theirs = recorded("registerSSHKeyPair_error.json");
    let ours = super::cloud::refusal("registerSSHKeyPair", &(431, "x".to_owned()));
    let (name, theirs) = theirs.as_object().unwrap().iter().next().unwrap();
    assert_like(&ours[name], theirs, &["uuidList", "errorcode", "errortext"]);
}

#[test]
fn machines_and_addresses_have_the_shapes_of_recorded_ones() {
    let mut cloud = Cloud::default();
    let template = cloud.source("base", vec![0; 512]);
    let params =
        [("templateid", template.as_str()), ("name", "a"), ("zoneid", ZONES[0].0), ("networkids", "n")];
    let ours = call(&mut cloud, "deployVirtualMachine", &params);
    let theirs = recorded("deployVirtualMachine_default.json");
    let key = "deployvirtualmachineresponse";
    assert_like(&ours[key], &theirs[key], &["id", "jobid"]);
    let ours = call(&mut cloud, "startVirtualMachine", &[("id", ours[key]["id"].as_str().unwrap())]);
    assert!(ours["startvirtualmachineresponse"]["jobid"].is_string());

    let like = |ours: &Value, file: &str, (answer, field): (&str, &str), keys: &[&str]| {
        let theirs = recorded(file);
        assert_like(&ours[answer][field][0], &theirs[answer][field][0], keys);
    };
    let ours = call(&mut cloud, "listVirtualMachines", &[]);
    let at = ("listvirtualmachinesresponse", "virtualmachine");
    let keys = [
        "id",
        "name",
        "displayname",
        "state",
        "zoneid",
        "templateid",
        "serviceofferingid",
        "nic",
        "hypervisor",
        "tags",
    ];
    like(&ours, "listVirtualMachines_default.json", at, &keys);
    let theirs = recorded("listVirtualMachines_default.json");
    let keys = ["id", "networkid", "ipaddress", "isdefault", "traffictype"];
    assert_like(&ours[at.0][at.1][0]["nic"][0], &theirs[at.0][at.1][0]["nic"][0], &keys);

    let acquired = call(&mut cloud, "associateIpAddress", &[("networkid", "n")]);
    let key = "associateipaddressresponse";
    assert_like(&acquired[key], &recorded("associateIpAddress_default.json")[key], &["id", "jobid"]);
    let job = [("jobid", acquired[key]["jobid"].as_str().unwrap())];
    let ours = call(&mut cloud, "queryAsyncJobResult", &job);
    let theirs = recorded("queryAsyncJobResult_11111.json");
    let result = |answer: &Value| answer["queryasyncjobresultresponse"]["jobresult"]["ipaddress"].clone();
    let keys = ["id", "ipaddress", "issourcenat", "isstaticnat", "associatednetworkid", "state", "tags"];
    assert_like(&result(&ours), &result(&theirs), &keys);
    let ours = call(&mut cloud, "listPublicIpAddresses", &[]);
    let at = ("listpublicipaddressesresponse", "publicipaddress");
    like(
        &ours,
        "listPublicIpAddresses_default.json",
        at,
        &["id", "ipaddress", "issourcenat", "associatednetworkid"],
    );

    let address = ("ipaddressid", acquired[key]["id"].as_str().unwrap());
    call(&mut cloud, "createPortForwardingRule", &[address, ("publicport", "33"), ("virtualmachineid", "m")]);
    call(&mut cloud, "createFirewallRule", &[address, ("startport", "33"), ("cidrlist", "10.0.0.0/8")]);
    let ours = call(&mut cloud, "listPortForwardingRules", &[address]);
    let at = ("listportforwardingrulesresponse", "portforwardingrule");
    let keys =
        ["id", "publicport", "publicendport", "privateport", "virtualmachineid", "ipaddressid", "state"];
    like(&ours, "listPortForwardingRules_default.json", at, &keys);
    let ours = call(&mut cloud, "listFirewallRules", &[address]);
    let at = ("listfirewallrulesresponse", "firewallrule");
    like(
        &ours,
        "listFirewallRules_default.json",
        at,
        &["id", "cidrlist", "startport", "endport", "ipaddressid"],
    );

    for (command, file, field, keys) in [
        (
            "listServiceOfferings",
            "listServiceOfferings_default.json",
            "serviceoffering",
            &["id", "name", "cpunumber", "memory", "cpuspeed"][..],
        ),
        (
            "listDiskOfferings",
            "listDiskOfferings_default.json",
            "diskoffering",
            &["id", "name", "disksize", "iscustomized"],
        ),
        (
            "listNetworks",
            "listNetworks_default.json",
            "network",
            &["id", "name", "type", "canusefordeploy", "service"],
        ),
        ("listSecurityGroups", "listSecurityGroups_default.json", "securitygroup", &["id", "name"]),
    ] {
        let answer = format!("{}response", command.to_lowercase());
        let ours = call(&mut cloud, command, &[]);
        like(&ours, file, (&answer, field), keys);
    }
}
