//! Roles of the user's own inside of `kubernetes-node`.
use super::rendered::{facts, kind, steps};
use goldsmith::{
    definition::{DefinitionError, Inputs, load},
    plan::Plan,
    value::Arch,
};
use std::{fs, path::Path};

/// A definition of `kubernetes-node` with the parameters `with`, and the user's roles.
fn node(folder: &Path, with: &str) -> Result<Plan, DefinitionError> {
    for (name, text) in [
        (
            "greeting",
            "description = \"Says hello.\"\n[param.who]\ndefault = \"you\"\n[[step]]\nfile = { dest = \"/etc/motd-{{ who }}\", content = \"{{ who }} on {{ os.id }}\" }\n",
        ),
        (
            "site/ca",
            "description = \"Own certificates.\"\n[[step]]\nname = \"trust the site\"\nshell = { script-file = \"trust.sh\" }\n",
        ),
        (
            "nested",
            "description = \"Passes its roles on.\"\n[param.more]\ntype = \"roles\"\n[[step]]\nroles-from = \"more\"\n",
        ),
    ] {
        let home = folder.join("roles").join(name);
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("role.toml"), text).unwrap();
    }
    fs::write(folder.join("roles/site/ca/trust.sh"), "update-ca-certificates\n").unwrap();
    let text = format!(
        "name = \"node\"\nroles = [\"roles\"]\n[source.bootstrap]\nsuite = \"bookworm\"\n[[output]]\nformat = \"qcow2\"\n\
         [[provision]]\nrole = \"kubernetes-node\"\n[provision.with]\nkubernetes-version = \"1.34.2\"\n{with}"
    );
    let path = folder.join("image.toml");
    fs::write(&path, text).unwrap();
    load(&path, &Inputs { host_arch: Some(Arch::X86_64), ..Inputs::default() })
}

#[test]
fn roles_of_ones_own_come_where_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let with = "firstboot-custom-roles-pre = \"site/ca greeting\"\n\
        firstboot-custom-roles-post = [{ role = \"greeting\", with = { who = \"first\" } }]\n\
        node-custom-roles-pre = [{ role = \"greeting\", with = { who = \"{{ not a template }}\" } }]\n\
        node-custom-roles-post = [{ role = \"nested\", with = { more = [\"site/ca\"] } }, \"site/ca\"]\n\
        node-custom-roles-post-sysprep = [{ role = \"greeting\", with = { who = \"last\" } }]\n";
    let plan = node(folder.path(), with).unwrap();
    let own = |name: &str| ["greeting", "site/ca", "nested"].contains(&name);
    let lines = steps(&plan, &facts("debian", "12", "bookworm", "x86_64"));
    let lines: Vec<String> = lines
        .iter()
        .filter_map(|step| {
            let role = &plan.roles[step.rules.role?].name;
            let known = ["setup", "node", "additional-files", "sysprep"].contains(&role.as_str());
            let label = if own(role) { format!(" {}: {}", kind(step).0, step.label) } else { String::new() };
            (own(role) || known || kind(step).0 == "reboot").then(|| format!("{role}{label}"))
        })
        .collect();
    let mut shown: Vec<String> = lines;
    shown.dedup();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_role_that_is_nowhere_or_in_a_circle_is_an_error_of_the_definition() {
    let folder = tempfile::tempdir().unwrap();
    let said = |with: &str| {
        let error = node(folder.path(), with).unwrap_err();
        let problem = &error.problems()[0];
        (problem.message().to_owned(), problem.line())
    };
    let (message, line) = said("node-custom-roles-pre = [\"greting\"]\n");
    assert_eq!((message.as_str(), line), ("no role is called `greting`", Some(11)));
    let (message, line) = said("node-custom-roles-pre = [1]\n");
    assert!(message.starts_with("`node-custom-roles-pre` takes a list of roles"), "{message}");
    assert_eq!(line, Some(11));
    let circle = "node-custom-roles-post = [{ role = \"nested\", with = { more = [\"nested\"] } }]\n";
    assert_eq!(said(circle).0, "the role `nested` is a part of itself");
    let unknown = "node-custom-roles-post = [{ role = \"greeting\", with = { whom = 1 } }]\n";
    assert_eq!(said(unknown).0, "the role `greeting` has no parameter `whom`");
}

#[test]
fn the_drivers_of_graphics_processors_come_before_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let digest = "0".repeat(64);
    let mut shown = String::new();
    for (vendor, more) in [
        ("nvidia", ", nvidia-tok = \"token\", gridd-feature-type = 4, gpu-block-nouveau-loading = true"),
        ("amd", ""),
    ] {
        let with = format!(
            "node-custom-roles-pre = [{{ role = \"gpu\", with = {{ gpu-vendor = \"{vendor}\", \
             {vendor}-installer-url = \"https://example.org/driver\", {vendor}-installer-digest = \"sha256:{digest}\"{} }} }}]\n",
            more.replace("= 4", "= \"4\"")
        );
        let plan = node(folder.path(), &with).unwrap();
        for (id, version, codename) in [("ubuntu", "22.04", "jammy"), ("rocky", "9.6", "")] {
            shown.push_str(&format!("--- {vendor} on {id}\n"));
            for step in steps(&plan, &facts(id, version, codename, "x86_64")) {
                if step.rules.role.is_some_and(|role| plan.roles[role].name == "gpu") {
                    shown.push_str(&format!("{}: {}\n", step.label, kind(&step).1));
                }
            }
        }
    }
    insta::assert_snapshot!(shown);
}
