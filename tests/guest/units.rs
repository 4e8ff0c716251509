//! Steps about units in a real systemd: what is so already costs nothing, neighbours cost one reload, and what the steps say holds.
use crate::support::{Home, beside, over_base};

/// Each script looks at what the steps since the last one have done; systemd's journal tells how often it read all units.
const STEPS: &str = r#"
[guest]
seed = "credentials"

[[provision]]
shell = """
mkdir -p /run/look
cat >/run/look/reloads <<'END'
want=$1; was=$(cat /run/look/count 2>/dev/null || echo 0)
journalctl --sync || true
now=$(journalctl -b --no-pager -o cat _PID=1 | grep -c '^Reloading' || true)
echo "$now" >/run/look/count
[ "$want" = any ] || [ $((now - was)) -eq "$want" ] || { echo "reloaded $((now - was)) times, not $want"; exit 1; }
END
sh /run/look/reloads any
"""

[[provision]]
unit = { name = "ssh", drop-in = "x.conf", content = "[Unit]\nDescription=looked at\n" }
[[provision]]
unit = { name = "one", content = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\n[Install]\nWantedBy=multi-user.target\n", enabled = true }
[[provision]]
unit = { name = "two", content = "[Service]\nExecStart=sleep infinity\n[Install]\nWantedBy=multi-user.target\n", enabled = true, state = "started" }
[[provision]]
name = "one reload made three units known"
shell = """
sh /run/look/reloads 1
test "$(systemctl show -P Description ssh)" = "looked at"
test "$(systemctl is-enabled one two)" = "$(printf 'enabled\nenabled')"
test "$(systemctl is-active one || true) $(systemctl is-active two)" = "inactive active"
systemctl show -P MainPID two >/run/look/two
"""

[[provision]]
service = { name = "one", enabled = true, state = "started" }
[[provision]]
service = { name = "two", enabled = true, state = "started" }
[[provision]]
service = { name = "ssh", state = "started" }
[[provision]]
name = "what was so already is the same, without a reload"
shell = """
sh /run/look/reloads 0
test "$(systemctl is-active one)" = active
test "$(systemctl show -P MainPID two)" = "$(cat /run/look/two)"
rm /etc/systemd/system/multi-user.target.wants/two.service
"""

[[provision]]
service = { name = "two", enabled = true, state = "restarted" }
[[provision]]
name = "a link that was taken away behind systemd's back is there again"
shell = """
sh /run/look/reloads 1
test "$(systemctl is-enabled two)" = enabled
test "$(systemctl show -P MainPID two)" != "$(cat /run/look/two)"
"""

[[provision]]
service = { name = "e2scrub_all.timer", masked = true }
[[provision]]
service = { name = "fstrim.timer", masked = true, state = "stopped" }
[[provision]]
service = { name = "not-there-at-all", masked = true, state = "stopped" }
[[provision]]
name = "what is masked is stopped"
shell = """
test "$(systemctl is-enabled e2scrub_all.timer fstrim.timer not-there-at-all || true)" = "$(printf 'masked\nmasked\nmasked')"
test "$(systemctl is-active e2scrub_all.timer fstrim.timer || true)" = "$(printf 'inactive\ninactive')"
sh /run/look/reloads any
"""

[[provision]]
service = { name = "fstrim.timer", masked = false, enabled = true, state = "started" }
[[provision]]
service = { name = "one", enabled = false, state = "stopped" }
[[provision]]
name = "what was masked runs again, and what was on is off"
shell = """
test "$(systemctl is-active fstrim.timer)" = active
test "$(systemctl is-active one || true) $(systemctl is-enabled one || true)" = "inactive disabled"
"""

[[output]]
format = "qcow2"
"#;

#[test]
#[ignore = "a build for what other guest tests use too: make test-slow"]
fn units_are_as_their_steps_say_and_neighbours_share_a_reload() {
    let _turn = beside();
    let home = Home::new("units");
    let definition = home.definition("units", &over_base("units", "", STEPS));
    home.run(&["build", definition.to_str().unwrap()]).expect_code(0);
    home.assert_clean("units");
}

const BROKEN: &str = r#"
[guest]
seed = "credentials"
[[provision]]
name = "wait in vain"
wait-for.unit = "bad"
finally = true
[[provision]]
unit = { name = "good", content = "[Service]\nExecStart=sleep infinity\n[Install]\nWantedBy=multi-user.target\n", enabled = true, state = "started" }
[[provision]]
service = { name = "ssh", state = "started" }
[[provision]]
name = "the one that fails"
service = { name = "bad", state = "started" }
[[provision]]
service = { name = "never", state = "started" }
[[output]]
format = "qcow2"
"#;

#[test]
#[ignore = "a build for one message: make test-slow"]
fn of_neighbours_the_one_that_fails_is_named_and_nobody_waits_for_it() {
    let _turn = beside();
    let home = Home::new("units-broken");
    let bad = "[[provision]]\nfile = { dest = \"/etc/systemd/system/bad.service\", content = \"[Service]\\nExecStart=sh -c 'echo alas; exit 3'\\nType=oneshot\\n\" }\n";
    let (head, tail) = BROKEN.split_once("[[provision]]").unwrap();
    let definition =
        home.definition("broken", &over_base("broken", "", &format!("{head}{bad}[[provision]]{tail}")));
    home.run(&["build", definition.to_str().unwrap()]).expect_code(1).expect_stderr(&[
        "step 4 (`the one that fails`",
        "alas",
        "has failed, so that waiting for it is in vain",
        "bad.service",
    ]);
    home.assert_clean("a unit that fails");
}
