// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

const fn us(number: u64) -> Duration {
    Duration::from_micros(number)
}

fn after(waits: &[Duration]) -> Duration {
    let mut attention = Attention::on(2);
    for &wait in waits {
        attention.learn(wait);
    }
    attention.span()
}

#[test]
fn it_grows_with_what_it_missed_by_little() {
    assert_eq!(after(&[]), us(100));
    assert_eq!(after(&[us(100)]), us(100), "it was found");
    assert_eq!(after(&[us(101)]), us(200));
    assert_eq!(after(&[us(500), us(500)]), us(400));
    assert_eq!(after(&[us(500); 3]), us(800));
    assert_eq!(after(&[us(500); 9]), us(800), "it is found");
    assert_eq!(after(&[us(1000); 9]), us(1000), "no longer than that");
}

#[test]
fn it_begins_again_after_a_pause() {
    assert_eq!(after(&[us(500), us(500), us(1001)]), us(100));
    assert_eq!(after(&[us(500), us(500), us(0)]), us(400), "a burst is no pause");
}

#[test]
fn there_is_none_on_one_core() {
    let mut attention = Attention::on(1);
    for wait in [0, 1, 99, 500, 5000].map(us) {
        attention.learn(wait);
        assert_eq!(attention.span(), Duration::ZERO);
    }
}
