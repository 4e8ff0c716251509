//! What people read after `convert` and `inspect`.
use super::{
    commands::inspect::{self, Report},
    conversion::{Conversion, Output, summary},
    problem::Problem,
    theme::Theme,
};
use crate::{
    disk::{self, Format, Inspection, Layer, OutputFormat, Packing, PartitionFacts},
    value::HumanDuration,
};
use std::path::Path;

const PLAIN: Theme = Theme::new(false, true);
const GIB: u64 = 1 << 30;

fn output(path: &str, format: OutputFormat, bytes: [u64; 2], ratio: f64) -> Output {
    Output {
        path: path.into(),
        format,
        file_bytes: bytes[0],
        allocated_bytes: bytes[1],
        ratio: Some(ratio),
        sha256: "3f2a9c41b7d0e5a1".repeat(4),
        sha512: None,
    }
}

#[test]
fn a_conversion_says_what_came_out_and_how_small_it_is() {
    let mut done = Conversion {
        event: "converted",
        input: "/srv/disk.qcow2".into(),
        input_format: Format::Qcow2,
        input_packing: None,
        virtual_bytes: 8 * GIB,
        data_bytes: 3 * GIB / 2,
        seconds: HumanDuration::seconds(12),
        outputs: vec![
            output("/srv/disk.raw.gz", OutputFormat::RawGz, [GIB / 2, GIB / 2], 0.3333),
            output("/srv/disk.raw", OutputFormat::Raw, [8 * GIB, 3 * GIB / 2], 1.0),
        ],
    };
    insta::assert_snapshot!("convert", summary(&PLAIN, &done));
    (done.input, done.input_packing) = ("-".into(), Some(Packing::Lz4));
    done.outputs.truncate(1);
    done.outputs[0].sha512 = Some("0123456789abcdef".repeat(8));
    insta::assert_snapshot!("convert_ascii", summary(&Theme::new(false, false), &done));
}

#[test]
fn an_inspection_reads_from_the_file_to_the_system() {
    let layer = |path: &str, bytes: u64| Layer {
        path: path.into(),
        format: Format::Qcow2,
        virtual_bytes: bytes,
        file_bytes: 900 << 20,
        allocated_bytes: 800 << 20,
        facts: serde_json::Map::new(),
    };
    let mut top = layer("/srv/top.qcow2", 8 * GIB);
    for (name, value) in [
        ("version", 3.into()),
        ("cluster_bytes", 65536.into()),
        ("compression", "zlib".into()),
        ("dirty", serde_json::Value::Bool(true)),
    ] {
        top.facts.insert(name.to_owned(), value);
    }
    let partition = |number, name: &str, purpose, bytes, file_system| PartitionFacts {
        number,
        name: name.to_owned(),
        purpose,
        type_guid: Some(disk::gpt::LINUX_FILESYSTEM),
        offset: 1 << 20,
        bytes,
        file_system,
    };
    let found = Inspection {
        layers: vec![top, layer("base.qcow2", 4 * GIB)],
        virtual_bytes: 8 * GIB,
        data_bytes: GIB,
        hole_bytes: 7 * GIB,
        holes: 41,
        partition_table: Some("gpt"),
        partitions: vec![
            partition(1, "ESP", Some("EFI system"), 64 << 20, Some("fat")),
            partition(2, "", None, 7 * GIB, None),
        ],
        file_system: None,
        os: None,
        note: Some("found no file system with `/etc/os-release`".to_owned()),
    };
    let mut report = Report { path: "/srv/top.qcow2".into(), packing: None, found };
    insta::assert_snapshot!("inspect", inspect::text(&PLAIN, &report));
    report.packing = Some(Packing::Gzip);
    report.found.layers.truncate(1);
    report.found.partitions.clear();
    (report.found.partition_table, report.found.file_system, report.found.holes) = (None, Some("ext4"), 1);
    report.found.note = None;
    insta::assert_snapshot!("inspect_packed", inspect::text(&PLAIN, &report));
}

#[test]
fn what_can_be_mended_comes_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("x.qcow2");
    disk::qcow2::create_overlay(&image, Path::new("/etc/passwd"), Format::Raw, 1 << 20).unwrap();
    let error = disk::open(&image, None, &disk::OpenOptions::default()).unwrap_err();
    let text = Problem::disk("could not read `x.qcow2`", error).render(&PLAIN, 100);
    insta::assert_snapshot!("disk_refused", text.replace(&folder.path().display().to_string(), "/srv"));
}
