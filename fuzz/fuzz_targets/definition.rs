//! Whatever stands in a definition, the loader answers: with a plan, or with problems that can be drawn.
#![no_main]

use goldsmith::{
    definition::{Inputs, resolve},
    value::Arch,
};
use libfuzzer_sys::fuzz_target;
use miette::{GraphicalReportHandler, GraphicalTheme};
use std::path::Path;

fuzz_target!(|text: &str| {
    let inputs = Inputs { host_arch: Some(Arch::X86_64), ..Inputs::default() };
    if let Err(error) = resolve(text, Path::new("/images/image.toml"), &inputs) {
        assert!(!error.problems().is_empty());
        let mut drawn = String::new();
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
            .render_report(&mut drawn, &error)
            .expect("writing to a string succeeds");
    }
});
