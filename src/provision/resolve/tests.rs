//! Roles and templates, from the text of a role to the steps for a guest.
use super::*;
use crate::{
    definition::{self, Inputs},
    guest::{Facts, Family, PackageManager},
    plan::ShellStep,
    value::Arch,
};

pub(super) fn facts() -> Facts {
    Facts {
        os_id: "debian".into(),
        os_version: "12".into(),
        os_name: "Debian GNU/Linux 12 (bookworm)".into(),
        codename: "bookworm".into(),
        family: Family::Debian,
        kernel: "6.1.0-40-amd64".into(),
        arch: "x86_64".into(),
        boot_id: "b".into(),
        machine_id: "m".into(),
        package_manager: Some(PackageManager::Apt),
        init: "systemd".into(),
        efi: true,
        root_device: "/dev/vda1".into(),
        root_fs: "ext4".into(),
        root_bytes: 1 << 30,
        cloud_init: true,
    }
}

const HEAD: &str = "name = \"n\"\nprovider = \"nutanix\"\nroles = [\"roles\"]\n[source.bootstrap]\nsuite = \"bookworm\"\n\
                    [[output]]\nformat = \"ova\"\n[secret.token]\nenv = \"TOKEN\"\n";

/// The plan of a definition with these `[[provision]]`s and roles.
fn plan(provision: &str, roles: &[(&str, &str)]) -> Result<Plan, String> {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in roles {
        let path = home.path().join("roles").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let path = home.path().join("image.toml");
    std::fs::write(&path, format!("{HEAD}{provision}")).unwrap();
    let inputs = Inputs { host_arch: Some(Arch::X86_64), ..Inputs::default() };
    definition::load(&path, &inputs).map_err(|error| {
        let line =
            |problem: &definition::Problem| format!("{problem} {}", problem.advice().unwrap_or_default());
        error.problems().iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

fn steps(provision: &str, roles: &[(&str, &str)]) -> Vec<Step> {
    resolve(&plan(provision, roles).unwrap(), &facts()).unwrap()
}

fn scripts(steps: &[Step]) -> Vec<String> {
    let script = |step: &Step| match &step.kind {
        StepKind::Shell(ShellStep { script, .. }) => script.clone(),
        StepKind::File(FileStep { content: Content::Text(text), dest, .. }) => format!("{dest}: {text}"),
        other => format!("{other:?}"),
    };
    steps.iter().map(script).collect()
}

/// The whole chain of an error.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

#[test]
fn a_role_gets_its_parameters_and_computes_names() {
    let role = r#"
        description = "greets"
        [param.who]
        required = true
        [param.times]
        type = "int"
        default = 2
        [param.words]
        type = "list"
        default = ["a", "b"]
        [let]
        prefix = "{{ '/opt' if os.family == 'flatcar' else '/usr/local' }}"
        full = "{{ prefix }}/bin"
        [[step]]
        for-each = "words"
        shell = "echo {{ who }} {{ item }} {{ times }} $HOME ${HOME} {{ full }} {{ provider }} {{ deb_arch }}"
        [[step]]
        when = "os.major >= 13"
        shell = "never"
        [[step]]
        package.install = ["{{ words }}", "c", "{{ none }}"]
    "#;
    let provision = "[[provision]]\nrole = \"greet\"\nwith.who = \"you\"\n";
    let steps = steps(provision, &[("greet/role.toml", role)]);
    assert_eq!(
        scripts(&steps)[..2],
        [
            "echo you a 2 $HOME ${HOME} /usr/local/bin nutanix amd64",
            "echo you b 2 $HOME ${HOME} /usr/local/bin nutanix amd64"
        ]
    );
    assert_eq!(steps.len(), 3);
    let StepKind::Package(package) = &steps[2].kind else { panic!("{:?}", steps[2]) };
    assert_eq!(package.install, ["a", "b", "c"]);
    assert!(steps[0].at.ends_with("greet/role.toml:14"), "{}", steps[0].at);
}

#[test]
fn roles_are_made_of_roles_and_files() {
    let outer = r#"
        description = "outer"
        [param.version]
        [param.list]
        type = "list"
        default = []
        [[step]]
        role = "parts/inner"
        when = "list"
        with.values = "{{ list }}"
        with.version = "v{{ version }}"
        [[step]]
        role = "parts/inner"
        when = "not list"
        with.version = "{{ undefined_name }}"
    "#;
    let inner = r#"
        description = "inner"
        [param.values]
        type = "list"
        default = ["none"]
        [param.version]
        [[step]]
        template = { source = "conf.j2", dest = "/etc/{{ version }}.conf" }
        [[step]]
        file = { source = "verbatim.sh", dest = "/usr/bin/x", mode = "0755" }
        [[step]]
        shell.script-file = "verbatim.sh"
    "#;
    let verbatim = "#!/bin/sh\ndocker inspect -f '{{.Id}} \"quoted\" \\\\n' {% x %}\n";
    let roles = [
        ("outer/role.toml", outer),
        ("parts/inner/role.toml", inner),
        ("parts/inner/conf.j2", "{% for value in values %}\n{{ value }} = {{ version }}\n{% endfor %}\n"),
        ("parts/inner/verbatim.sh", verbatim),
    ];
    let provision = "[[provision]]\nrole = \"outer\"\nwith = { version = \"2\", list = [\"x\", \"y\"] }\n";
    assert_eq!(
        scripts(&steps(provision, &roles)),
        [
            "/etc/v2.conf: x = v2\ny = v2\n\n".trim_end().to_owned() + "\n",
            format!("/usr/bin/x: {verbatim}"),
            verbatim.to_owned()
        ]
    );
}

#[test]
fn a_file_that_a_parameter_names_is_the_users_own() {
    let role = "description = \"d\"\n[param.src]\nrequired = true\n\
                [[step]]\nfile = { source = \"{{ src }}\", dest = \"/etc/x\" }\n";
    let path = |src: &str| {
        let steps =
            steps(&format!("[[provision]]\nrole = \"r\"\nwith.src = \"{src}\"\n"), &[("r/role.toml", role)]);
        let StepKind::File(FileStep { content: Content::Path(path), .. }) = &steps[0].kind else {
            panic!("{steps:?}")
        };
        path.clone()
    };
    assert_eq!(path("/srv/a"), std::path::Path::new("/srv/a"));
    // Beside the definition.
    assert!(path("files/a").is_absolute() && path("files/a").ends_with("files/a"));
}

#[test]
fn texts_of_a_definition_are_templates_only_where_they_repeat() {
    let provision = r#"
        [[provision]]
        shell = "docker inspect -f '{{.Id}}'"
        [[provision]]
        for-each = ["one", "two"]
        when = "item != 'two' and os.family == 'debian'"
        file = { dest = "/etc/{{ item }}", content = "${secret.token} {{ item }}" }
        [[provision]]
        template = { dest = "/etc/t", content = "{{ os.codename }} ${secret.token}" }
    "#;
    assert_eq!(
        scripts(&steps(provision, &[])),
        ["docker inspect -f '{{.Id}}'", "/etc/one: ${secret.token} one", "/etc/t: bookworm ${secret.token}"]
    );
}

#[test]
fn names_in_tables_are_texts_too() {
    let provision = "[[provision]]\nfor-each = [\"a.b\"]\nsysctl.values = { \"net.{{ item }}\" = \"1\" }\n";
    let steps = steps(provision, &[]);
    assert!(
        serde_json::to_string(&steps[0].kind).unwrap().contains("\"net.a.b\":\"1\""),
        "{:?}",
        steps[0].kind
    );
}

#[test]
fn what_has_no_value_is_an_error_that_names_it() {
    let role =
        "description = \"d\"\n[[step]]\nshell = \"true\"\n[[step]]\nshell = \"echo {{ nothing.like.it }}\"\n";
    let plan = plan("[[provision]]\nrole = \"r\"\n", &[("r/role.toml", role)]).unwrap();
    let error = chain(&resolve(&plan, &facts()).unwrap_err());
    assert!(error.contains("r/role.toml:4"), "{error}");
    assert!(error.contains("`echo {{ nothing.like.it }}` has no value"), "{error}");
    assert!(error.contains("undefined"), "{error}");
}

#[test]
fn parameters_are_checked_before_anything_is_done() {
    let role = "description = \"d\"\n[param.version]\nrequired = true\ndescription = \"Which.\"\n[param.source]\n\
                choices = [\"http\", \"packages\"]\n[[step]]\nshell = \"true\"\n";
    let wrong = |with: &str| {
        plan(&format!("[[provision]]\nrole = \"r\"\n{with}"), &[("r/role.toml", role)]).unwrap_err()
    };
    assert!(wrong("").contains("needs the parameter `version`"));
    assert!(wrong("with.version = 1.30").contains("takes a text, but this is a number"));
    assert!(wrong("with = { version = \"1\", sorce = \"http\" }").contains("did you mean `source`?"));
    assert!(wrong("with = { version = \"1\", source = \"htp\" }").contains("is one of http, packages"));
    let circle = "description = \"d\"\n[[step]]\nrole = \"r\"\n";
    let error = plan("[[provision]]\nrole = \"r\"\n", &[("r/role.toml", circle)]).unwrap_err();
    assert!(error.contains("a part of itself"), "{error}");
    let error = plan("[[provision]]\nrole = \"../r\"\n", &[]).unwrap_err();
    assert!(error.contains("cannot name a role"), "{error}");
}

#[test]
fn a_step_has_no_end() {
    let role = "description = \"d\"\n[[step]]\nfor-each = \"range(100000)\"\nshell = \"true\"\n";
    let plan = plan("[[provision]]\nrole = \"r\"\n", &[("r/role.toml", role)]).unwrap();
    assert!(resolve(&plan, &facts()).is_err());
}

#[test]
fn single_expressions_are_known() {
    assert_eq!(single(" {{ a | default([]) }}\n"), Some("a | default([])"));
    assert_eq!(single("{{- -1 -}}"), Some("-1"));
    assert_eq!(single("{{ a }} {{ b }}"), None);
    assert_eq!(single("x {{ a }}"), None);
}

#[test]
fn only_what_no_guest_can_change_is_certain() {
    let role = "description = \"r\"\n[param.arch-word]\ndefault = \"{{ deb_arch }}\"\n[let]\nsystem = \"{{ os.id }}\"\n\
        [[step]]\nshell = \"echo {{ arch_word }}\"\n[[step]]\nshell = \"echo {{ system }}\"\n\
        [[step]]\nwhen = \"provider == 'nutanix'\"\nshell = \"echo nutanix\"\n\
        [[step]]\nwhen = \"kernel | length > 0\"\nshell = \"echo kernel\"\n";
    let provision = "[[provision]]\nshell = \"echo plain\"\n\
        [[provision]]\nwhen = \"os.id == 'debian'\"\nshell = \"echo debian\"\n\
        [[provision]]\nwhen = \"provider == 'qemu'\"\nshell = \"echo qemu\"\n\
        [[provision]]\nrole = \"r\"\n";
    let plan = plan(provision, &[("r/role.toml", role)]).unwrap();
    let any = scripts(&certain(&plan, None));
    assert_eq!(any, ["echo plain", "echo amd64", "echo nutanix"]);
    let debian = scripts(&certain(&plan, Some(&facts())));
    assert_eq!(debian, ["echo plain", "echo debian", "echo amd64", "echo debian", "echo nutanix"]);
}
