//! Answers to installers: every usual combination as it was reviewed, and what the installers' own parsers say to it.
mod peers;
mod rows;

use goldsmith::seed::{
    answers::{Answers, AnswersKeys, render},
    lint,
};
use rows::{Row, rows};
use std::collections::BTreeMap;

fn answers(row: &Row) -> Answers {
    render(&row.plan, &AnswersKeys::placeholders("builder")).unwrap()
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
            let text = answers.main().unwrap().text.expose();
            insta::assert_snapshot!(row.name, format!("{}\n---\n{text}", answers.kernel_args.join(" ")));
            let finish = answers.files.iter().find(|file| file.name.ends_with("finish.sh")).unwrap();
            scripts.entry(finish.text.expose().to_owned()).or_default().push(row.name);
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
