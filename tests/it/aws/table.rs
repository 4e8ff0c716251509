//! Tables, compared with what Python's csv and json write, and with sort(1) as AlmaLinux's wiki uses it.
use super::moto::python;
use goldsmith::publish::table::{Row, ami_ids, csv, markdown, sort};
use std::{
    io::Write,
    process::{Command, Stdio},
};

fn rows() -> Vec<Row> {
    let row = |distribution: &str, region: &str, ami: &str, arch: &str| Row {
        distribution: distribution.to_owned(),
        version: "9.6.20250522".to_owned(),
        region: region.to_owned(),
        ami: ami.to_owned(),
        arch: arch.to_owned(),
        virtualization: if ami.ends_with('1') { "pv" } else { "hvm" }.to_owned(),
        name: format!("{distribution} {arch}"),
    };
    vec![
        row("AlmaLinux OS", "us-east-1", "ami-0b", "aarch64"),
        row("AlmaLinux OS", "us-east-1", "ami-0a", "x86_64"),
        row("AlmaLinux OS", "ap-southeast-10", "ami-01", "x86_64"),
        row("AlmaLinux OS", "ap-southeast-1", "ami-0d", "aarch64"),
        row("Quoted \"OS\" \\ ü\u{1f600}\u{7f}", "ap-southeast-1", "ami-0e", "x86_64"),
        row("AlmaLinux OS Kitten", "us-east-1", "ami-0c", "x86_64"),
    ]
}

/// What `program` makes of `input`.
fn through(program: &mut Command, input: &str) -> String {
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn rows_are_in_the_order_of_the_wikis_sort() {
    let mut rows = rows();
    let unsorted = csv(&rows);
    sort(&mut rows);
    let oracle = |separator: &str, text: &str| {
        through(Command::new("sort").env("LC_ALL", "C").args(["-t", separator, "-k3,3", "-k5,5r"]), text)
    };
    assert_eq!(csv(&rows), oracle(",", &unsorted));
    let table = markdown(&rows);
    let data: Vec<&str> = table.lines().skip(2).collect();
    assert_eq!(oracle("|", &(data.join("\n") + "\n")), data.join("\n") + "\n");
}

#[test]
fn csv_and_json_are_pythons_to_the_byte() {
    let rows = rows();
    let json = serde_json::to_string(&rows).unwrap();
    let script = "
import csv, json, sys
rows = json.load(sys.stdin)
if sys.argv[1] == 'csv':
    out = csv.writer(sys.stdout, dialect='unix')
    for r in rows:
        out.writerow([r['distribution'], r['version'], r['region'], r['ami'], r['arch']])
else:
    regions = {}
    for r in rows:
        regions.setdefault(r['region'], []).append({'Distributor ID': r['distribution'], 'Release': r['version'],
            'id': r['ami'], 'virtualization type': r['virtualization']})
    print(json.dumps(regions, sort_keys=True, indent=4))
";
    let oracle = |what: &str| {
        let mut command = Command::new(python());
        command.args(["-I", "-X", "utf8", "-c", script, what]);
        through(&mut command, &json)
    };
    assert_eq!(csv(&rows), oracle("csv"));
    assert_eq!(ami_ids(&rows), oracle("json"));
}

#[test]
fn an_empty_table_is_empty_in_each_form() {
    assert_eq!((csv(&[]).as_str(), ami_ids(&[]).as_str()), ("", "{}\n"));
}
