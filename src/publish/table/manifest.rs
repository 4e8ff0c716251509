//! `manifest.json` as Packer's post-processor of that name writes it: scripts take `artifact_id` from it.
use super::Row;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One run, as the file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// A UUID.
    pub id: String,
    /// When, in seconds since 1970.
    pub time: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct File {
    builds: Vec<Value>,
    last_run_uuid: String,
}

/// In the order in which Packer writes its keys.
#[derive(Debug, Serialize)]
struct Build<'a> {
    name: &'a str,
    builder_type: &'a str,
    build_time: i64,
    // A cloud's images are no files of this host: Packer writes null for both.
    files: Option<()>,
    artifact_id: String,
    packer_run_uuid: &'a str,
    custom_data: Option<()>,
}

/// The file with the builds of `before`, which may be empty, and one more for each image of `rows`: its ids in all regions are its
/// `artifact_id`, as `region:ami,region:ami`.
pub fn manifest(before: &str, rows: &[Row], run: &Run) -> Result<String, serde_json::Error> {
    let mut file = if before.trim().is_empty() {
        File { builds: Vec::new(), last_run_uuid: String::new() }
    } else {
        serde_json::from_str(before)?
    };
    let mut images: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for row in rows {
        images.entry(&row.name).or_default().push(format!("{}:{}", row.region, row.ami));
    }
    for (name, mut ids) in images {
        ids.sort();
        file.builds.push(serde_json::to_value(Build {
            name,
            builder_type: "goldsmith",
            build_time: run.time,
            files: None,
            artifact_id: ids.join(","),
            packer_run_uuid: &run.id,
            custom_data: None,
        })?);
    }
    file.last_run_uuid.clone_from(&run.id);
    serde_json::to_string_pretty(&file)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::row, *};

    #[test]
    fn builds_are_added_as_packer_adds_them() {
        let rows = [row("us-east-1", "ami-2", "x86_64"), row("eu-west-1", "ami-1", "x86_64")];
        let run = |id: &str| Run { id: id.into(), time: 1_700_000_000 };
        let first = manifest("", &rows, &run("a")).unwrap();
        assert!(
            first.starts_with("{\n  \"builds\": [\n    {\n      \"name\": \"AlmaLinux OS 9.6"),
            "{first}"
        );
        assert!(first.contains(
            "\"artifact_id\": \"eu-west-1:ami-1,us-east-1:ami-2\",\n      \"packer_run_uuid\": \"a\""
        ));
        let second: Value = serde_json::from_str(&manifest(&first, &rows[..1], &run("b")).unwrap()).unwrap();
        assert_eq!(second["builds"].as_array().unwrap().len(), 2);
        assert_eq!(
            (&second["last_run_uuid"], &second["builds"][0]["packer_run_uuid"]),
            (&"b".into(), &"a".into())
        );
        assert!(manifest("no JSON", &rows, &run("c")).is_err());
    }
}
