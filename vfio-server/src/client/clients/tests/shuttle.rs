// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::*;
use crate::sync::testing::check;
use crate::sync::thread;

#[test]
fn clients_take_the_slot_one_after_the_other() {
    check(|| {
        let slot = Arc::new(Slot::default());
        let inside = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..3)
            .map(|client| {
                let (slot, inside) = (Arc::clone(&slot), Arc::clone(&inside));
                thread::spawn(move || {
                    assert!(slot.take(client), "waits for as long as it takes");
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    slot.free();
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
    });
}
