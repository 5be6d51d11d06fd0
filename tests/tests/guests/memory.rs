// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Guest memory of other shapes than usual.

use boot_stress::boot::outcome::Outcome;

use crate::boot::{boot, boot_with_memory, recipe};

/// Linux takes the pages of its buffers from the highest zone first.
#[test]
fn guest_with_memory_above_4_gib() {
    let mut recipe = recipe("disk");
    recipe.board.memory_mib = 5 << 10;
    let boot = boot("above-4-gib", &recipe, None);
    let zone = boot.lines("Normal   [mem 0x0000000100000000-0x000000017fffffff]");
    assert_eq!(zone.len(), 1);
    assert_eq!(boot.result("file"), boot.result("data"));
    assert_eq!(boot.lines("Unhandled context fault"), Vec::<&str>::new());
}

/// The server cannot reach the memory, and says what to do about it.
#[test]
fn guest_whose_memory_is_not_shared() {
    let mut recipe = recipe("disk");
    recipe.steps.truncate(1);
    let private = |backend: &str| backend.replace("share=on", "share=off");
    let without_file = |backend: &str| backend.replace("memfd", "ram").replace("share=on", "share=off");
    for (name, change, words) in [
        (
            "private",
            &private as &dyn Fn(&str) -> String,
            "its memory is private to QEMU",
        ),
        ("without-file", &without_file, "comes without a file descriptor"),
    ] {
        let boot = boot_with_memory(name, &recipe, change).unwrap();
        let says = |words: &str| boot.stderr_tail.iter().any(|line| line.contains(words));
        assert!(says(words), "{:#?}", boot.stderr_tail);
        assert!(
            says("start QEMU with `-object memory-backend-memfd,"),
            "{:#?}",
            boot.stderr_tail
        );
        assert_eq!(boot.outcome, Outcome::AsExpected, "the server goes on");
    }
}
