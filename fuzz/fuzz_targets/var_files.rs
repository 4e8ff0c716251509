//! Reads var files of Packer's, and makes a definition of what they say. Run with `cargo +nightly fuzz run var_files`.
#![no_main]

use goldsmith::compat::capi::{Flavour, Target, Variables, define};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: &str| {
    let mut variables = Variables::default();
    if variables.read_file(Path::new("vars.json"), text).is_err() {
        return;
    }
    for name in ["qemu-ubuntu-2404", "node-ova-vsphere-rhel-9", "ami-flatcar"] {
        let Ok(target) = Target::parse(name) else { panic!("{name}") };
        let _ = define(&target, &variables, &Flavour::Upstream, Path::new("/folder"));
    }
});
