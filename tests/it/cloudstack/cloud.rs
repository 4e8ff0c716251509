//! What is in a cloud: zones, templates, jobs, and what becomes of an upload. It answers calls; `server` speaks HTTP.
use super::machines::Machines;
use serde_json::{Value, json};
use sha2::Digest as _;
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};
use uuid::Uuid;

pub(crate) const KEY: &str = "plgWJfZK4gyS3mOMTVmjUVg-X-jlWlnfaUJ9GAbBbf9EdM";
pub(crate) const SECRET: &str = "VDaACYb0LV9eNjTetIOElcVQkvJck_J_QljX_FcHRj87ZK";
pub(crate) const ZONES: [(&str, &str); 3] = [
    ("1d8d87d4-1425-459c-8d81-c6f57dca2bd2", "Zone-A"),
    ("2d8d87d4-1425-459c-8d81-c6f57dca2bd2", "zone-b"),
    ("3d8d87d4-1425-459c-8d81-c6f57dca2bd2", "ZONE-B"),
];
pub(crate) const PROJECT: &str = "e7ce14a8-abb7-48b9-931f-5f426febed6d";

/// What a list gives at once.
const PAGE: usize = 200;

/// A call as it came.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) command: String,
    pub(crate) params: BTreeMap<String, String>,
}

/// What becomes of a call.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// This is answered.
    Answer(u16, String),
    /// This refusal is answered.
    Refuse(u16, String),
    /// Refused for its signature, by a server whose clock is so many seconds ahead.
    Skewed(i64),
    /// It happens, and nobody hears of it.
    Lost,
    /// Its job fails.
    JobFails(u16, String),
    /// Its job takes so many looks.
    JobTakes(u32),
}

/// What becomes of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is cut after so many bytes.
    CutAfter(usize),
    /// It arrives, and a proxy answers in the server's place.
    Unanswered,
    /// It arrives with a byte changed.
    Damaged,
    /// It arrives, and fails afterwards.
    Fails,
    /// It is refused.
    Refused,
    /// It is not read on after its first bytes.
    Hangs,
}

/// A template.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) id: String,
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) tags: Vec<(String, String)>,
    /// Zones, and how often it must be looked at there until it is ready.
    pub(crate) zones: Vec<(String, u32)>,
    pub(crate) state: &'static str,
    pub(crate) error: Option<String>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) shared: Vec<String>,
    pub(crate) told_checksum: Option<String>,
    pub(crate) in_use: bool,
    /// When the cloud notices that its upload was cut.
    noticed: Option<Instant>,
}

#[derive(Debug, Default)]
pub(crate) struct Cloud {
    pub(crate) calls: Vec<Call>,
    pub(crate) templates: Vec<Template>,
    pub(crate) faults: BTreeMap<String, VecDeque<Fate>>,
    pub(crate) sent: VecDeque<Sent>,
    /// Forms as they came: names of headers with their values, and the body.
    pub(crate) forms: Vec<(BTreeMap<String, String>, Vec<u8>)>,
    /// What the next template's checksum is told as.
    pub(crate) lie: Option<String>,
    pub(crate) address: String,
    /// Where the storage VM is, if it is not there: `https://127.0.0.1:1`.
    pub(crate) storage: Option<String>,
    /// Whether what is registered is really fetched, and how.
    pub(crate) fetches: Option<Fetches>,
    /// What is still to be fetched: template and address.
    pub(crate) to_fetch: Vec<(String, String, Fetches)>,
    /// The storage VM's agent is not heard.
    pub(crate) storage_down: bool,
    pub(crate) machines: Machines,
    pub(crate) jobs: BTreeMap<String, Job>,
}

/// How a storage VM fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetches {
    /// All at once, after a look at how much it is.
    Whole,
    /// In two parts.
    Parts,
    /// It cannot reach the address, and tries on.
    Never,
    /// It cannot reach the address, and says so.
    Fails,
}

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) looks: u32,
    pub(crate) result: Result<Value, (u16, String)>,
    command: String,
    /// It lasts until this machine is off.
    pub(crate) until_off: Option<String>,
}

pub(crate) enum Answer {
    Json(u16, Value),
    Text(u16, String),
    Skewed(Value, i64),
    Cut,
}

pub(crate) type Refusal = (u16, String);

pub(crate) fn gone(name: &str, id: &str) -> Refusal {
    (
        431,
        format!(
            "Invalid parameter {name} value={id} due to incorrect long value format, or entity does not exist or due to incorrect parameter \
             annotation for the field in api cmd class."
        ),
    )
}

/// What the name of an answer is.
fn response(command: &str) -> String {
    match command {
        "getUploadParamsForTemplate" => "postuploadtemplateresponse".to_owned(),
        other => format!("{}response", other.to_lowercase()),
    }
}

pub(crate) fn refusal(command: &str, (code, text): &Refusal) -> Value {
    json!({ response(command): {"uuidList": [], "errorcode": code, "cserrorcode": 9999, "errortext": text} })
}

impl Cloud {
    fn storage(&self) -> String {
        self.storage.clone().unwrap_or_else(|| format!("http://{}", self.address))
    }

    /// An empty one, whose storage VM is there, too.
    pub(crate) fn at(address: String) -> Self {
        Self { address, ..Self::default() }
    }

    pub(crate) fn answer(&mut self, call: &Call) -> Answer {
        self.calls.push(call.clone());
        let fate = self.faults.get_mut(&call.command).and_then(VecDeque::pop_front);
        match &fate {
            Some(Fate::Answer(status, text)) => return Answer::Text(*status, text.clone()),
            Some(Fate::Refuse(code, text)) => {
                return Answer::Json(*code, refusal(&call.command, &(*code, text.clone())));
            }
            Some(Fate::Skewed(seconds)) => {
                let text = "unable to verify user credentials and/or request signature".to_owned();
                return Answer::Skewed(refusal(&call.command, &(401, text)), *seconds);
            }
            _ => {}
        }
        self.time_passes();
        let result = match (self.act(call), &fate) {
            (Ok(value), Some(Fate::JobFails(code, text))) if value.get("jobid").is_some() => {
                self.change_job(&value, |job| job.result = Err((*code, text.clone())));
                Ok(value)
            }
            (Ok(value), Some(Fate::JobTakes(looks))) if value.get("jobid").is_some() => {
                self.change_job(&value, |job| job.looks = *looks);
                Ok(value)
            }
            (result, _) => result,
        };
        if matches!(fate, Some(Fate::Lost)) {
            return Answer::Cut;
        }
        match result {
            Ok(value) => Answer::Json(200, json!({ response(&call.command): value })),
            Err(refused) => Answer::Json(refused.0, refusal(&call.command, &refused)),
        }
    }

    pub(crate) fn change_job(&mut self, answer: &Value, change: impl FnOnce(&mut Job)) {
        let id = answer["jobid"].as_str().unwrap();
        change(self.jobs.get_mut(id).unwrap());
    }

    fn time_passes(&mut self) {
        for template in &mut self.templates {
            if template.noticed.is_some_and(|at| at <= Instant::now()) {
                template.noticed = None;
                template.state = "UploadError";
            }
        }
    }

    fn template(&mut self, call: &Call) -> Result<&mut Template, Refusal> {
        let id = call.params.get("id").cloned().unwrap_or_default();
        self.templates.iter_mut().find(|template| template.id == id).ok_or_else(|| gone("id", &id))
    }

    pub(crate) fn job(&mut self, call: &Call, result: Value) -> Value {
        let id = Uuid::new_v4().to_string();
        let job = Job { looks: 1, result: Ok(result), command: call.command.clone(), until_off: None };
        self.jobs.insert(id.clone(), job);
        json!({"jobid": id})
    }

    fn act(&mut self, call: &Call) -> Result<Value, Refusal> {
        let param = |name: &str| call.params.get(name).cloned();
        match call.command.as_str() {
            "listZones" => Ok(list("zone", ZONES.iter().map(|(id, name)| zone(id, name)).collect())),
            "listHypervisors" => {
                let names: &[&str] = if param("zoneid").as_deref() == Some(ZONES[2].0) {
                    &["XenServer"]
                } else {
                    &["KVM", "VMware"]
                };
                Ok(
                    json!({"count": names.len(), "hypervisor": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()}),
                )
            }
            "listOsTypes" => {
                let all: Vec<Value> = os_types();
                let size: usize = param("pagesize").map_or(PAGE, |size| size.parse().unwrap());
                if size > PAGE {
                    return Err((
                        431,
                        format!("Page size can not exceed max allowed page size value: {PAGE}"),
                    ));
                }
                let page: usize = param("page").map_or(1, |page| page.parse().unwrap());
                let some: Vec<Value> = all.iter().skip((page - 1) * size).take(size).cloned().collect();
                Ok(json!({"count": all.len(), "ostype": some}))
            }
            "listSystemVms" => {
                let agent = if self.storage_down { "Disconnected" } else { "Up" };
                Ok(list(
                    "systemvm",
                    vec![json!({"id": Uuid::from_u128(6).to_string(), "name": "s-2-VM", "state": "Running",
                    "agentstate": agent, "systemvmtype": "secondarystoragevm", "zoneid": param("zoneid")})],
                ))
            }
            "listProjects" => Ok(list("project", vec![project()])),
            "listTemplates" => Ok(self.list_templates(call)),
            "getUploadParamsForTemplate" => {
                let id = self.make(call, vec![(param("zoneid").unwrap(), 2)], "NotUploaded");
                Ok(json!({"getuploadparams": {
                    "id": id,
                    "postURL": format!("{}/upload/{id}", self.storage()),
                    "metadata": format!("meta-{id}"),
                    "expires": "2099-01-01T00:00:00.000Z",
                    "signature": format!("sign-{id}"),
                }}))
            }
            "registerTemplate" => {
                let zones = param("zoneids").or_else(|| param("zoneid")).unwrap_or_default();
                let zones = zones.split(',').map(|zone| (zone.to_owned(), 2)).collect();
                let fails = param("url").unwrap().contains("/missing");
                let id = self.make(call, zones, "Active");
                let made = self.templates.last_mut().unwrap();
                made.error = fails.then(|| "File not found: HTTP 404".to_owned());
                match self.fetches {
                    None => {}
                    Some(Fetches::Fails) => made.error = Some("Connection timed out".to_owned()),
                    Some(how) => {
                        made.state = "Fetching";
                        self.to_fetch.push((id.clone(), param("url").unwrap(), how));
                    }
                }
                let shown = self.shown(&id);
                Ok(list("template", shown))
            }
            "updateTemplate" => {
                let text = param("displaytext");
                let template = self.template(call)?;
                template.params.extend(text.map(|text| ("displaytext".to_owned(), text)));
                let id = template.id.clone();
                Ok(json!({"template": self.shown(&id)[0]}))
            }
            "updateTemplatePermissions" => {
                let with = param("accounts").or_else(|| param("projectids")).unwrap_or_default();
                if call.params.contains_key("isextractable") && !self.machines.is_admin {
                    let text = "Only ROOT admins are allowed to modify this attribute.";
                    return Err((431, text.to_owned()));
                }
                let flags = ["isextractable", "ispublic", "isfeatured"];
                let told = flags.iter().filter_map(|flag| Some(((*flag).to_owned(), param(flag)?)));
                let template = self.template(call)?;
                template.params.extend(told);
                template
                    .shared
                    .extend(with.split(',').filter(|name| !name.is_empty()).map(ToOwned::to_owned));
                Ok(json!({"success": true}))
            }
            "createTags" => {
                let id = param("resourceids").unwrap();
                if param("resourcetype").as_deref() == Some("PublicIpAddress") {
                    return self.tag_address(call, &id);
                }
                let found = self.templates.iter_mut().find(|template| template.id == id);
                let template = found.ok_or_else(|| gone("resourceids", &id))?;
                for at in 0.. {
                    let (Some(key), Some(value)) =
                        (param(&format!("tags[{at}].key")), param(&format!("tags[{at}].value")))
                    else {
                        break;
                    };
                    template.tags.push((key, value));
                }
                Ok(self.job(call, json!({"success": true})))
            }
            "copyTemplate" => {
                let to = param("destzoneids").or_else(|| param("destzoneid")).unwrap();
                let template = self.template(call)?;
                template.zones.extend(to.split(',').map(|zone| (zone.to_owned(), 3)));
                let id = template.id.clone();
                let shown = self.shown(&id);
                Ok(self.job(call, json!({"template": shown[0]})))
            }
            "deleteTemplate" => {
                let template = self.template(call)?;
                if matches!(template.state, "NotUploaded" | "UploadInProgress") {
                    let text = "The template is either getting uploaded or it may be initiated shortly, please wait for it to be completed";
                    return Err((431, text.to_owned()));
                }
                let id = template.id.clone();
                let in_use = template.in_use || self.machines.of_template(&id);
                if in_use && param("forced").as_deref() != Some("true") {
                    let text = format!(
                        "Unable to delete template with id: {id} because VM instances: [7] are using it."
                    );
                    let answer = self.job(call, Value::Null);
                    self.change_job(&answer, |job| job.result = Err((530, text)));
                    return Ok(answer);
                }
                self.templates.retain(|template| template.id != id);
                Ok(self.job(call, json!({"success": true})))
            }
            "extractTemplate" => {
                let address = self.address.clone();
                let template = self.template(call)?;
                let told = json!({
                    "id": template.id, "name": template.params["name"], "state": "DOWNLOAD_URL_CREATED",
                    "extractMode": "HTTP_DOWNLOAD", "url": format!("http://{address}/userdata/{}.qcow2", template.id),
                });
                Ok(self.job(call, json!({"template": told})))
            }
            "queryAsyncJobResult" => {
                let id = param("jobid").unwrap();
                let machines = &self.machines;
                let job = self.jobs.get_mut(&id).ok_or_else(|| gone("jobid", &id))?;
                job.looks = job.looks.saturating_sub(1);
                if job.until_off.as_ref().is_some_and(|machine| !machines.is_off(machine)) {
                    job.looks = 1;
                }
                Ok(told(&id, job))
            }
            _ => self.act_on_machines(call),
        }
    }

    /// A new template.
    pub(crate) fn make(&mut self, call: &Call, zones: Vec<(String, u32)>, state: &'static str) -> String {
        let id = Uuid::new_v4().to_string();
        self.templates.push(Template {
            id: id.clone(),
            params: call.params.clone(),
            tags: Vec::new(),
            zones,
            state,
            error: None,
            bytes: Vec::new(),
            shared: Vec::new(),
            told_checksum: self.lie.clone(),
            in_use: false,
            noticed: None,
        });
        id
    }

    fn shown(&self, id: &str) -> Vec<Value> {
        let template = self.templates.iter().find(|template| template.id == id).unwrap();
        template.zones.iter().map(|(zone, left)| show(template, zone, *left)).collect()
    }

    fn list_templates(&mut self, call: &Call) -> Value {
        let is = |template: &Template, name: &str, value: Option<&String>| {
            call.params.get(name).is_none_or(|wanted| Some(wanted) == value)
                && (name != "projectid" || call.params.get(name) == template.params.get(name))
        };
        let mut all = Vec::new();
        for template in &mut self.templates {
            let (id, name) = (template.id.clone(), template.params.get("name").cloned());
            if !is(template, "id", Some(&id))
                || !is(template, "name", name.as_ref())
                || !is(template, "projectid", None.or(template.params.get("projectid")))
            {
                continue;
            }
            for at in 0..template.zones.len() {
                let (zone, left) = template.zones[at].clone();
                if call.params.get("zoneid").is_some_and(|wanted| *wanted != zone) {
                    continue;
                }
                all.push(show(template, &zone, left));
                if template.state == "Active" && template.error.is_none() {
                    template.zones[at].1 = left.saturating_sub(1);
                }
            }
        }
        if all.is_empty() { json!({}) } else { list("template", all) }
    }

    /// An upload of so many bytes was cut, or stays as it is.
    pub(crate) fn cut(&mut self, id: &str) {
        for template in self.templates.iter_mut().filter(|template| template.id == id) {
            template.state = "UploadInProgress";
            template.noticed = Some(Instant::now() + Duration::from_secs(3));
        }
    }

    pub(crate) fn begun(&mut self, id: &str) -> Result<(), String> {
        match self.templates.iter_mut().find(|template| template.id == id) {
            Some(template) if template.state == "NotUploaded" => {
                template.state = "UploadInProgress";
                Ok(())
            }
            Some(template) => {
                Err(format!("the upload entity {} exists already: {}", template.id, template.state))
            }
            None => Err("no such upload".to_owned()),
        }
    }

    /// A file is there; what the storage VM says of it.
    pub(crate) fn arrived(&mut self, id: &str, bytes: Vec<u8>) -> Result<(), String> {
        let template = self.templates.iter_mut().find(|template| template.id == id).unwrap();
        let digest = format!("{{SHA-256}}{}", hex::encode(sha2::Sha256::digest(&bytes)));
        if template.params.get("checksum").is_some_and(|told| *told != digest) {
            template.state = "UploadError";
            return Err("Checksum verification failed: the file is corrupted".to_owned());
        }
        template.bytes = bytes;
        template.state = "Active";
        Ok(())
    }

    pub(crate) fn failed(&mut self, id: &str, why: &str) {
        let template = self.templates.iter_mut().find(|template| template.id == id).unwrap();
        template.error = Some(why.to_owned());
    }
}

pub(crate) fn list(name: &str, items: Vec<Value>) -> Value {
    json!({"count": items.len(), name: items})
}

/// A zone, as recorded ones are.
pub(crate) fn zone(id: &str, name: &str) -> Value {
    json!({"id": id, "name": name, "networktype": "Advanced", "securitygroupsenabled": false, "allocationstate": "Enabled", "tags": []})
}

/// A project, with what is read of recorded ones.
pub(crate) fn project() -> Value {
    json!({"id": PROJECT, "name": "Platform", "displaytext": "Platform", "domain": "ROOT", "state": "Active", "tags": []})
}

/// More than fit on a page.
pub(crate) fn os_types() -> Vec<Value> {
    let kind = |number: u32, name: &str| {
        let id = Uuid::from_u128(u128::from(number)).to_string();
        json!({"id": id, "oscategoryid": Uuid::from_u128(7).to_string(), "description": name})
    };
    let mut all: Vec<Value> =
        (0..520).map(|number| kind(number, &format!("CentOS {number} (64-bit)"))).collect();
    all.push(kind(900, "Red Hat Enterprise Linux 9"));
    all.push(kind(901, "Other Linux (64-bit)"));
    all
}

fn told(id: &str, job: &Job) -> Value {
    let mut made = json!({
        "accountid": Uuid::from_u128(1).to_string(), "userid": Uuid::from_u128(2).to_string(),
        "cmd": format!("org.apache.cloudstack.api.command.{}", job.command),
        "jobstatus": 0, "jobprocstatus": 0, "jobresultcode": 0,
        "created": "2026-11-22T10:00:00+0000", "jobid": id,
    });
    if job.looks > 0 {
        return made;
    }
    made["jobresulttype"] = json!("object");
    match &job.result {
        Ok(result) => {
            made["jobstatus"] = json!(1);
            made["jobresult"] = result.clone();
        }
        Err((code, text)) => {
            made["jobstatus"] = json!(2);
            made["jobresultcode"] = json!(code);
            made["jobresult"] = json!({"errorcode": code, "errortext": text});
        }
    }
    made
}

/// The size of the disk in an image.
fn size_of(bytes: &[u8]) -> u64 {
    let at = |from: usize| u64::from_be_bytes(bytes[from..from + 8].try_into().unwrap());
    if bytes.starts_with(b"QFI\xfb") {
        at(24)
    } else if bytes.len() > 512 && bytes[bytes.len() - 512..].starts_with(b"conectix") {
        at(bytes.len() - 512 + 48)
    } else {
        // The description of an OVA stands plainly in it.
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(64 << 10)]);
        let capacity =
            text.split("ovf:capacity=\"").nth(1).and_then(|rest| rest.split('"').next()?.parse().ok());
        capacity.unwrap_or(bytes.len() as u64)
    }
}

/// A template in one zone, in the shape of recorded ones.
pub(crate) fn show(template: &Template, zone: &str, left: u32) -> Value {
    let param = |name: &str| template.params.get(name).cloned().unwrap_or_default();
    let flag = |name: &str| param(name) == "true";
    let zone_name = ZONES.iter().find(|(id, _)| *id == zone).map_or("?", |(_, name)| name);
    let ready = template.state == "Active" && template.error.is_none() && left == 0;
    let (status, state, percent) = match (template.state, &template.error, left) {
        ("Active", Some(why), _) => (why.clone(), "DOWNLOAD_ERROR", 0),
        ("Active", None, 0) => ("Download Complete".to_owned(), "DOWNLOADED", 100),
        ("Active", None, 1) => ("Installing Template".to_owned(), "DOWNLOAD_IN_PROGRESS", 100),
        ("Active", None, _) => ("50% Downloaded".to_owned(), "DOWNLOAD_IN_PROGRESS", 50),
        ("UploadError", ..) => ("UploadError".to_owned(), "UPLOAD_ERROR", 0),
        (other, ..) => (other.to_owned(), "NOT_UPLOADED", 0),
    };
    let tags: Vec<Value> = template
        .tags
        .iter()
        .map(|(key, value)| json!({"key": key, "value": value, "resourcetype": "Template", "resourceid": template.id}))
        .collect();
    let mut made = json!({
        "id": template.id, "name": param("name"), "displaytext": param("displaytext"),
        "ispublic": flag("ispublic"), "created": "2026-11-22T08:41:23+0000", "isready": ready,
        "passwordenabled": flag("passwordenabled"), "format": param("format"), "isfeatured": flag("isfeatured"),
        "crossZones": false, "ostypeid": param("ostypeid"), "ostypename": "?", "account": "admin",
        "zoneid": zone, "zonename": zone_name, "status": status, "templatetype": "USER",
        "hypervisor": param("hypervisor"), "domain": "ROOT", "domainid": Uuid::from_u128(3).to_string(),
        "isextractable": flag("isextractable"), "details": {},
        "downloaddetails": [{"downloadState": state, "datastore": "secon", "downloadPercent": percent.to_string()}],
        "bits": 0, "sshkeyenabled": flag("sshkeyenabled"), "isdynamicallyscalable": flag("isdynamicallyscalable"),
        "directdownload": false, "deployasis": false, "requireshvm": flag("requireshvm"), "tags": tags,
    });
    if ready {
        let bytes = &template.bytes;
        made["size"] = json!(size_of(bytes).max(1));
        made["physicalsize"] = json!(bytes.len().max(1));
        let digest = hex::encode(sha2::Sha256::digest(bytes));
        made["checksum"] = json!(template.told_checksum.clone().unwrap_or(digest));
    }
    made
}
