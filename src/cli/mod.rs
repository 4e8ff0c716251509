//! The command line: the only code that prints, draws or decides how the process ends.
//!
//! ```text
//!   args ─→ commands ─→ build, doctor, definition
//!             │  ▲
//!             │  └ events ─→ render: terminal, plain or JSON lines
//!             └─→ summary, failure ─→ console (stdout: results, stderr: for people)
//! ```
//!
//! Start reading at [`main`], then `commands/build.rs`.
mod args;
mod commands;
mod console;
mod conversion;
#[cfg(test)]
mod disk_tests;
mod env;
pub mod exit;
mod failure;
mod interact;
mod leave;
mod outputs;
mod problem;
mod render;
mod signals;
mod summary;
#[cfg(test)]
mod texts_tests;
mod theme;
mod words;

use args::{Cli, ColorWhen, Doing, ImageBuilder};
use clap::{CommandFactory, FromArgMatches};
use console::Console;
use exit::Exit;

use std::panic;

/// Runs the command line of this process, and ends it.
pub fn main() -> ! {
    panic::set_hook(Box::new(report_bug));
    // A panic in a build is caught here; its journal stays, so that gc can finish the undo.
    leave::leave(panic::catch_unwind(run).unwrap_or(Exit::Internal).code())
}

fn run() -> Exit {
    let program = std::env::args_os().next();
    if args::is_image_builder(program.as_deref()) {
        return match parsed::<ImageBuilder>() {
            Ok(tool) => {
                let console = Console::new(&tool.global);
                match tool.doing() {
                    Ok(Doing::Command(command)) => told(commands::run_node(*command, &console), &console),
                    Ok(Doing::Version) => {
                        console.out(&format!("goldsmith {}", env!("CARGO_PKG_VERSION")));
                        Exit::Ok
                    }
                    Err(error) => refused(&error),
                }
            }
            Err(exit) => exit,
        };
    }
    match parsed::<Cli>() {
        Ok(cli) => {
            let console = Console::new(&cli.global);
            told(commands::run(cli.command, &console), &console)
        }
        Err(exit) => exit,
    }
}

/// The command line of this process, or how the process ends because of it.
fn parsed<T: CommandFactory + FromArgMatches>() -> Result<T, Exit> {
    let command = T::command().color(match early_color() {
        ColorWhen::Auto => clap::ColorChoice::Auto,
        ColorWhen::Always => clap::ColorChoice::Always,
        ColorWhen::Never => clap::ColorChoice::Never,
    });
    command
        .try_get_matches()
        .and_then(|matches| T::from_arg_matches(&matches))
        .map_err(|error| refused(&error))
}

/// How the process ends when its command line is not taken, or asks for help or the version.
fn refused(error: &clap::Error) -> Exit {
    // A reader that went away is no error.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Ok }
}

/// How a command ended; a problem is told.
fn told(ended: Result<Exit, problem::Problem>, console: &Console) -> Exit {
    ended.unwrap_or_else(|problem| {
        console.err(&problem.render(console.err_theme(), console.err_width()));
        problem.exit()
    })
}

/// Mistakes in the command line are reported in colours before there are parsed arguments that could forbid it.
fn early_color() -> ColorWhen {
    let mut when = ColorWhen::Auto;
    let mut arguments = std::env::args_os().skip(1).peekable();
    while let Some(argument) = arguments.next() {
        let next = arguments.peek().and_then(|next| next.to_str());
        when = match (argument.to_str(), next) {
            (Some("--no-color" | "--color=never"), _) | (Some("--color"), Some("never")) => ColorWhen::Never,
            (Some("--color=always"), _) | (Some("--color"), Some("always")) => ColorWhen::Always,
            (Some("--"), _) => break,
            _ => when,
        };
    }
    when
}

/// Says that it is a bug, and what to do.
#[expect(clippy::print_stderr, reason = "the console may be what panicked")]
fn report_bug(info: &panic::PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let message = text.unwrap_or("it gave no reason");
    let place = info.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
    eprintln!("error: this is a bug in goldsmith {}: {message}{place}", env!("CARGO_PKG_VERSION"));
    if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
        eprintln!("{}", std::backtrace::Backtrace::force_capture());
    }
    eprintln!("hint: please report it, with this message and the command that you ran");
    eprintln!("hint: `{}` removes what the build may have left", failure::gc_command());
}
