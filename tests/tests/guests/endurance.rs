// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A driver that comes and goes, modules too, and a guest that reboots: the server keeps nothing of what is gone.

use boot_stress::recipe::Recipe;

use crate::boot::boot_and;
use crate::leak::{assert_no_leak, measure};

#[test]
fn guest_that_unbinds_unloads_suspends_and_reboots() {
    let recipe = Recipe::parse(include_str!("endurance.toml"), "endurance.toml").unwrap();
    let mut has = Vec::new();
    let boot = boot_and("endurance", &recipe, None, |now| {
        for (mark, answer) in [
            ("ready", "measured"),
            ("unbound", "measured-again"),
            ("back", "measured-back"),
        ] {
            now.wait_for_mark(mark)?;
            has.push(measure(now)?);
            now.raise_mark(answer)?;
        }
        Ok(())
    });
    println!("{has:?}");
    println!("{:#?}", boot.report.results);
    let of = |name: &str| -> Vec<&str> {
        let results = boot.report.results.iter().filter(|result| result.name == name);
        results.map(|result| result.text.as_str()).collect()
    };
    assert_eq!(
        of("unbound"),
        ["200", "200"],
        "once before the reboot, once after it"
    );
    assert_eq!(of("suspended"), ["1", "1"]);
    assert_eq!(boot.lines("PM: suspend exit").len(), 2);
    let written = of("written");
    assert_eq!(written.len(), 1, "the file system was made again");
    assert_eq!(of("read"), [written[0], written[0]]);
    assert_no_leak(&has);
    assert_eq!(boot.lines("Booting Linux on physical CPU").len(), 2);
    assert_eq!(boot.lines("Unhandled context fault"), Vec::<&str>::new());
}
