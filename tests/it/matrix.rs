//! `[matrix]`: one definition, many builds.
use goldsmith::{
    definition::{Builds, DefinitionError, Inputs, resolve, resolve_all},
    plan::{Plan, StepKind},
    value::Arch,
};
use miette::{GraphicalReportHandler, GraphicalTheme};
use std::path::{Path, PathBuf};
use test_case::test_case;

const REST: &str = "\n[source.bootstrap]\nsuite = \"bookworm\"\n[[output]]\nformat = \"qcow2\"\n";
/// What uses the axes `a` and `b`.
const USE: &str = "\n[[provision]]\nshell.run = \"${matrix.a} ${matrix.b}\"\n";

fn inputs() -> Inputs {
    Inputs { host_arch: Some(Arch::X86_64), out_dir: Some(PathBuf::from("/out")), ..Inputs::default() }
}

fn all(text: &str) -> Result<Builds, DefinitionError> {
    resolve_all(text, Path::new("image.toml"), &inputs(), &|_| true)
}

fn drawn(error: &DefinitionError) -> String {
    let mut text = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_width(110)
        .with_links(false)
        .render_report(&mut text, error)
        .unwrap();
    text
}

fn plans(text: &str) -> Vec<Plan> {
    all(text).unwrap_or_else(|error| panic!("{}", drawn(&error))).plans
}

fn names(matrix: &str) -> Vec<String> {
    let text = format!("name = \"i\"\n[matrix]\n{matrix}\n{USE}{REST}");
    plans(&text).into_iter().map(|plan| plan.name).collect()
}

/// The only problem, with its place.
fn message(text: &str) -> String {
    let error = all(text).map(|builds| builds.names).unwrap_err();
    assert_eq!(error.problems().len(), 1, "{}", drawn(&error));
    let problem = &error.problems()[0];
    let place = format!("{}:{}", problem.line().unwrap_or(0), problem.column().unwrap_or(0));
    format!("{place}: {} | {}", problem.message(), problem.advice().unwrap_or_default())
}

fn script(plan: &Plan) -> &str {
    match &plan.provision[0].kind {
        StepKind::Shell(shell) => &shell.script,
        other => panic!("{other:?}"),
    }
}

#[test]
fn comboami_has_its_32_builds_with_its_names() {
    let text = format!(
        r#"
name = "${{matrix.region}}-${{matrix.os}}-${{matrix.virtualization}}"
[matrix]
region = ["ap-northeast-1", "ap-southeast-1", "ap-southeast-2", "eu-west-1", "sa-east-1", "us-east-1", "us-west-1", "us-west-2"]
os = ["1204", "1404"]
virtualization = [{{ name = "pv", type = "paravirtual" }}, {{ name = "hvm", type = "hvm" }}]
[[matrix.include]]
region = "us-east-1"
os = "1404"
virtualization = "hvm"
upstream-ami = "ami-1"
[[matrix.include]]
region = "eu-west-1"
upstream-ami = "ami-2"
[aws]
region = "${{matrix.region}}"
[[provision]]
shell.run = "${{name}} ${{matrix.virtualization.type}} $${{matrix.x}}"
{REST}"#
    );
    let plans = plans(&text);
    assert_eq!(plans.len(), 32);
    assert_eq!(plans[0].name, "ap-northeast-1-1204-pv");
    assert_eq!(plans[1].name, "ap-northeast-1-1204-hvm");
    assert_eq!(plans[31].name, "us-west-2-1404-hvm");
    let one = plans.iter().find(|plan| plan.name == "us-east-1-1404-hvm").unwrap();
    assert_eq!(one.aws.region.as_deref(), Some("us-east-1"));
    assert_eq!(script(one), "us-east-1-1404-hvm hvm ${matrix.x}");
    assert_eq!(one.matrix["upstream-ami"], "ami-1");
    assert_eq!(one.matrix["virtualization.type"], "hvm");
    assert_eq!(one.outputs[0].path, Path::new("/out/us-east-1-1404-hvm.qcow2"));
    let ireland: Vec<&Plan> = plans.iter().filter(|plan| plan.name.starts_with("eu-west-1")).collect();
    assert!(ireland.len() == 4 && ireland.iter().all(|plan| plan.matrix["upstream-ami"] == "ami-2"));
    assert_eq!(plans.iter().filter(|plan| plan.matrix.contains_key("upstream-ami")).count(), 5);
}

#[test]
fn the_example_has_both_architectures() {
    let text = std::fs::read_to_string("examples/matrix.toml").unwrap();
    let builds =
        resolve_all(&text, Path::new("examples/matrix.toml"), &inputs(), &|name| name.contains("sa-east-1"))
            .unwrap_or_else(|error| panic!("{}", drawn(&error)));
    assert_eq!(builds.names.len(), 32);
    let made: Vec<(&str, Arch)> = builds.plans.iter().map(|plan| (plan.name.as_str(), plan.arch)).collect();
    assert_eq!(
        made,
        [
            ("node-sa-east-1-jammy-x86_64", Arch::X86_64),
            ("node-sa-east-1-jammy-aarch64", Arch::Aarch64),
            ("node-sa-east-1-noble-x86_64", Arch::X86_64),
            ("node-sa-east-1-noble-aarch64", Arch::Aarch64),
        ]
    );
    assert_eq!(builds.plans[3].matrix["note"], "Graviton");
    assert_eq!(builds.plans[2].matrix["note"], "none");
}

#[test_case("a = ['1', '2']\nb = ['x', 'y']" => "i-1-x i-1-y i-2-x i-2-y" ; "the first axis changes slowest")]
#[test_case("b = ['x', 'y']\na = ['1', '2']" => "i-x-1 i-x-2 i-y-1 i-y-2" ; "axes have the order of writing")]
#[test_case("a = ['1', '2']\nb = ['x', 'y']\nexclude = [{ a = '1', b = 'x' }]" => "i-1-y i-2-x i-2-y" ; "one excluded")]
#[test_case("a = ['1', '2']\nb = ['x', 'y']\nexclude = [{ a = '1' }]" => "i-2-x i-2-y" ; "a value excluded")]
#[test_case("a = ['1']\nb = ['x']\ninclude = [{ a = '2', b = 'z' }]" => "i-1-x i-2-z" ; "a build of its own")]
#[test_case("a = ['1']\nb = ['x']\nexclude = [{ a = '1' }]\ninclude = [{ a = '1', b = 'x' }]" => "i-1-x" ; "excluded, then included")]
#[test_case("include = [{ a = '1', b = 'x' }, { a = '2', b = 'y' }]" => "i-1-x i-2-y" ; "included only")]
#[test_case("a = [{ name = '1', b = 'z' }]\nb = ['x']" => "i-1-x" ; "values of a value are no axes")]
fn names_and_their_order(matrix: &str) -> String {
    names(&matrix.replace('\'', "\"")).join(" ")
}

/// The example of GitHub's documentation for `include`.
#[test]
fn include_does_what_github_does() {
    let text = format!(
        r#"
name = "i"
[matrix]
fruit = ["apple", "pear"]
animal = ["cat", "dog"]
include = [
    {{ color = "green" }},
    {{ color = "pink", animal = "cat" }},
    {{ fruit = "apple", shape = "circle" }},
    {{ fruit = "banana" }},
    {{ fruit = "banana", animal = "cat" }},
]
[[provision]]
shell.run = "${{matrix.fruit}}"
[[provision]]
shell.run = "true"
{REST}"#
    );
    let text = text.replace("shell.run = \"true\"", "shell.run = \"echo ${name}\"");
    // `animal` is in no text: that is a problem of its own.
    assert!(message(&text).contains("the axis `animal` of `[matrix]` is not used"));
    let text = text.replace("name = \"i\"", "name = \"i-${matrix.fruit}\"\narch = \"x86_64\"");
    assert!(message(&text).contains("two builds of `[matrix]` are called `i-apple`"));
    let text = text.replace("i-${matrix.fruit}", "i").replace("echo ${name}", "echo ${matrix.fruit}");
    let text = text
        .replace("[matrix]\n", "[matrix]\nonce = [\"1\"]\n")
        .replace("animal = [\"cat\", \"dog\"]", "animal = [\"cat\", \"dog\"] # ${matrix.animal}");
    let text = text.replace("echo ${matrix.fruit}", "echo ${matrix.once}");
    assert!(
        message(&text).contains("`${matrix.once}` has no value in the build with fruit = banana"),
        "{}",
        message(&text)
    );
}

#[test]
fn included_values_belong_to_whom_they_fit() {
    let text = format!(
        r#"
name = "i"
[matrix]
fruit = ["apple", "pear"]
animal = ["cat", "dog"]
include = [
    {{ color = "green" }},
    {{ color = "pink", animal = "cat" }},
    {{ fruit = "apple", shape = "circle" }},
    {{ fruit = "banana", animal = "ape" }},
    {{ fruit = "banana", animal = "cat" }},
]
[[provision]]
shell.run = "${{matrix.fruit}} ${{matrix.animal}}"
{REST}"#
    );
    let rows: Vec<String> = plans(&text)
        .iter()
        .map(|plan| {
            let values: Vec<String> =
                plan.matrix.iter().map(|(key, value)| format!("{key}={value}")).collect();
            values.join(" ")
        })
        .collect();
    assert_eq!(
        rows,
        [
            "animal=cat color=pink fruit=apple shape=circle",
            "animal=dog color=green fruit=apple shape=circle",
            "animal=cat color=pink fruit=pear",
            "animal=dog color=green fruit=pear",
            "animal=ape fruit=banana",
            "animal=cat fruit=banana",
        ]
    );
}

#[test]
fn variables_give_values_and_one_build_of_many_is_not_enough_for_some() {
    let text = format!(
        "name = \"i\"\n[var.release]\ndefault = \"12\"\n[matrix]\na = [\"${{var.release}}\", \"13\"]\nb = [\"x\"]\n{USE}{REST}"
    );
    let names: Vec<String> = plans(&text).into_iter().map(|plan| plan.name).collect();
    assert_eq!(names, ["i-12-x", "i-13-x"]);
    let error = resolve(&text, Path::new("image.toml"), &inputs()).unwrap_err();
    assert_eq!(error.to_string(), "this definition has 2 builds, and one is meant here");
    assert_eq!(error.problems()[0].line(), Some(4));
    let single = text.replace(", \"13\"", "");
    assert_eq!(resolve(&single, Path::new("image.toml"), &inputs()).unwrap().name, "i-12-x");
}

/// Builds that are not wanted are not looked at: what they lack does not matter.
#[test]
fn what_is_wrong_in_one_build_only_is_told_with_its_name() {
    let text = format!(
        "name = \"i\"\narch = \"${{matrix.a}}\"\n[matrix]\na = [\"x86_64\", \"sparc\", \"vax\"]\n{REST}"
    );
    let told = message(&text);
    assert!(told.starts_with("2:8: `sparc` is not an architecture"), "{told}");
    assert!(
        told.ends_with("this is so in the build `i-sparc` and 1 others")
            || told.contains("`i-sparc` and 1 other"),
        "{told}"
    );
    let some = resolve_all(&text, Path::new("image.toml"), &inputs(), &|name| name == "i-x86_64").unwrap();
    assert_eq!((some.names.len(), some.plans.len()), (3, 1));
    let every = format!("name = \"i\"\n[matrix]\na = [\"1\", \"2\"]\nb = [\"x\"]\n{USE}bogus = 1\n{REST}");
    assert_eq!(message(&every).matches("this is so").count(), 0);
}

#[test_case("a = '1'\nb = ['x']", "3:5: `matrix.a` takes a list, but this is a string" ; "no list")]
#[test_case("a = []\nb = ['x']", "3:5: the axis `a` has no values" ; "empty")]
#[test_case("a = [1]\nb = ['x']", "3:6: `matrix.a` takes a string, or a table with a `name`, but this is an integer" ; "number")]
#[test_case("a = ['1', '1']\nb = ['x']", "3:11: the axis `a` has the value `1` twice" ; "twice")]
#[test_case("a = [{ x = '1' }]\nb = ['x']", "3:6: `name` is missing in a value of `[matrix]`" ; "nameless")]
#[test_case("a = ['1']\nb = ['x']\n'a b' = ['1']", "5:1: `a b` cannot name an axis" ; "axis name")]
#[test_case("a = ['1']\nb = ['x']\nexclude = [{ c = '1' }]", "5:14: `c` is not an axis of `[matrix]`" ; "exclude axis")]
#[test_case("a = ['1']\nb = ['xyz']\nexclude = [{ b = 'xyy' }]", "did you mean `xyz`?" ; "exclude value")]
#[test_case("a = ['1']\nb = ['x']\nexclude = [{ a = '1' }]", "`[matrix]` has no builds" ; "all excluded")]
#[test_case("a = ['1']\nb = ['x']\nexclude = [{}]", "5:12: this names no value of any axis" ; "empty rule")]
#[test_case("a = ['1']\nb = ['x']\nexclude = ['a']", "`matrix.exclude` takes a table, but this is a string" ; "rule")]
#[test_case("a = ['1']\nb = ['x']\nc = ['1']", "5:1: the axis `c` of `[matrix]` is not used" ; "not used")]
#[test_case("a = ['${matrix.b}']\nb = ['x']", "`${matrix.b}` is not known yet where this is read" ; "itself")]
#[test_case("a = ['${arch}']\nb = ['x']", "`${arch}` is not known yet where this is read" ; "arch")]
#[test_case("a = ['1']", "did you mean `${matrix.a}`?" ; "an axis that is not there")]
#[test_case("a = ['a/b']\nb = ['x']", "1:8: `i-a/b-x` cannot be the name of an image" ; "bad for names")]
fn wrong_matrices(matrix: &str, expected: &str) {
    let matrix = matrix.replace('\'', "\"");
    let told = message(&format!("name = \"i\"\n[matrix]\n{matrix}\n{USE}{REST}"));
    assert!(told.contains(expected), "{told}");
}

#[test]
fn a_matrix_that_is_not_there_is_told_as_such() {
    let told = message(&format!("name = \"i\"\n[[provision]]\nshell.run = \"${{matrix.region}}\"\n{REST}"));
    assert!(told.contains("define it in `[matrix]`, such as `region = [\"…\"]`"), "{told}");
}

#[test]
fn a_wrong_matrix_reads_well() {
    let text = format!(
        "name = \"i\"\n[matrix]\na = [\"1\", \"2\"]\nb = [\"x\", \"y\"]\nexclude = [{{ a = \"1\", b = \"z\" }}]\n{USE}{REST}"
    );
    insta::assert_snapshot!(drawn(&all(&text).unwrap_err()));
}

/// The binary in a folder of its own, with `text` as image.toml.
fn goldsmith(folder: &Path, text: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    std::fs::write(folder.join("image.toml"), text).unwrap();
    let output = assert_cmd::Command::cargo_bin("goldsmith")
        .unwrap()
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("LANG", "C.UTF-8")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn matrix() -> String {
    format!(
        "name = \"web\"\narch = \"${{matrix.arch}}\"\n[matrix]\nregion = [\"eu-west-1\", \"us-east-1\"]\n\
         arch = [\"x86_64\", \"aarch64\"]\n[aws]\nregion = \"${{matrix.region}}\"{REST}"
    )
}

#[test]
fn plan_lists_the_builds_and_shows_the_one_that_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = goldsmith(folder.path(), &matrix(), &["plan", "image.toml"]);
    assert_eq!(code, Some(0), "{err}");
    insta::with_settings!({ filters => vec![(r"\S*/image\.toml", "image.toml")] }, { insta::assert_snapshot!(out) });
    let (_, out, _) =
        goldsmith(folder.path(), &matrix(), &["plan", "image.toml", "--only", "web-us-*-x86_64"]);
    assert!(out.starts_with("web-us-east-1-x86_64 x86_64"), "{out}");
    assert!(out.contains("matrix    arch x86_64 · region us-east-1"), "{out}");
    let (_, out, _) =
        goldsmith(folder.path(), &matrix(), &["plan", "image.toml", "--json", "--except", "*-aarch64"]);
    let plans: serde_json::Value = serde_json::from_str(&out).unwrap();
    let names: Vec<&str> =
        plans.as_array().unwrap().iter().map(|plan| plan["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["web-eu-west-1-x86_64", "web-us-east-1-x86_64"]);
    assert_eq!(plans[0]["matrix"]["region"], "eu-west-1");
}

#[test_case(&["--only", "web-us-east-1-x86_65"], "did you mean `web-us-east-1-x86_64`?" ; "a slip")]
#[test_case(&["--only", "db-*"], "the builds are `web-eu-west-1-x86_64`, `web-eu-west-1-aarch64`" ; "nothing like it")]
#[test_case(&["--except", "db"], "`--except db` fits no build" ; "except")]
#[test_case(&["--only", "*-x86_64", "--except", "*"], "together leave no build" ; "nothing left")]
fn builds_that_are_not_there_are_mistakes(options: &[&str], expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    for command in ["plan", "validate", "build"] {
        let arguments = [&[command, "image.toml"], options].concat();
        let (code, _, err) = goldsmith(folder.path(), &matrix(), &arguments);
        assert_eq!(code, Some(2), "{command}: {err}");
        assert!(err.contains(expected), "{command}: {err}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was made");
}

#[test]
fn two_builds_cannot_deliver_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let text = matrix().replace("format = \"qcow2\"", "format = \"qcow2\"\npath = \"disk.qcow2\"");
    let (code, _, err) = goldsmith(folder.path(), &text, &["build", "image.toml"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(
        err.contains("the builds `web-eu-west-1-x86_64` and `web-eu-west-1-aarch64` both deliver"),
        "{err}"
    );
    let (code, _, err) = goldsmith(
        folder.path(),
        &matrix(),
        &["verify", "disk.qcow2", "--definition", "image.toml", "--only", "*-x86_64"],
    );
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("has several builds"), "{err}");
}

#[test]
fn validate_counts_the_builds() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = goldsmith(folder.path(), &matrix(), &["validate", "image.toml"]);
    assert_eq!((code, err.trim_end()), (Some(0), "✓ image.toml (4 builds)"));
    let (_, out, _) = goldsmith(folder.path(), &matrix(), &["validate", "image.toml", "--json"]);
    let results: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(results[3]["name"], "web-us-east-1-aarch64");
}
