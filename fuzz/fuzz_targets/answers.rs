//! Reads answers to installers as a user's template may give them. Run with `cargo +nightly fuzz run answers`.
#![no_main]

use goldsmith::{
    plan::{AnswersPlan, AnswersTemplate, Firmware, InstallSystem, Provider},
    seed::{answers::render, lint},
    value::Arch,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if text.contains("endraw") {
        return;
    }
    let systems = [
        (InstallSystem::Ubuntu, "24.04"),
        (InstallSystem::Rhel, "9"),
        (InstallSystem::Debian, "12"),
        (InstallSystem::Photon, "5"),
    ];
    for (system, version) in systems {
        let mut plan = AnswersPlan::new(system, version, Arch::X86_64, Provider::Generic, Firmware::Bios)
            .expect("this system is known");
        plan.template =
            Some(AnswersTemplate { path: "own".into(), text: format!("{{% raw %}}{text}{{% endraw %}}") });
        let answers = render(&plan).expect("raw text is a template");
        for finding in lint::check(&plan, &answers) {
            assert!(!finding.to_string().is_empty());
        }
    }
});
