// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Whatever a guest prints: the classifier does not panic, stays within its bounds, and says the same however the bytes
//! are cut into chunks.
#![no_main]

use boot_stress::boot::classify::Classifier;
use boot_stress::boot::findings::Finding;
use libfuzzer_sys::fuzz_target;

fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Classifier, usize) {
    let mut classifier = Classifier::default();
    let mut events = 0;
    for chunk in chunks {
        events += classifier.feed(chunk).len();
    }
    events += classifier.finish().len();
    (classifier, events)
}

fn all(classifier: &Classifier) -> Vec<&Finding> {
    classifier.findings().iter().collect()
}

fuzz_target!(|data: &[u8]| {
    let Some((&size, bytes)) = data.split_first() else {
        return;
    };
    let (whole, events) = read([bytes]);
    let (parts, part_events) = read(bytes.chunks(usize::from(size) + 1));
    assert_eq!(events, part_events);
    assert_eq!(whole.hit_count(), parts.hit_count());
    assert_eq!(whole.hits(), parts.hits());
    assert_eq!(all(&whole), all(&parts));
    assert!(whole.hits().len() <= 32 && whole.findings().iter().count() <= 20 * 33);
    assert!(
        whole
            .hits()
            .iter()
            .all(|hit| hit.raw.len() <= 160 && hit.trace.len() <= 160)
    );
});
