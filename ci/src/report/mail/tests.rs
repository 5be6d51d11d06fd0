// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::wrap;

#[test]
fn words_are_wrapped_and_a_long_one_has_its_own_line() {
    let long = "x".repeat(100);
    assert_eq!(
        wrap(&format!("one {long} two"), "- ", "  "),
        format!("- one\n  {long}\n  two\n")
    );
    assert_eq!(wrap("", "a", "b"), "a\n");
}
