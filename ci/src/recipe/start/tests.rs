// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use crate::recipe::shipped::SHIPPED;

#[test]
fn recipes_that_need_a_cold_start_say_why() {
    let mut lines = Vec::new();
    for shipped in SHIPPED {
        if let Some(reason) = shipped.recipe().unwrap().needs_cold_start() {
            lines.push(format!("{}: {reason}", shipped.name));
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn recipes_that_cannot_be_deterministic_say_why() {
    let mut lines = Vec::new();
    for shipped in SHIPPED {
        if let Some(reason) = shipped.recipe().unwrap().needs_host_time() {
            lines.push(format!("{}: {reason}", shipped.name));
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
}
