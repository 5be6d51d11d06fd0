// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::sync::Arc;

use super::*;

/// Written bytes, readable while the writer lives.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone())
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

#[test]
fn plain_lines() {
    let out = Shared::default();
    let progress = Lines::new(out.clone(), Duration::ZERO);
    progress.note("before");
    progress.begin("fetching x", 3 << 20);
    progress.advance(1 << 19);
    progress.advance(1);
    progress.end();
    // Nothing is under way any more.
    progress.advance(5);
    progress.end();
    let lines = out.lines();
    assert_eq!(
        lines[..4],
        [
            "before",
            "fetching x (3.0 MiB)",
            "fetching x: 0.5 of 3.0 MiB",
            "fetching x: 0.6 of 3.0 MiB"
        ]
    );
    assert!(
        lines[4].starts_with("fetching x: 0.6 MiB in ") && lines.len() == 5,
        "{lines:?}"
    );
}

#[test]
fn lines_are_rare() {
    let out = Shared::default();
    let progress = Lines::new(out.clone(), Duration::from_secs(3600));
    progress.begin("fetching x", 1000);
    for _ in 0..1000 {
        progress.advance(1);
    }
    assert_eq!(out.lines().len(), 1);
}

#[test]
fn the_bar_survives_any_order_of_calls() {
    let bar = Bar::default();
    bar.advance(1);
    bar.end();
    bar.begin("x", 0);
    bar.begin("y", 10);
    bar.advance(u64::MAX);
    bar.end();
    bar.end();
}
