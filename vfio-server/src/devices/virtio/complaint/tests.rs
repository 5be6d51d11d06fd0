// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::io::{self, Write};
use std::sync::Arc;

use crate::sync::Mutex;

use super::*;

/// The log.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_failed_request_does_not_silence_the_reason_for_a_reset() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .without_time()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let complaints = Complaints::new("disk");
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..3 {
            complaints.warn(&"a request fails");
            complaints.needs_reset(&"queue 0 is gone");
        }
    });
    let text = String::from_utf8(log.0.lock().clone()).unwrap();
    assert_eq!(text.matches("a request fails").count(), 1, "{text}");
    assert_eq!(
        text.matches("needs a reset: queue 0 is gone").count(),
        1,
        "{text}"
    );
    assert_eq!(complaints.total(), 6);
}
