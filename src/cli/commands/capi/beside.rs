//! What image-builder writes beside a result: the digest of an OVA, and Packer's manifest.
use crate::{
    build::BuildResult,
    cli::problem::Problem,
    compat::capi::{self, Group, Target, Variables},
    disk::{self, ContainerImage},
    plan::{OutputFormat, Plan},
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Writes it. `definition` lies in the folder that paths start in.
pub(in crate::cli::commands) fn write(
    target: &Target,
    variables: &Variables,
    definition: &Path,
    plan: &Plan,
    made: &BuildResult,
) -> Result<(), Problem> {
    for artifact in made.artifacts.iter().filter(|artifact| artifact.format == OutputFormat::Ova) {
        let mut beside = artifact.path.clone().into_os_string();
        beside.push(".sha256");
        let beside = PathBuf::from(beside);
        // As image-builder writes it: no name, no line end.
        std::fs::write(&beside, &artifact.sha256)
            .map_err(|error| Problem::host(format!("could not write `{}`", beside.display()), error))?;
    }
    if target.group() == Group::Kubevirt {
        for artifact in &made.artifacts {
            container(target, variables, &artifact.path)?;
        }
    }
    // Then it is written when the copies are there.
    if capi::publication(target, variables).map_err(Problem::Compat)?.is_some() {
        return Ok(());
    }
    let folder = definition.parent().unwrap_or(Path::new("/"));
    let Some(manifest) = capi::manifest(target, variables, folder).map_err(Problem::Compat)? else {
        return Ok(());
    };
    let files: Vec<Value> = made
        .artifacts
        .iter()
        .map(|artifact| {
            let name = artifact.path.file_name().unwrap_or_default().to_string_lossy();
            json!({ "name": name, "size": artifact.file_bytes.as_bytes() })
        })
        .collect();
    let amis: Vec<String> =
        made.amis.iter().map(|artifact| format!("{}:{}", artifact.ami.region, artifact.ami.id)).collect();
    let id = if amis.is_empty() { plan.name.clone() } else { amis.join(",") };
    let run = uuid::Uuid::new_v4().to_string();
    let build = json!({
        "name": manifest.name,
        "builder_type": manifest.builder,
        "build_time": jiff::Timestamp::now().as_second(),
        "files": if files.is_empty() { Value::Null } else { files.into() },
        "artifact_id": id,
        "packer_run_uuid": run,
        "custom_data": manifest.custom_data,
    });
    let path = manifest.path;
    let wrong = |error: Box<dyn std::error::Error + Send + Sync>| {
        Problem::host(format!("could not write `{}`", path.display()), error)
    };
    // Packer adds its build to those that the file has.
    let mut builds = if variables.is_forced() { Vec::new() } else { earlier(&path) };
    builds.push(build);
    let text = serde_json::to_string_pretty(&json!({ "builds": builds, "last_run_uuid": run }))
        .map_err(|error| wrong(error.into()))?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| wrong(error.into()))?;
    }
    std::fs::write(&path, text).map_err(|error| wrong(error.into()))
}

/// A container image of the disk, in an archive beside it.
fn container(target: &Target, variables: &Variables, disk: &Path) -> Result<(), Problem> {
    let name = format!("{}-container-disk", capi::build_name(target, variables).map_err(Problem::Compat)?);
    let image = ContainerImage {
        arch: "amd64".to_owned(),
        name: name.clone(),
        tag: "latest".to_owned(),
        file: "image.qcow2".to_owned(),
    };
    let whole = disk.with_file_name(format!("{name}.tar"));
    let part = disk.with_file_name(format!(".{name}.tar.part"));
    let attempt = || format!("could not write `{}`", whole.display());
    // What an earlier run left.
    let _ = std::fs::remove_file(&part);
    if let Err(error) = disk::write_container(disk, &part, &image) {
        let _ = std::fs::remove_file(&part);
        return Err(Problem::disk(attempt(), error));
    }
    std::fs::rename(&part, &whole).map_err(|error| Problem::host(attempt(), error))
}

/// The builds that a manifest has already; what is none is replaced.
fn earlier(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let manifest: Value = serde_json::from_str(&text).unwrap_or_default();
    manifest["builds"].as_array().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        build::Artifact,
        compat::capi::Flavour,
        definition::{self, Inputs},
        driver::Readiness,
        plan::Accelerator,
        value::Size,
    };

    /// Writes what belongs to a result of `target` with this file.
    fn written(folder: &Path, target: &str, variables: &Variables, bytes: &[u8]) -> PathBuf {
        let target = Target::parse(target).unwrap();
        let defined = capi::define(&target, variables, &Flavour::Upstream, folder).unwrap();
        let path = folder.join("target.toml");
        let inputs = Inputs { out_dir: Some(folder.to_owned()), ..Inputs::default() };
        let plan = definition::resolve(&defined.text, &path, &inputs).unwrap();
        let output = &plan.outputs[0];
        std::fs::create_dir_all(output.path.parent().unwrap()).unwrap();
        std::fs::write(&output.path, bytes).unwrap();
        let artifact = Artifact {
            path: output.path.clone(),
            format: output.format,
            file_bytes: Size::bytes(bytes.len() as u64),
            allocated_bytes: Size::bytes(0),
            virtual_bytes: Size::gib(20),
            sha256: "ab".repeat(32),
            verified: Vec::new(),
        };
        let made = BuildResult {
            artifacts: vec![artifact],
            amis: Vec::new(),
            kept: Vec::new(),
            machine: Readiness { hypervisor: String::new(), accelerator: Accelerator::Kvm, notice: None },
            guest: Value::Null,
            source: String::new(),
        };
        write(&target, variables, &path, &plan, &made).unwrap();
        output.path.clone()
    }

    #[test]
    fn an_ova_has_its_digest_and_packers_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let mut variables = Variables::default();
        let ova = written(folder.path(), "node-ova-local-ubuntu-2404", &variables, b"ova");
        let base = folder.path().join("output/ubuntu-2404-kube-v1.36.1");
        assert_eq!(ova, base.join("ubuntu-2404-kube-v1.36.1.ova"));
        let digest = std::fs::read_to_string(base.join("ubuntu-2404-kube-v1.36.1.ova.sha256")).unwrap();
        assert_eq!(digest, "ab".repeat(32));
        let read = || -> Value {
            serde_json::from_str(&std::fs::read_to_string(base.join("packer-manifest.json")).unwrap())
                .unwrap()
        };
        let manifest = read();
        let build = &manifest["builds"][0];
        assert_eq!(build["artifact_id"], "ubuntu-2404-kube-v1.36.1");
        assert_eq!(build["files"], json!([{ "name": "ubuntu-2404-kube-v1.36.1.ova", "size": 3 }]));
        assert_eq!(build["packer_run_uuid"], manifest["last_run_uuid"]);
        let data = &build["custom_data"];
        assert_eq!((&data["disk_size"], &data["firmware"]), (&json!("20480"), &json!("bios")));
        assert_eq!(data["kubernetes_typed_version"], "kube-v1.36.1");
        // The next run adds its build, and one that is forced begins anew.
        written(folder.path(), "node-ova-local-ubuntu-2404", &variables, b"ova");
        assert_eq!(read()["builds"].as_array().unwrap().len(), 2);
        variables.set_forced(true);
        written(folder.path(), "node-ova-local-ubuntu-2404", &variables, b"ova");
        assert_eq!(read()["builds"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn a_disk_for_kubevirt_is_packed_and_packed_again() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [&b"one"[..], b"two"] {
            let disk = written(folder.path(), "kubevirt-qemu-ubuntu-2404", &Variables::default(), bytes);
            let archive = std::fs::read(disk.with_file_name("ubuntu-2404-container-disk.tar")).unwrap();
            assert!(archive.windows(3).any(|window| window == bytes));
            let left = std::fs::read_dir(disk.parent().unwrap()).unwrap().count();
            assert_eq!(left, 2);
        }
    }
}
