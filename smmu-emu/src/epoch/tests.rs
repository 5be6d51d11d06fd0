// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

fn two() -> (Arc<Epoch>, Reader, Reader) {
    let epoch = Arc::new(Epoch::new());
    let readers = [(); 2].map(|()| Reader::new(Arc::clone(&epoch)));
    let [a, b] = readers;
    (epoch, a, b)
}

#[test]
fn a_barrier_waits_for_who_was_inside_before_it() {
    let (epoch, a, b) = two();
    let inside = a.enter(0);
    assert!(
        epoch.has_passed(epoch.barrier()),
        "nothing has changed since it entered"
    );
    epoch.advance();
    let barrier = epoch.barrier();
    assert!(!epoch.has_passed(barrier));
    drop(inside);
    assert!(epoch.has_passed(barrier));
    let _later = b.enter(1);
    assert!(epoch.has_passed(barrier), "began after it");
}

#[test]
fn a_reader_that_goes_holds_nobody_up() {
    let (epoch, a, b) = two();
    std::mem::forget(a.enter(1));
    epoch.advance();
    assert!(!epoch.has_passed(epoch.barrier()));
    drop(a);
    assert!(epoch.has_passed(epoch.barrier()));
    assert_eq!(epoch.readers().len(), 1);
    drop(b);
    assert_eq!(epoch.readers().len(), 0);
}

#[test]
fn entering_finds_the_generation() {
    let (epoch, a, _) = two();
    epoch.advance();
    epoch.advance();
    assert_eq!(a.enter(1).generation, 3);
    assert_eq!(a.enter_locked().generation, 3);
}
