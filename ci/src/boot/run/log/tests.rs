// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

#[test]
fn the_last_lines_are_kept_and_the_missing_ones_counted() {
    let log = ServerLog::default();
    for line in 0..LINES + 3 {
        log.push(&line.to_string());
    }
    let lines: Vec<String> = log.take().into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines.len(), LINES + 1);
    assert_eq!(lines[0], "WARN 3 lines of the server are missing here");
    assert_eq!((lines[1].as_str(), lines.last().unwrap().as_str()), ("3", "258"));
    assert_eq!(log.take(), []);
}
