//! Two builds in one call do not meet.
use crate::support::{Home, alone, over_base};
use std::time::Duration;

/// The image has 4 GiB, the machine 5: without cloud-init, goldsmith itself grows the root file system.
const REST: &str = "[[provision]]\nshell = \"test $(df --output=size -BM / | tr -dc 0-9) -gt 4400; hostname > /etc/built\"\n[[output]]\nformat = \"qcow2\"\n[verify]\nboot = false";
const SEED: &str = "[guest]\nseed = \"credentials\"";

#[test]
fn two_builds_in_one_call_both_succeed() {
    let _turn = alone();
    let home = Home::new("parallel");
    let one = home.definition("one", &over_base("one", SEED, REST));
    let two = home.definition("two", &over_base("two", &format!("firmware = \"bios\"\n{SEED}"), REST));
    let mut both = home.start(&["build", "--parallel", "2", one.to_str().unwrap(), two.to_str().unwrap()]);
    assert_eq!(both.end(Duration::from_secs(900)).code(), Some(0), "{:#?}", both.seen.last());
    for file in ["one.qcow2", "two.qcow2"] {
        assert!(home.out().join(file).exists(), "{file}");
    }
    home.assert_clean("two builds at once");
}
