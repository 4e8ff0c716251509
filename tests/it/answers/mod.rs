//! Answers to installers: every usual combination as it was reviewed, and what the installers' own parsers say to it.
mod peers;
mod rows;

use goldsmith::{
    plan::InstallerBoot,
    seed::{
        answers::{RenderedFile, render},
        lint,
    },
};
use rows::{Row, rows};
use std::collections::BTreeMap;

fn answers(row: &Row) -> Vec<RenderedFile> {
    render(&row.plan).unwrap()
}

#[test]
fn every_combination_is_answered_as_it_was_reviewed() {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    let mut scripts: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    settings.bind(|| {
        for row in rows() {
            let answers = answers(&row);
            let InstallerBoot::Direct {
                kernel: Some(kernel),
                initrd: Some(initrd),
                arguments,
                keep_menu: false,
            } = row.plan.boot()
            else {
                panic!("{}: everything is known without the medium", row.name);
            };
            let (start, text) = (arguments.join(" "), &answers[0].text);
            insta::assert_snapshot!(row.name, format!("{kernel} {initrd}\n{start}\n---\n{text}"));
            let finish = answers.iter().find(|file| file.name.ends_with("finish.sh")).unwrap();
            scripts.entry(finish.text.clone()).or_default().push(row.name);
        }
        // Few scripts serve all; each is shown once.
        for (text, names) in scripts {
            insta::assert_snapshot!(
                format!("finish-{}", names[0]),
                format!("{}\n---\n{text}", names.join(" "))
            );
        }
    });
}

#[test]
fn the_lint_finds_nothing_in_built_in_answers() {
    for row in rows() {
        let found = lint::check(&row.plan, &answers(&row));
        assert!(found.is_empty(), "{}: {found:#?}", row.name);
    }
}
