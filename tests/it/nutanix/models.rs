//! Bodies of version 4, read by the models of Nutanix's own SDK.
use super::{
    drives::{Drive, job, result},
    fixture::Call,
};
use goldsmith::{
    driver::{Hypervisor, Wanted},
    plan::{NutanixBoot, NutanixImageKind, NutanixSourcePlan, SourcePlan},
    value::Arch,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

/// The model of a body, by the end of its address.
fn model(call: &Call) -> Option<&'static str> {
    let parts: Vec<&str> = call.path.trim_start_matches("/api/vmm/").split('/').collect();
    match (call.method.as_str(), &parts[1..]) {
        ("POST" | "PUT", ["content", "images", ..]) => Some("vmm.v4.content.Image"),
        ("POST" | "PUT", ["content", "templates"] | ["content", "templates", _]) => {
            Some("vmm.v4.content.Template")
        }
        ("POST", ["content", "templates", _, "$actions", "deploy"]) => {
            Some("vmm.v4.content.TemplateDeployment")
        }
        ("POST" | "PUT", ["content", "ovas", ..]) => Some("vmm.v4.content.Ova"),
        ("POST", ["ahv", "config", "vms"]) => Some("vmm.v4.ahv.config.Vm"),
        _ => None,
    }
}

fn check(bodies: &[(&str, Value)]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(root.join("target/peers/bin/python3"))
        .arg(root.join("tests/it/nutanix/check_models.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    for (model, body) in bodies {
        writeln!(stdin, "{}", json!({ "model": model, "body": body })).unwrap();
    }
    drop(stdin);
    python.wait_with_output().unwrap()
}

#[test]
fn nutanix_s_own_models_know_all_that_is_said() {
    let mut bodies = Vec::new();
    for kind in [NutanixImageKind::Image, NutanixImageKind::Template, NutanixImageKind::Ova] {
        let drive = Drive::start(true);
        let mut job = job();
        if kind == NutanixImageKind::Image {
            job.place.project = Some("images".to_owned());
            job.machine.boot = NutanixBoot::SecureBoot;
        }
        let mut wanted = result(kind);
        if kind == NutanixImageKind::Image {
            wanted.categories = vec![("OS".to_owned(), "ubuntu".to_owned())];
        }
        job.result = Some(wanted.clone());
        let url = url::Url::parse("http://web.example.com/base.img").unwrap();
        drive.fixture.state().web.insert(url.to_string(), vec![7; 1 << 20]);
        let fetched = NutanixSourcePlan::Url { url, digest: None };
        job.source = fetched.clone();
        let driver = drive.driver(job);
        drive.run(async {
            let cx = &drive.cx;
            let image = driver.find_image(cx, &SourcePlan::Nutanix(fetched), Arch::X86_64).await.unwrap();
            let machine = driver.create(cx, &drive.spec("build", &image.id)).await.unwrap();
            let captured = machine.capture(cx, Wanted::Nutanix(&wanted)).await.unwrap();
            driver.create(cx, &drive.spec("proof", &captured.image.id)).await.unwrap();
            driver.keep(cx, captured).await.unwrap();
        });
        let calls = drive.fixture.calls();
        let said = calls.iter().filter_map(|call| Some((model(call)?, call)));
        bodies.extend(said.map(|(model, call)| (model, serde_json::from_slice(&call.body).unwrap())));
        drive.nothing_is_left();
    }
    let models: BTreeSet<&str> = bodies.iter().map(|(model, _)| *model).collect();
    let all =
        ["ahv.config.Vm", "content.Image", "content.Ova", "content.Template", "content.TemplateDeployment"];
    assert!(models.iter().map(|model| model.trim_start_matches("vmm.v4.")).eq(all), "{models:?}");
    let output = check(&bodies);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), bodies.len().to_string());

    // That they would say it.
    let wrong = json!({ "$objectType": "vmm.v4.content.Image", "name": "web", "source_uri": "http://x",
        "source": { "$objectType": "vmm.v4.content.UrlSource", "url": "http://x", "adress": "y" } });
    let output = check(&[("vmm.v4.content.Image", wrong)]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("source_uri") && told.contains("adress"), "{told}");
}
