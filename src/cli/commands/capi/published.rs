//! What image-builder does with an AMI when it is there: copies in other regions, and who may use it. `goldsmith ami copy` does it.
use super::Node;
use crate::{
    cli::{
        args::{Cli, Command},
        commands::aws,
        console::Console,
        exit::Exit,
        failure,
        problem::Problem,
    },
    compat::capi,
};
use clap::Parser;
use serde_json::Value;
use std::path::Path;

pub(super) fn publish(node: &Node, ami: &str, console: &Console) -> Result<Exit, Problem> {
    let Some(wish) = capi::publication(&node.target, &node.variables).map_err(Problem::Compat)? else {
        return Ok(Exit::Ok);
    };
    let folder = node.path.parent().unwrap_or(Path::new("/"));
    let manifest = capi::manifest(&node.target, &node.variables, folder).map_err(Problem::Compat)?;
    let words = words(ami, &wish, manifest.as_ref().map(|manifest| manifest.path.as_path()));
    // What fails here is done again by the same words.
    console.note(&format!("\n{}", failure::shell_line(&words)));
    let cli = Cli::try_parse_from(&words).map_err(|error| Problem::usage(error.to_string()))?;
    let Command::Ami(arguments) = cli.command else {
        return Err(Problem::Internal("`ami copy` is another command".to_owned()));
    };
    let exit = aws::ami(&arguments, console)?;
    if let Some(manifest) = manifest {
        complete(&manifest)?;
    }
    Ok(exit)
}

/// `ami copy` writes the ids of all regions into the manifest; this adds what image-builder says besides.
fn complete(manifest: &capi::Manifest) -> Result<(), Problem> {
    let path = &manifest.path;
    let wrong = |error: Box<dyn std::error::Error + Send + Sync>| {
        Problem::host(format!("could not complete `{}`", path.display()), error)
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.into()))?;
    let mut file: Value = serde_json::from_str(&text).map_err(|error| wrong(error.into()))?;
    if let Some(build) = file["builds"].as_array_mut().and_then(|builds| builds.last_mut()) {
        build["name"] = manifest.name.as_str().into();
        build["builder_type"] = manifest.builder.into();
        build["custom_data"] = manifest.custom_data.clone().into();
    }
    let text = serde_json::to_string_pretty(&file).map_err(|error| wrong(error.into()))?;
    std::fs::write(path, text).map_err(|error| wrong(error.into()))
}

fn words(ami: &str, wish: &capi::Publication, manifest: Option<&Path>) -> Vec<String> {
    let mut words = ["goldsmith", "ami", "copy", ami, "--region", &wish.home].map(str::to_owned).to_vec();
    if let Some(manifest) = manifest {
        words.extend(["--manifest".to_owned(), manifest.display().to_string()]);
    }
    if let Some(profile) = &wish.profile {
        words.extend(["--profile".to_owned(), profile.clone()]);
    }
    words.extend(["--regions".to_owned(), wish.regions.join(",")]);
    if wish.public {
        words.push("--public".to_owned());
    } else if !wish.accounts.is_empty() {
        words.extend(["--account".to_owned(), wish.accounts.join(",")]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_understood_and_the_manifest_gets_the_rest() {
        let wish = capi::Publication {
            home: "us-east-1".into(),
            profile: Some("images".into()),
            regions: vec!["eu-west-1".into(), "us-east-1".into()],
            public: true,
            accounts: Vec::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.json");
        let words = words("ami-0123456789abcdef0", &wish, Some(&path));
        let Command::Ami(arguments) = Cli::try_parse_from(&words).unwrap().command else {
            panic!("{words:?}")
        };
        assert!(format!("{arguments:?}").contains("public: true"), "{arguments:?}");
        let private = capi::Publication { public: false, accounts: vec!["123456789012".into()], ..wish };
        assert!(Cli::try_parse_from(super::words("ami-0123456789abcdef0", &private, None)).is_ok());
        let written = r#"{"builds": [{"name": "x", "artifact_id": "us-east-1:ami-1,eu-west-1:ami-2", "custom_data": null}]}"#;
        std::fs::write(&path, written).unwrap();
        let custom_data = [("kubernetes_version".to_owned(), Value::from("v1.34.2"))].into_iter().collect();
        complete(&capi::Manifest {
            path: path.clone(),
            name: "ubuntu-24.04".into(),
            builder: "amazon-ebs",
            custom_data,
        })
        .unwrap();
        let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let build = &file["builds"][0];
        assert_eq!(build["artifact_id"], "us-east-1:ami-1,eu-west-1:ami-2");
        assert_eq!(build["builder_type"], "amazon-ebs");
        assert_eq!(build["custom_data"]["kubernetes_version"], "v1.34.2");
    }
}
