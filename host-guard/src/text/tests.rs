// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::*;

#[test]
fn escape_sequences_are_shown() {
    assert_eq!(
        printable("a\u{1b}[2Jb\rc\u{9b}31md"),
        "a\\u{1b}[2Jb\\u{d}c\\u{9b}31md"
    );
    assert_eq!(printable("abc\u{202e}cba"), "abc\\u{202e}cba");
    assert!(matches!(printable("äöü 漢字\n\t"), Cow::Borrowed(_)));
}

proptest! {
    #[test]
    fn nothing_that_a_terminal_obeys_is_left(text in "\\PC*|[\u{0}-\u{ff}]*|.*") {
        let shown = printable(&text);
        prop_assert!(shown.chars().all(|c| !is_control(c) || c == '\n' || c == '\t'));
        prop_assert_eq!(printable(&shown), shown.as_ref());
    }
}
