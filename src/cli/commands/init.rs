//! `goldsmith init`.
use crate::{
    cli::{
        args::{self, Start},
        console::Console,
        exit::Exit,
        problem::Problem,
        theme::Tone,
    },
    definition::{self, TemplateKind},
};
use std::{fs::OpenOptions, io::Write, path::PathBuf};

pub(super) fn run(arguments: &args::Init, console: &Console) -> Result<Exit, Problem> {
    let kind = match arguments.from {
        Start::Bootstrap => TemplateKind::Bootstrap,
        Start::Disk => TemplateKind::Disk,
        Start::Iso => TemplateKind::Iso,
    };
    let text = named(&definition::template(kind), &arguments.name);
    if arguments.stdout {
        console.out(text.trim_end());
        return Ok(Exit::Ok);
    }
    let path = PathBuf::from(format!("{}.toml", arguments.name));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    if !arguments.force {
        options.create_new(true);
    }
    let written = options.open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
    if let Err(error) = written {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            return Err(Problem::usage(format!("`{}` exists already", path.display()))
                .hint("`--force` overwrites it, `--stdout` only shows the new one"));
        }
        return Err(Problem::host(format!("could not write `{}`", path.display()), error));
    }
    let theme = console.err_theme();
    console.note(&format!(
        "{} wrote {}",
        theme.mark(true),
        theme.paint(Tone::Strong, path.display().to_string())
    ));
    let next = |command: &str, why: &str| {
        console.note(&format!(
            "  {}  {why}",
            theme.paint(Tone::Accent, format!("goldsmith {command} {}", path.display()))
        ));
    };
    next("doctor", "see what this host lacks for it");
    next("build ", "build it");
    Ok(Exit::Ok)
}

/// The template with the user's name in it.
fn named(template: &str, name: &str) -> String {
    let mut renamed = false;
    let lines = template.lines().map(|line| {
        if !renamed && line.starts_with("name = ") {
            renamed = true;
            format!("name = \"{name}\"")
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}
